"""Signal recovery: what of a known signal in one source is left in the fused image.

Signal-known-exactly detection is the base of task-based image quality: H. H. Barrett, J. Yao, J. P. Rolland,
K. J. Myers, 1993, doi:10.1073/pnas.90.21.9758; H. H. Barrett, K. J. Myers, Foundations of Image Science,
2004.
"""

import math
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from wdualmine.data import Pair
from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse, check_fused, luma_tensor
from wdualmine.recovery.signals import REACH, Array, Signal, draw_signals, insert
from wdualmine.statistics import Group, jackknife_interval

#: Signals a pair, source and shape, at most.
SIGNALS = 10
SEED = 20_261_124
#: Below this recovery a signal counts as lost, below 0 as inverted.
LOST = 0.25
#: Added to the standard deviation around a signal in its visibility, in grey levels.
FLOOR = 2.0


def measure_recovery(
    fuse: Fuse,
    pairs: Sequence[Pair],
    signals: int = SIGNALS,
    seed: int = SEED,
    progress: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    r"""Put signals into one source at a time and look for them in the fused image.

    With F the fused image without any, F_s the one with signals s in a source, all in a window around one of
    them, and r the recovery::

        recovery   = <F_s - F, s> / <s, s>
        visibility = r * amplitude / (standard deviation of F + 2 grey levels)
        clutter    = amplitude * <F, s - mean(s)> / <s, s>

    Recovery is 1 where a signal is kept whole, 0 where it is lost and negative where it is inverted. The
    clutter is what a matched filter answers where there is no signal, in grey levels: its spread over places
    is the noise of a non-prewhitening observer (see :func:`summarize_recovery`).

    Args:
        fuse: any way to fuse; neither stretched nor rounded here.
        pairs: sources.
        signals: at most so many a pair, source and shape.
        seed: of places, sizes, angles, amplitudes and signs; the same for every method.
        progress: called after every pair.

    Returns:
        A row per signal: pair, source ("a" or "b"), shape, size, angle, amplitude, row, column, recovery,
        visibility, clutter.

    Raises:
        WdualmineError: `fuse` gives another shape or values that are not finite, or no pair has room for a
            signal.
    """
    rows = []
    for pair in pairs:
        luma_a, luma_b = pair.luma_a, pair.luma_b
        without = fuse_levels(fuse, luma_tensor(luma_a), luma_tensor(luma_b), pair.name)
        spread = _local_deviation(without)
        for source, drawn in draw_signals(luma_a, luma_b, signals, (seed, zlib.crc32(pair.name.encode()))):
            if not drawn:
                continue
            changed = torch.from_numpy(insert(luma_a if source == "a" else luma_b, drawn))[None, None]
            images = (changed, luma_tensor(luma_b)) if source == "a" else (luma_tensor(luma_a), changed)
            difference = fuse_levels(fuse, *images, pair.name) - without
            for signal in drawn:
                deviation = spread[signal.row, signal.column]
                scores = signal_scores(signal, difference[signal.window], without[signal.window], deviation)
                rows.append({"pair": pair.name, "source": source, **vars(signal), **scores})
        progress()
    if not rows:
        raise WdualmineError("no pair has room for a signal inside the head; give larger or brighter images")
    return pd.DataFrame(rows)


def recovered(signal: Signal, difference: Array) -> float:
    """Return the recovery of one signal from its window of F_s - F, in grey levels."""
    template = signal.template
    return float((difference * template).sum() / (template**2).sum())


def signal_scores(signal: Signal, difference: Array, without: Array, deviation: float) -> dict[str, float]:
    """Score one signal from windows of F_s - F and of F, in grey levels, and the deviation of F around it."""
    template = signal.template
    energy = float((template**2).sum())
    recovery = recovered(signal, difference)
    return {
        "recovery": recovery,
        "visibility": recovery * abs(signal.amplitude) / (float(deviation) + FLOOR),
        "clutter": abs(signal.amplitude) * float((without * (template - template.mean())).sum()) / energy,
    }


def summarize_recovery(scores: pd.DataFrame, group: Group | None = None, level: float = 0.95) -> pd.DataFrame:
    """Summarize what :func:`measure_recovery` gives, for each source.

    Args:
        scores: a row per signal.
        group: gives a pair's volume by its name; None takes every pair for a volume of its own.
        level: of the intervals, by the jackknife over the volumes, since signals of one volume are alike.

    Returns:
        A row per source ("a", "b") and statistic: columns source, statistic, value, low, high. Statistics:
        ``mean`` and ``p10`` (10th percentile) of the recovery; ``lost`` and ``inverted``, the shares with a
        recovery below 0.25 and below 0; ``visibility``, its mean; ``detectability``, the d' of a
        non-prewhitening matched filter that knows shape and place: the mean answer to a signal over the
        standard deviation of its answers where there is none, per shape and size, then averaged.
    """
    rows = []
    for source, own in scores.groupby("source", sort=True):
        columns = _columns(own)
        values = _statistics(*columns)
        volumes = own["pair"].astype(str).map(group or str)
        places = [np.flatnonzero(volumes == volume) for volume in sorted(set(volumes))]
        lows, highs = jackknife_interval(
            lambda at, columns=columns: np.array(  # type: ignore[misc]
                list(_statistics(*(column[at] for column in columns)).values())
            ),
            places,
            level,
        )
        for (name, value), low, high in zip(values.items(), lows, highs, strict=True):
            rows.append({"source": source, "statistic": name, "value": value, "low": low, "high": high})
    return pd.DataFrame(rows)


def _columns(scores: pd.DataFrame) -> tuple[NDArray, ...]:
    """Return recovery, visibility, the filter's answer and clutter (grey levels), and each signal's class."""
    recovery = scores["recovery"].to_numpy()
    answer = recovery * scores["amplitude"].abs().to_numpy()
    classes = pd.factorize(scores["shape"] + scores["size"].astype(str))[0]
    return recovery, scores["visibility"].to_numpy(), answer, scores["clutter"].to_numpy(), classes


def _statistics(
    recovery: Array, visibility: Array, answer: Array, clutter: Array, classes: NDArray
) -> dict[str, float]:
    count = np.maximum(np.bincount(classes), 1)
    mean_answer, mean_clutter = (np.bincount(classes, x) / count for x in (answer, clutter))
    variance = np.bincount(classes, (clutter - mean_clutter[classes]) ** 2) / np.maximum(count - 1, 1)
    measured = variance > 0
    detectability = mean_answer[measured] / np.sqrt(variance[measured])
    return {
        "mean": float(recovery.mean()),
        "p10": float(np.quantile(recovery, 0.1)),
        "lost": float((recovery < LOST).mean()),
        "inverted": float((recovery < 0).mean()),
        "visibility": float(visibility.mean()),
        "detectability": float(detectability.mean()) if measured.any() else math.nan,
    }


def fuse_levels(fuse: Fuse, a: Tensor, b: Tensor, name: str) -> Array:
    """Fuse two lumas (1, 1, H, W) and give grey levels (H, W), neither rounded nor stretched."""
    with torch.inference_mode():
        fused = check_fused(fuse(a, b), a, name)
    levels: NDArray = fused[0, 0].double().clamp(0, 1).cpu().numpy() * 255
    return levels


def _local_deviation(image: Array) -> Array:
    """Standard deviation in the window around each pixel."""
    side = 2 * REACH + 1
    mean = ndimage.uniform_filter(image, side)
    return np.sqrt(np.maximum(ndimage.uniform_filter(image**2, side) - mean**2, 0))
