"""VIF: visual information fidelity of the fused image, in the pixel domain."""

from collections.abc import Iterator

import numpy as np

from wdualmine.errors import WdualmineError
from wdualmine.metrics.metric import Array, Image, Metric
from wdualmine.metrics.universal_quality import gaussian
from wdualmine.metrics.validation import require_size

_WINDOWS = (17, 9, 5, 3)  # side of the Gaussian window at each of the four scales; its sigma is a fifth
_NOISE = 2.0  # variance of the visual noise, in squared grey levels
_SMALL = 1e-10  # variances below it are flat
SMALLEST = 41  # what leaves the fourth scale a whole window

_SUM = (
    r"\sum_{S \in \{A, B\}} \frac{\sum_{k, i} \log\left(1 + \frac{g_{ki}^2 \sigma_{S,ki}^2}"
    r"{\sigma_{V,ki}^2 + 2}\right)}{\sum_{k, i} \log\left(1 + \frac{\sigma_{S,ki}^2}{2}\right)}, \quad "
    r"g = \frac{\sigma_{SF}}{\sigma_S^2}, \quad \sigma_V^2 = \sigma_F^2 - g \sigma_{SF}"
)

METRIC = Metric(
    key="VIF",
    name="Visual information fidelity (pixel domain)",
    range=(0.0, float("inf")),
    source="Sheikh, Bovik 2006, DOI 10.1109/TIP.2005.859378",
)


@METRIC.define("sum", _SUM, "CDDFuse's evaluator; Gu's MATLAB toolbox")
def vif(a: Image, b: Image, fused: Image) -> float:
    """Pixel-domain VIF of the fused image against each source, summed.

    Four scales of Gaussian windows, valid positions only, noise variance 2 on 0-255.

    Returns:
        At least 0, 2 if all three are equal, more where the fused image has more contrast than a source.

    Raises:
        WdualmineError: a source is constant, or the images are smaller than 41 x 41.

    Source: H. R. Sheikh, A. C. Bovik, 2006, DOI 10.1109/TIP.2005.859378.
    """
    return fidelity(a, fused) + fidelity(b, fused)


@METRIC.define("mean", r"\frac{1}{2} " + _SUM, "papers that report VIF per source")
def vif_mean(a: Image, b: Image, fused: Image) -> float:
    """Half of :func:`vif`: the mean over the two sources, 1 if all three images are equal."""
    return vif(a, b, fused) / 2


def fidelity(source: Image, fused: Image) -> float:
    """Pixel-domain VIF of one image (H, W), uint8, against one reference; errors as :func:`vif`."""
    require_size("VIF", source, SMALLEST)
    if (source == source.flat[0]).all():
        raise WdualmineError("VIF: a source is constant, so it has no information to keep; leave it out")
    kept = total = 0.0
    for kept_map, total_map, _ in information_maps(source, fused, _NOISE):
        kept += float(kept_map.sum())
        total += float(total_map.sum())
    return kept / total


def information_maps(source: Image, fused: Image, noise: float) -> Iterator[tuple[Array, Array, Array]]:
    """What an observer learns at each place, scale by scale, the finest first; images uint8 (H, W).

    Yields:
        Information about the source through the fused image, that through the source itself, in nats, and
        the gain with which the fused image carries the source; all at least 0, one value per whole window.
    """
    x, y = source.astype(np.float64), fused.astype(np.float64)
    for scale, side in enumerate(_WINDOWS):
        mean = gaussian(side, side / 5)
        if scale:
            x, y = mean(x)[::2, ::2], mean(y)[::2, ::2]
        mean_x, mean_y = mean(x), mean(y)
        variance_x = np.maximum(mean(x * x) - mean_x**2, 0)
        variance_y = np.maximum(mean(y * y) - mean_y**2, 0)
        covariance = mean(x * y) - mean_x * mean_y

        # The fused image as gain times the source plus noise; only a positive gain carries information.
        informative = (variance_x >= _SMALL) & (variance_y >= _SMALL) & (covariance > 0)
        gain = np.where(informative, covariance / (variance_x + _SMALL), 0)
        distortion = np.maximum(variance_y - gain * covariance, _SMALL)
        kept = np.log1p(gain**2 * variance_x / (distortion + noise))
        yield kept, np.log1p(np.where(variance_x >= _SMALL, variance_x, 0) / noise), gain
