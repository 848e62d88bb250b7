"""Qcb: how well the contrasts that a human observer sees in the sources survive in the fused image."""

import math

import numpy as np
from scipy import ndimage

from wdualmine.errors import WdualmineError
from wdualmine.metrics.metric import Array, Image, Metric
from wdualmine.metrics.qcv import stretched
from wdualmine.metrics.universal_quality import share
from wdualmine.metrics.validation import NAMES

_F0, _F1, _DEPTH = 15.3870, 1.3456, 0.7622  # contrast sensitivity, a difference of Gaussians in frequency
_PIXELS_PER_UNIT = 30  # which scales the image's size to the frequencies of the observer
_FINE, _COARSE, _RADIUS = 2.0, 4.0, 15  # sigmas of the local contrast and radius of its window, in pixels
_Z = 0.0001  # of the masking C^3 / (C^2 + Z)

METRIC = Metric(
    key="Qcb",
    name="Perceived contrast preservation (Chen and Blum)",
    range=(0.0, 1.0),
    source="Chen, Blum 2009, DOI 10.1016/j.imavis.2007.12.002",
)


@METRIC.define(
    "publication",
    r"\overline{\lambda_A Q^{AF} + \lambda_B Q^{BF}}, \quad "
    r"\lambda_S = \frac{C_S'^2}{C_A'^2 + C_B'^2}, \; "
    r"Q^{SF} = \frac{\min(C_S', C_F')}{\max(C_S', C_F')}, \; "
    r"C' = \frac{C^3}{C^2 + 10^{-4}}, \; "
    r"C = \left| \frac{G_2 * I}{G_4 * I} - 1 \right|, \; "
    r"I = \mathcal{F}^{-1}\left[\left(e^{-(r / 15.387)^2} - 0.7622 \, e^{-(r / 1.3456)^2}\right) "
    r"\mathcal{F} S\right]",
    "the publication; Liu's MATLAB toolbox",
)
def qcb(a: Image, b: Image, fused: Image) -> float:
    """Mean preserved local contrast, weighted pixel by pixel by the contrast of each source.

    Each image is min-max stretched to 0-255 and rounded, filtered with the contrast sensitivity, turned into
    band-limited contrast (Gaussians of sigma 2 and 4, zeros beyond the border), and masked. The stretch, the
    border and the absolute value of the contrast are those of Liu's MATLAB code, which papers use.

    Returns:
        0 to 1, 1 if all three images are equal. A pixel without contrast in any image counts as preserved.

    Raises:
        WdualmineError: an image is constant, or its local mean vanishes so that its contrast is infinite.

    Source: Y. Chen, R. S. Blum, 2009, DOI 10.1016/j.imavis.2007.12.002.
    """
    contrast_a, contrast_b, contrast_fused = map(_masked_contrast, (a, b, fused), NAMES)
    total = contrast_a**2 + contrast_b**2
    weight_a, weight_b = share(contrast_a**2, total, 0.5), share(contrast_b**2, total, 0.5)
    preserved = weight_a * _ratio(contrast_a, contrast_fused) + weight_b * _ratio(contrast_b, contrast_fused)
    return min(1.0, float(preserved.mean()))  # rounding can leave 1 + 1e-16


def _masked_contrast(image: Image, name: str) -> Array:
    spectrum = np.fft.rfft2(stretched("Qcb", image, name))
    seen = np.fft.irfft2(spectrum * _sensitivity(image.shape), s=image.shape)
    coarse = _blur(seen, _COARSE)
    if not coarse.all():
        raise WdualmineError(f"Qcb: the local mean of {name} vanishes, so its contrast is infinite")
    contrast = np.abs(_blur(seen, _FINE) / coarse - 1)
    return contrast**3 / (contrast**2 + _Z)


def _sensitivity(shape: tuple[int, ...]) -> Array:
    """Contrast sensitivity at the frequencies of rfft2: (H, W // 2 + 1)."""
    height, width = shape
    v = np.fft.fftfreq(height)[:, None] * 2 * height / _PIXELS_PER_UNIT
    u = np.fft.rfftfreq(width)[None, :] * 2 * width / _PIXELS_PER_UNIT
    square = u**2 + v**2
    return np.exp(-square / _F0**2) - _DEPTH * np.exp(-square / _F1**2)


def _blur(x: Array, sigma: float) -> Array:
    """Gaussian of 31 x 31 taps that add up to nearly, not exactly, 1, with zeros beyond the border."""
    taps = (math.exp(-(k**2) / (2 * sigma**2)) for k in range(-_RADIUS, _RADIUS + 1))
    mass = sum(taps) / (math.sqrt(2 * math.pi) * sigma)
    return mass**2 * ndimage.gaussian_filter(x, sigma, radius=_RADIUS, mode="constant")


def _ratio(x: Array, y: Array) -> Array:
    """Smaller over larger, 1 where both are 0."""
    return share(np.minimum(x, y), np.maximum(x, y), 1.0)
