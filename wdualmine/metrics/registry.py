"""All metrics by key, and the one call that validates three images and scores them."""

from collections.abc import Iterable, Sequence

from numpy.typing import ArrayLike

from wdualmine.data.color import to_grey
from wdualmine.errors import WdualmineError
from wdualmine.metrics import (
    average_gradient,
    correlation,
    cross_entropy,
    edge_intensity,
    entropy,
    feature_mutual_information,
    ms_ssim,
    mutual_information,
    nabf,
    nmi,
    piella,
    psnr,
    qabf,
    qc,
    qcb,
    qcv,
    qm,
    qncie,
    qp,
    qy,
    rmse,
    scd,
    spatial_frequency,
    ssim,
    standard_deviation,
    tsallis,
    vif,
    viff,
)
from wdualmine.metrics.metric import Metric
from wdualmine.metrics.validation import NAMES, check_triple

#: Every metric, in the order in which tables and the book list them.
_METRICS = (
    entropy.METRIC, mutual_information.METRIC, correlation.METRIC, psnr.METRIC,
    *feature_mutual_information.FMI_METRICS, standard_deviation.METRIC, spatial_frequency.METRIC,
    average_gradient.METRIC, qabf.METRIC, nabf.METRIC, scd.METRIC, vif.METRIC, ssim.METRIC, ms_ssim.METRIC,
    nmi.METRIC, qcb.METRIC, cross_entropy.METRIC, edge_intensity.METRIC, rmse.METRIC, qncie.METRIC,
    tsallis.METRIC, qm.METRIC, qp.METRIC, qc.METRIC, *piella.PIELLA_METRICS, qy.METRIC, qcv.METRIC,
    viff.METRIC,
)  # fmt: skip
METRICS = {metric.key: metric for metric in _METRICS}

#: The columns of the paper's Tables 1-5.
PAPER_METRICS = ("EN", "MI", "CC", "PSNR", "FMI")


def get_metric(key: str) -> Metric:
    """Return the metric of a key, in any case.

    Raises:
        WdualmineError: an empty key, or no such metric; the message lists those there are.
    """
    if not isinstance(key, str):
        raise WdualmineError(f"metric {key!r}: give names, of {', '.join(METRICS)}")
    for metric in METRICS.values():
        if metric.key.lower() == key.strip().lower():
            return metric
    what = "unknown metric" if key.strip() else "is no metric's name, as after a comma too many"
    raise WdualmineError(f"{key.strip() or repr(key)}: {what}; choose from {', '.join(METRICS)}")


def score(
    a: ArrayLike,
    b: ArrayLike,
    fused: ArrayLike,
    metrics: Iterable[str] = PAPER_METRICS,
    convention: str | None = None,
    names: Sequence[str] = NAMES,
) -> dict[str, float]:
    """Score a fused image against its two sources.

    Args:
        a: first source, 8-bit (H, W) or RGB (H, W, 3). Color metrics (PSNR) see RGB as soon as one of the
            three is in color, the others grey, round(0.299 R + 0.587 G + 0.114 B).
        b: second source, likewise.
        fused: fused image, likewise.
        metrics: keys of :data:`METRICS`.
        convention: a convention's name, for the metrics that have it; else each uses its first (the paper's).
        names: what messages call the three images.

    Returns:
        Value by metric key, in the order asked for; each in the unit its metric declares.

    Raises:
        WdualmineError: an image cannot be scored (:func:`~wdualmine.metrics.validation.check_triple`), an
            unknown metric, or a convention that none of the metrics has.
    """
    chosen = choose(metrics, convention)
    color = check_triple(a, b, fused, names)
    grey = to_grey(color[0]), to_grey(color[1]), to_grey(color[2])
    try:
        return {
            metric.key: metric.convention(convention).function(*(color if metric.color else grey))
            for metric in chosen
        }
    except WdualmineError as error:  # a metric that is undefined on these images does not know their names
        raise WdualmineError(f"{names[2]}: {error}") from error


def choose(metrics: Iterable[str], convention: str | None = None) -> list[Metric]:
    """Return the metrics of these keys, each once, or raise the errors of :func:`score`; at least one."""
    found = (get_metric(key) for key in ([metrics] if isinstance(metrics, str) else metrics))
    chosen = list({metric.key: metric for metric in found}.values())  # in the order asked for
    if not chosen:
        raise WdualmineError(f"no metric asked for; choose from {', '.join(METRICS)}")
    if convention is not None:
        known = {c.name: None for metric in chosen for c in metric.conventions}
        if convention not in known:
            raise WdualmineError(
                f"{convention}: no convention of {', '.join(m.key for m in chosen)}; "
                f"choose from {', '.join(known)}"
            )
    return chosen
