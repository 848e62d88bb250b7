"""Qcv: the error that an observer sees against each source, region by region."""

import numpy as np
from scipy import ndimage

from wdualmine.errors import WdualmineError
from wdualmine.metrics.metric import Array, Image, Metric

_REGION = 16  # side of a region in pixels
_SHARPNESS = 5  # power of the edges in a region's weight


def _formula(power: str) -> str:
    return (
        r"\frac{\sum_{S \in \{A, B\}} \sum_w \lambda_w^S \, \overline{\left(\mathcal{F}^{-1}\left[\theta \, "
        r"\mathcal{F}(S - F)\right]\right)^2}_w}{\sum_{S \in \{A, B\}} \sum_w \lambda_w^S}, \quad "
        rf"\lambda_w^S = \sum_w \lVert \nabla S \rVert{power}, \; "
        r"\theta(r) = 2.6 \, (0.0192 + 0.144 r) \, e^{-(0.144 r)^{1.1}}"
    )


METRIC = Metric(
    key="Qcv",
    name="Visible error (Chen and Varshney)",
    direction="lower",
    range=(0.0, float("inf")),
    source="Chen, Varshney 2007, DOI 10.1016/j.inffus.2005.10.001",
)


@METRIC.define("alpha-5", _formula("^5"), "Liu's MATLAB toolbox; the VIFB and MEFB benchmarks")
def qcv(a: Image, b: Image, fused: Image) -> float:
    """Mean square of the visible error against each source, weighted by the source's edges in each region.

    Each image is min-max stretched to 0-255 and rounded. The errors are filtered with the contrast
    sensitivity of Mannos and Sakrison; regions are 16 x 16 pixels, those at the border filled up with zeros;
    the weight is the sum of the fifth power of the Sobel edges, so that a few steep edges decide.

    Returns:
        Squared grey levels as seen, at least 0 (all three equal); lower is better.

    Raises:
        WdualmineError: an image is constant, so that it cannot be stretched.

    Source: H. Chen, P. K. Varshney, 2007, DOI 10.1016/j.inffus.2005.10.001.
    """
    return _visible_error(a, b, fused, _SHARPNESS)


@METRIC.define("alpha-1", _formula(""), "the publication's smallest power")
def qcv_plain_edges(a: Image, b: Image, fused: Image) -> float:
    """As :func:`qcv` with the sum of the edges themselves as the weight of a region."""
    return _visible_error(a, b, fused, 1)


def _visible_error(a: Image, b: Image, fused: Image, power: int) -> float:
    target = stretched("Qcv", fused, "the fused image")
    error = total = 0.0
    for image, name in ((a, "source A"), (b, "source B")):
        source = stretched("Qcv", image, name)
        edges = np.hypot(*(ndimage.sobel(source, axis=axis, mode="constant") for axis in (0, 1)))
        weights = _regions(edges**power)
        seen = np.fft.irfft2(np.fft.rfft2(source - target) * _sensitivity(fused.shape), s=fused.shape)
        error += float((weights * _regions(seen**2)).sum()) / _REGION**2
        total += float(weights.sum())
    return error / total


def stretched(metric: str, image: Image, name: str) -> Array:
    """Stretch an image (H, W) to 0-255 and round it, or refuse a constant one."""
    low, high = int(image.min()), int(image.max())
    if low == high:
        raise WdualmineError(f"{metric}: {name} is constant, so it cannot be stretched; leave it out")
    return np.floor((image - float(low)) / (high - low) * 255 + 0.5)


def _sensitivity(shape: tuple[int, ...]) -> Array:
    """Contrast sensitivity at the frequencies of rfft2: (H, W // 2 + 1); an image spans 4 x 4 degrees."""
    height, width = shape
    v = np.fft.fftfreq(height)[:, None] * height / 4
    u = np.fft.rfftfreq(width)[None, :] * width / 4
    r = 0.144 * np.hypot(u, v)
    return 2.6 * (0.0192 + r) * np.exp(-(r**1.1))


def _regions(x: Array) -> Array:
    """Sum over each region, zeros beyond the border: (H, W) to the number of regions down and across."""
    height, width = x.shape
    filled = np.pad(x, ((0, -height % _REGION), (0, -width % _REGION)))
    return filled.reshape(filled.shape[0] // _REGION, _REGION, -1, _REGION).sum(axis=(1, 3))
