"""MS-SSIM: structural similarity of the fused image to the sources over several scales."""

import math

import numpy as np

from wdualmine.metrics.metric import Array, Image, Metric
from wdualmine.metrics.ssim import SIDE, local_mean, mef_similarity
from wdualmine.metrics.universal_quality import covariance
from wdualmine.metrics.validation import require_size

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the five scales, the finest first
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

METRIC = Metric(
    key="MS-SSIM",
    name="Multi-scale structural similarity",
    range=(0.0, 1.0),
    source="Wang, Simoncelli, Bovik 2003, DOI 10.1109/ACSSC.2003.1292216",
)


@METRIC.define(
    "mean-five-scales",
    r"\frac{1}{2} \sum_{S \in \{A, B\}} \overline{l_5 c_5}^{\,0.1333} "
    r"\prod_{k=1}^{4} \overline{c_k}^{\,w_k}, \quad "
    r"c = \frac{2 \sigma_{SF} + C_2}{\sigma_S^2 + \sigma_F^2 + C_2}, \; "
    r"l = \frac{2 \mu_S \mu_F + C_1}{\mu_S^2 + \mu_F^2 + C_1}, \; "
    r"w = (0.0448, 0.2856, 0.3001, 0.2363)",
    "the publication, averaged over the sources",
)
def ms_ssim(a: Image, b: Image, fused: Image) -> float:
    """Mean over the two sources of the five-scale SSIM with the weights of the publication.

    Contrast and structure at every scale, the level at the coarsest only; the window is that of
    :func:`wdualmine.metrics.ssim.ssim`; from scale to scale a mean of 2 x 2 pixels.

    Returns:
        0 to 1, 1 if all three images are equal. A mean similarity below 0 at one scale (an inverted source)
        has no real power and counts as 0, as in the libraries of today.

    Raises:
        WdualmineError: the images are smaller than 176 x 176, which is 11 x 11 at the fifth scale.

    Source: Z. Wang, E. P. Simoncelli, A. C. Bovik, 2003, DOI 10.1109/ACSSC.2003.1292216.
    """
    require_size("MS-SSIM", fused, SIDE * 2 ** (len(_WEIGHTS) - 1))
    y = fused.astype(np.float64)
    return (_similarity(a.astype(np.float64), y) + _similarity(b.astype(np.float64), y)) / 2


@METRIC.define(
    "mef",
    r"\prod_{k=1}^{3} \overline{Q_k}^{\,w_k / \sum w}, \quad w = (0.0448, 0.2856, 0.3001), "
    r"\; Q_k = \text{the mef convention of SSIM at scale } k",
    "Gu's MATLAB toolbox (MEF-MS-SSIM under the name MS-SSIM)",
)
def ms_ssim_mef(a: Image, b: Image, fused: Image) -> float:
    """Three scales of :func:`wdualmine.metrics.ssim.ssim_mef`, printed as "MS-SSIM" by a toolbox: 0 to 1.

    The weights are the first three of the publication, scaled to add up to 1; a negative mean counts as 0.

    Raises:
        WdualmineError: the images are smaller than 44 x 44.

    Source: K. Ma, K. Zeng, Z. Wang, 2015, DOI 10.1109/TIP.2015.2442920.
    """
    weights = _WEIGHTS[:3]
    require_size("MS-SSIM", fused, SIDE * 2 ** (len(weights) - 1))
    images = [image.astype(np.float64) for image in (a, b, fused)]
    value = 1.0
    for scale, weight in enumerate(weights):
        if scale:
            images = [_halve(image) for image in images]
        value *= max(0.0, mef_similarity(*images)) ** (weight / sum(weights))
    return value


def _similarity(x: Array, y: Array) -> float:
    factors = []
    for scale in range(len(_WEIGHTS)):
        if scale:
            x, y = _halve(x), _halve(y)
        of_x, of_y, shared = (covariance(*pair, local_mean) for pair in ((x, x), (y, y), (x, y)))
        contrast_structure = (2 * shared + _C2) / (of_x + of_y + _C2)
        if scale == len(_WEIGHTS) - 1:
            mean_x, mean_y = local_mean(x), local_mean(y)
            contrast_structure *= (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
        factors.append(max(0.0, float(contrast_structure.mean())))
    return math.prod(factor**weight for factor, weight in zip(factors, _WEIGHTS, strict=True))


def _halve(x: Array) -> Array:
    """Mean of each 2 x 2 pixels; an odd last row or column is repeated."""
    height, width = x.shape
    even = np.pad(x, ((0, height % 2), (0, width % 2)), mode="edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
