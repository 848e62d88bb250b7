"""Nabf: edges of the fused image that neither source has, counted as artifacts of the fusion."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wdualmine.metrics.metric import Array, Image, Metric
from wdualmine.metrics.universal_quality import share
from wdualmine.metrics.validation import require_size

_STRENGTH = (0.9999, 19, 0.5)  # top, slope and middle of the sigmoid of preserved edge strength
_ORIENTATION = (0.9995, 22, 0.5)  # the same of preserved orientation
_EXPONENT = 1.5  # of the edge strength as weight
_THRESHOLD, _SMALLEST_WEIGHT = 2.0, 0.001  # strengths below the threshold, in grey levels, get this weight

_WHERE = r"\sum_{g_F > g_A, g_F > g_B}"
_KEPT = (
    r"Q^{SF} = \sqrt{\frac{0.9999}{1 + e^{-19 (G - 0.5)}} \cdot \frac{0.9995}{1 + e^{-22 (A - 0.5)}}}, \quad "
    r"G = \frac{\min(g_S, g_F)}{\max(g_S, g_F)}, \quad "
    r"A = \frac{\left| |\alpha_S - \alpha_F| - \pi / 2 \right|}{\pi / 2}"
)
_WEIGHT = r"w_S = \begin{cases} g_S^{1.5} & g_S \ge 2 \\ 0.001 & g_S < 2 \end{cases}"

METRIC = Metric(
    key="Nabf",
    name="Fusion artifacts",
    direction="lower",
    range=(0.0, 1.0),
    source="Kumar 2013, DOI 10.1007/s11760-012-0361-x",
)


@METRIC.define(
    "kumar",
    rf"\frac{{{_WHERE} (1 - Q^{{AF}}) w_A + (1 - Q^{{BF}}) w_B}}{{\sum w_A + w_B}}, "
    rf"\quad {_KEPT}, \quad {_WEIGHT}",
    "the publication; Kumar's MATLAB code on images 0-255",
)
def nabf(a: Image, b: Image, fused: Image) -> float:
    """Fusion artifacts as modified by Kumar, so that gain, loss and artifacts add up to one.

    Where the fused image's edge is stronger than both sources', what is not preserved of either source
    counts, with that source's weight. Sobel edges divided by 8, the image mirrored at the border.

    Returns:
        0 (no artifact; so is a constant fused image) to 1; lower is better.

    Raises:
        WdualmineError: the images are a single row or column.

    Source: B. K. Shreyamsha Kumar, 2013, DOI 10.1007/s11760-012-0361-x.
    """
    artifact, (lost_a, weight_a), (lost_b, weight_b) = _parts(a, b, fused)
    total = (weight_a + weight_b).sum()
    return float((artifact * (lost_a * weight_a + lost_b * weight_b)).sum() / total)


@METRIC.define(
    "petrovic",
    rf"\frac{{{_WHERE} (2 - Q^{{AF}} - Q^{{BF}}) (w_A + w_B)}}{{\sum w_A + w_B}}, "
    rf"\quad {_KEPT}, \quad {_WEIGHT}",
    "Petrović and Xydeas 2005",
)
def nabf_petrovic(a: Image, b: Image, fused: Image) -> float:
    """Fusion artifacts before Kumar's change: the loss of both sources, weighted by both weights.

    Returns:
        0 to 2; never below :func:`nabf`.

    Source: V. Petrovic, C. Xydeas, 2005, DOI 10.1109/ICCV.2005.175.
    """
    artifact, (lost_a, weight_a), (lost_b, weight_b) = _parts(a, b, fused)
    weight = weight_a + weight_b
    return float((artifact * (lost_a + lost_b) * weight).sum() / weight.sum())


@METRIC.define(
    "unit-range",
    rf"\frac{{1}}{{2mn}} {_WHERE} 2 - Q^{{AF}} - Q^{{BF}}, \quad {_KEPT}",
    "Gu's MATLAB toolbox (images scaled to [0, 1], where all weights are 0.001)",
)
def nabf_unit_range(a: Image, b: Image, fused: Image) -> float:
    """As :func:`nabf` on images scaled to [0, 1], where no edge reaches the threshold of 2.

    All weights are then equal: faint edges, such as noise in the background, count as much as strong ones.
    """
    artifact, (lost_a, _), (lost_b, _) = _parts(a, b, fused)
    return float((artifact * (lost_a + lost_b)).mean() / 2)


def _parts(
    a: Image, b: Image, fused: Image
) -> tuple[NDArray[np.bool_], tuple[Array, Array], tuple[Array, Array]]:
    """Where the fused edge is the strongest (H, W), then what each source loses there and its weight."""
    require_size("Nabf", fused, 2)
    strength_fused, angle_fused = _edges(fused)
    artifact = np.ones(fused.shape, bool)
    sources = []
    for source in (a, b):
        strength, angle = _edges(source)
        low, high = np.minimum(strength, strength_fused), np.maximum(strength, strength_fused)
        ratio = share(low, high, 0.0)
        parallel = np.abs(np.abs(angle - angle_fused) - np.pi / 2) * 2 / np.pi
        kept = np.sqrt(_sigmoid(ratio, *_STRENGTH) * _sigmoid(parallel, *_ORIENTATION))
        weight = np.where(strength >= _THRESHOLD, strength**_EXPONENT, _SMALLEST_WEIGHT)
        sources.append((1 - kept, weight))
        artifact &= strength_fused > strength
    return artifact, sources[0], sources[1]


def _edges(image: Image) -> tuple[Array, Array]:
    """Sobel strength (H, W) over 8 in grey levels and angle atan(right / down), 0 where there is none."""
    values = image.astype(np.float64)
    down = ndimage.sobel(values, axis=0, mode="mirror") / 8
    right = ndimage.sobel(values, axis=1, mode="mirror") / 8
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = np.where((down == 0) & (right == 0), 0.0, np.arctan(right / down))
    return np.sqrt(down**2 + right**2), angle


def _sigmoid(x: Array, top: float, slope: float, middle: float) -> Array:
    return top / (1 + np.exp(-slope * (x - middle)))
