"""Qabf: how well the edges of the sources, their strength and orientation, survive in the fused image."""

import numpy as np
from scipy import ndimage

from wdualmine.errors import WdualmineError
from wdualmine.metrics.metric import Array, Image, Metric
from wdualmine.metrics.universal_quality import share

_STRENGTH = (0.9994, -15, 0.5)  # Tg, kg, Dg: the publication's sigmoid of preserved edge strength
_ORIENTATION = (0.9879, -22, 0.8)  # Ta, ka, Da: the same of preserved orientation

_FORMULA = (
    r"\frac{\sum Q^{AF} g_A + Q^{BF} g_B}{\sum g_A + g_B}, \quad "
    r"Q^{SF} = \frac{0.9994}{1 + e^{-15 (G - 0.5)}} \cdot \frac{0.9879}{1 + e^{-22 (A - 0.8)}}, \quad "
    r"A = 1 - \frac{|\alpha_S - \alpha_F|}{\pi / 2}, \quad G = "
)
_RATIO = r"\frac{\min(g_S, g_F)}{\max(g_S, g_F)}"
_SLIP = r"\begin{cases} g_F & g_S = g_F \\ " + _RATIO + r" & \text{otherwise} \end{cases}"

METRIC = Metric(
    key="Qabf",
    name="Edge preservation (Xydeas and Petrović)",
    range=(0.0, 1.0),
    source="Xydeas, Petrović 2000, DOI 10.1049/el:20000267",
)


@METRIC.define("publication", _FORMULA + _RATIO, "the publication")
def qabf(a: Image, b: Image, fused: Image) -> float:
    r"""Preserved edge information of both sources, weighted by their edge strengths (L = 1).

    Sobel edges with zeros beyond the border, as in all toolboxes, so that a bright border counts as an edge.
    The orientation is atan(sy / sx) in (-pi/2, pi/2], so that angles near both ends count as opposite though
    the edges are nearly parallel: this is the publication's definition.

    Returns:
        0 to 1, never quite: even F = A = B gives 0.9748. Higher is better.

    Raises:
        WdualmineError: both sources are constant, so that there is no edge to preserve.

    Source: C. S. Xydeas, V. Petrovic, 2000, DOI 10.1049/el:20000267.
    """
    return _qabf(a, b, fused)


@METRIC.define("equal-slip", _FORMULA + _SLIP, "CDDFuse's evaluator; MATLAB toolboxes that pass images 0-255")
def qabf_equal_slip(a: Image, b: Image, fused: Image) -> float:
    """As :func:`qabf`, but where an edge keeps its strength g exactly, g itself stands for the ratio 1.

    The sigmoid then saturates at Tg, so that the value can rise by up to 0.06 %.
    """
    return _qabf(a, b, fused, slip_scale=1)


@METRIC.define(
    "unit-range",
    _FORMULA + _SLIP + r", \quad A, B, F \in [0, 1]",
    "Gu's MATLAB toolbox (the same slip, images scaled to [0, 1])",
)
def qabf_unit_range(a: Image, b: Image, fused: Image) -> float:
    """The slip of :func:`qabf_equal_slip` on images scaled to [0, 1], where g is mostly below 1.

    A perfectly kept edge then counts as lost unless it is steep: methods that copy pixels, such as the
    pixelwise maximum, lose a tenth or more, and those that never keep an edge exactly are unchanged.
    """
    return _qabf(a, b, fused, slip_scale=255)


def _qabf(a: Image, b: Image, fused: Image, slip_scale: int | None = None) -> float:
    if all((source == source.flat[0]).all() for source in (a, b)):
        raise WdualmineError("Qabf: both sources are constant, so there is no edge to keep; leave them out")
    strength_fused, angle_fused = _edges(fused)
    preserved = total = 0.0
    for source in (a, b):
        strength, angle = _edges(source)
        low, high = np.minimum(strength, strength_fused), np.maximum(strength, strength_fused)
        ratio = share(low, high, 0.0)  # 0/0 has weight 0 anyway
        if slip_scale is not None:
            ratio = np.where(low == high, strength_fused / slip_scale, ratio)
        parallel = 1 - np.abs(angle - angle_fused) / (np.pi / 2)
        kept = _sigmoid(ratio, *_STRENGTH) * _sigmoid(parallel, *_ORIENTATION)
        preserved += float((kept * strength).sum())
        total += float(strength.sum())
    return preserved / total


def _edges(image: Image) -> tuple[Array, Array]:
    """Sobel strength (H, W) in grey levels and orientation in (-pi/2, pi/2]; pi/2 where sx = 0."""
    values = image.astype(np.float64)
    down = ndimage.sobel(values, axis=0, mode="constant")
    left = -ndimage.sobel(values, axis=1, mode="constant")  # the sign that convolution gives in the toolboxes
    slope = np.divide(down, left, out=np.full_like(down, np.inf), where=left != 0)
    return np.sqrt(down**2 + left**2), np.arctan(slope)


def _sigmoid(x: Array, top: float, slope: float, middle: float) -> Array:
    return top / (1 + np.exp(slope * (x - middle)))
