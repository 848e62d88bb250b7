"""SSIM: structural similarity of the fused image to the sources."""

from typing import Any

import numpy as np
from scipy import ndimage

from wdualmine.metrics.metric import Array, Image, Metric
from wdualmine.metrics.universal_quality import covariance, gaussian
from wdualmine.metrics.validation import require_size

SIGMA, SIDE = 1.5, 11  # of the Gaussian window, in pixels
local_mean = gaussian(SIDE, SIGMA)

_SIMILARITY = (
    r"\overline{\frac{(2 \mu_S \mu_F + C_1)(2 \sigma_{SF} + C_2)}"
    r"{(\mu_S^2 + \mu_F^2 + C_1)(\sigma_S^2 + \sigma_F^2 + C_2)}}"
)

METRIC = Metric(
    key="SSIM",
    name="Structural similarity",
    range=(-1.0, 1.0),
    source="Wang, Bovik, Sheikh, Simoncelli 2004, DOI 10.1109/TIP.2003.819861",
)


@METRIC.define(
    "mean-gaussian-11",
    rf"\frac{{1}}{{2}} \sum_{{S \in \{{A, B\}}}} {_SIMILARITY}, "
    r"\quad C_1 = 2.55^2, \; C_2 = 7.65^2, \; \text{11 x 11 Gaussian window}, \; \sigma = 1.5",
    "the publication's window; MATLAB's ssim averaged over the sources",
)
def ssim(a: Image, b: Image, fused: Image) -> float:
    """Mean over the two sources of the mean SSIM with the window of the publication.

    11 x 11 Gaussian window of sigma 1.5, weighted (not sample) variances, K1 = 0.01, K2 = 0.03, range 255,
    valid positions only, no downsampling first.

    Returns:
        -1 to 1, 1 if all three images are equal; of constant images, their levels are compared.

    Raises:
        WdualmineError: the images are smaller than 11 x 11.

    Source: Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, 2004, DOI 10.1109/TIP.2003.819861.
    """
    require_size("SSIM", fused, SIDE)
    settings = {"gaussian_weights": True, "sigma": SIGMA, "use_sample_covariance": False}
    return _summed_similarity(a, b, fused, data_range=255, **settings) / 2


@METRIC.define(
    "sum-uniform-7",
    rf"\sum_{{S \in \{{A, B\}}}} {_SIMILARITY}, "
    r"\quad C_1 = 0.02^2, \; C_2 = 0.06^2, \; \text{7 x 7 uniform window}",
    "CDDFuse's evaluator (the range of [-1, 1] images for images 0-255: a slip)",
)
def ssim_sum_uniform_7(a: Image, b: Image, fused: Image) -> float:
    """Sum over the two sources, 7 x 7 uniform window, sample variances, and the range of [-1, 1] images.

    The constants are 4e-4 and 3.6e-3, not 6.5 and 58.5: noise in a dark background counts like structure.

    Raises:
        WdualmineError: the images are smaller than 7 x 7.
    """
    require_size("SSIM", fused, 7)
    return _summed_similarity(a, b, fused, data_range=2)


def _summed_similarity(a: Image, b: Image, fused: Image, **settings: Any) -> float:
    from skimage.metrics import structural_similarity

    x, y, f = (image.astype(np.float64) for image in (a, b, fused))
    return float(structural_similarity(x, f, **settings) + structural_similarity(y, f, **settings))


@METRIC.define(
    "mef",
    r"\overline{\frac{2 \sigma_{RF} + C}{\sigma_R^2 + \sigma_F^2 + C}}, \quad "
    r"R = \max_S \lVert \tilde S \rVert \, \frac{s}{\lVert s \rVert}, \; "
    r"s = \frac{\sum_S \lVert \tilde S \rVert^p \, \tilde S / \lVert \tilde S \rVert}"
    r"{\sum_S \lVert \tilde S \rVert^p}, \; "
    r"p = \min\left(10, \tan \frac{\pi \lVert \tilde A + \tilde B \rVert}"
    r"{2 (\lVert \tilde A \rVert + \lVert \tilde B \rVert)}\right), \; C = 7.65^2",
    "Gu's MATLAB toolbox (MEF-SSIM under the name SSIM)",
)
def ssim_mef(a: Image, b: Image, fused: Image) -> float:
    """The index of Ma, Zeng and Wang for multi-exposure fusion, printed as "SSIM" by a toolbox.

    Each 11 x 11 window is compared, in contrast and structure but not in level, with the one patch that the
    two sources' patches call for: their contrast-weighted mean structure at the higher of their contrasts.
    -1 to 1.

    Raises:
        WdualmineError: the images are smaller than 11 x 11.

    Source: K. Ma, K. Zeng, Z. Wang, 2015, DOI 10.1109/TIP.2015.2442920.
    """
    require_size("SSIM", fused, SIDE)
    return mef_similarity(*(image.astype(np.float64) for image in (a, b, fused)))


def mef_similarity(a: Array, b: Array, fused: Array) -> float:
    """Mean of the map of :func:`ssim_mef`, from float64 images (H, W) on 0-255."""
    tiny = np.finfo(np.float64).eps
    # Squared norms of the centered patches of A, of B and of A + B.
    square_a, square_b = np.maximum(_scatter(a, a), 0), np.maximum(_scatter(b, b), 0)
    square_sum = np.maximum(square_a + square_b + 2 * _scatter(a, b), 0)
    contrast_a, contrast_b = np.sqrt(square_a) + 0.001, np.sqrt(square_b) + 0.001

    # The more consistent the patches, the more the one of higher contrast decides.
    consistency = (np.sqrt(square_sum) + tiny) / (np.sqrt(square_a) + np.sqrt(square_b) + tiny)
    exponent = np.minimum(np.tan(np.pi / 2 * np.minimum(consistency, 1 - tiny)), 10)
    weight_a, weight_b = (contrast_a / SIDE) ** exponent + tiny, (contrast_b / SIDE) ** exponent + tiny

    # The wanted patch is part_a times the centered patch of A plus part_b times that of B.
    part_a = weight_a / (weight_a + weight_b) / contrast_a
    part_b = weight_b / (weight_a + weight_b) / contrast_b
    cross = square_sum - square_a - square_b
    square = part_a**2 * square_a + part_b**2 * square_b + part_a * part_b * cross
    norm = np.sqrt(np.maximum(square, 0))
    gain = np.divide(np.maximum(contrast_a, contrast_b), norm, out=np.ones_like(norm), where=norm > 0)
    part_a, part_b = gain * part_a, gain * part_b

    variance_wanted = (
        part_a**2 * _covariance(a, a)
        + part_b**2 * _covariance(b, b)
        + 2 * part_a * part_b * _covariance(a, b)
    )
    shared = part_a * _covariance(a, fused) + part_b * _covariance(b, fused)
    constant = (0.03 * 255) ** 2
    return float(((2 * shared + constant) / (variance_wanted + _covariance(fused, fused) + constant)).mean())


def _covariance(x: Array, y: Array) -> Array:
    return covariance(x, y, local_mean)


def _scatter(x: Array, y: Array) -> Array:
    """Sum over each whole window of the product of the deviations, from sums of whole numbers."""

    def box(z: Array) -> Array:
        ones = np.ones(SIDE)
        inside = slice(SIDE // 2, -(SIDE // 2))
        return ndimage.correlate1d(ndimage.correlate1d(z, ones, axis=0), ones, axis=1)[inside, inside]

    return box(x * y) - box(x) * box(y) / SIDE**2
