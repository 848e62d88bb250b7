"""Qs, Qw, Qe: Piella and Heijmans' indices, which compare each window with the sources by their contrast."""

import numpy as np
from scipy import ndimage

from wdualmine.errors import WdualmineError
from wdualmine.metrics.metric import Array, Image, Metric, remembered
from wdualmine.metrics.ssim import SIDE, local_mean
from wdualmine.metrics.universal_quality import Window, quality_map, share, uniform, variance
from wdualmine.metrics.validation import require_size

_BLOCK = 8  # side of the publication's uniform window
_SSIM = (2.55**2, 7.65**2)  # the constants of SSIM for images 0-255

_QUALITY = r"\lambda Q(A, F) + (1 - \lambda) Q(B, F)"
_WEIGHTS = r"\lambda = \frac{\sigma_A^2}{\sigma_A^2 + \sigma_B^2}"
_INDEX = (
    r"Q(S, F) = \frac{2 \sigma_{SF}}{\sigma_S^2 + \sigma_F^2} \cdot \frac{2 \mu_S \mu_F}{\mu_S^2 + \mu_F^2}"
)
_SALIENCY = r"c = \max(\sigma_A^2, \sigma_B^2)"
_MEAN = rf"\overline{{{_QUALITY}}}, \quad {_WEIGHTS}"
_WEIGHTED = rf"Q_W(A, B, F) = \frac{{\sum c \, ({_QUALITY})}}{{\sum c}}, \quad {_SALIENCY}, \; {_WEIGHTS}"
_EDGES = r"S' = \lVert \nabla S \rVert"
_PRODUCT = rf"Q_W(A, B, F) \, Q_W(A', B', F'), \quad {_EDGES}"
_UNIFORM = r"\text{8 x 8 window}"
_WITH_SSIM = r"Q = \mathrm{SSIM}, \; \text{11 x 11 Gaussian window}"

_SOURCE = "Piella, Heijmans 2003, DOI 10.1109/ICIP.2003.1247209"

PIELLA_METRICS = QS, QW, QE = (
    Metric(key="Qs", name="Fusion quality index (Piella)", range=(-1.0, 1.0), source=_SOURCE),
    Metric(key="Qw", name="Weighted fusion quality index (Piella)", range=(-1.0, 1.0), source=_SOURCE),
    Metric(key="Qe", name="Edge-dependent fusion quality index (Piella)", range=(-1.0, 1.0), source=_SOURCE),
)


@QS.define("publication", rf"{_MEAN}, \; {_INDEX}, \; {_UNIFORM}", "the publication")
def qs(a: Image, b: Image, fused: Image) -> float:
    """Fusion quality index: universal quality against each source, weighted by its share of the variance.

    8 x 8 uniform windows at every whole position; a window that is flat in both sources counts them equally.

    Returns:
        -1 to 1, 1 if all three are equal; higher is better.

    Raises:
        WdualmineError: the images are smaller than 8 x 8.

    Source: G. Piella, H. Heijmans, 2003, DOI 10.1109/ICIP.2003.1247209.
    """
    require_size("Qs", fused, _BLOCK)
    return float(_block_quality(a, b, fused)[0].mean())


@QW.define("publication", rf"{_WEIGHTED}, \; {_INDEX}, \; {_UNIFORM}", "the publication")
def qw(a: Image, b: Image, fused: Image) -> float:
    """Weighted fusion quality index: as :func:`qs`, windows weighted by the larger of their two variances.

    Raises:
        WdualmineError: the images are smaller than 8 x 8, or both sources are constant.
    """
    require_size("Qw", fused, _BLOCK)
    return _weighted("Qw", *_block_quality(a, b, fused))


@QE.define("publication", rf"{_PRODUCT}, \; {_UNIFORM}", "the publication, with its power of the edges at 1")
def qe(a: Image, b: Image, fused: Image) -> float:
    """Edge-dependent fusion quality index: :func:`qw` times that of the three images' edges.

    Edges are the norm of Prewitt's two gradients, zeros beyond the border.
    """
    require_size("Qe", fused, _BLOCK)
    x, y, f = (_edges(image.astype(np.float64)) for image in (a, b, fused))
    of_edges = _weighted("Qe", *_quality(x, y, f, uniform(_BLOCK)))
    return _weighted("Qe", *_block_quality(a, b, fused)) * of_edges


@QS.define("ssim-gaussian-11", rf"{_MEAN}, \; {_WITH_SSIM}", "Liu's MATLAB toolbox")
def qs_ssim(a: Image, b: Image, fused: Image) -> float:
    """As :func:`qs` with SSIM (11 x 11 Gaussian window, its constants for 0-255) for the quality index.

    Raises:
        WdualmineError: the images are smaller than 11 x 11.
    """
    return float(_quality(*_ssim_images("Qs", a, b, fused), local_mean, _SSIM)[0].mean())


@QW.define("ssim-gaussian-11", rf"{_WEIGHTED}, \; {_WITH_SSIM}", "Liu's MATLAB toolbox")
def qw_ssim(a: Image, b: Image, fused: Image) -> float:
    """As :func:`qw` with SSIM, see :func:`qs_ssim`."""
    return _weighted("Qw", *_quality(*_ssim_images("Qw", a, b, fused), local_mean, _SSIM))


@QW.define(
    "ssim-edges",
    rf"Q_W(A', B', F'), \quad {_EDGES}, \; {_WITH_SSIM}",
    "the MEFB benchmark (the edge factor of Qe under the name Qw)",
)
def qw_edges(a: Image, b: Image, fused: Image) -> float:
    """As :func:`qw_ssim`, but of the edges of the images, see :func:`qe`, instead of the images."""
    x, y, f = _ssim_images("Qw", a, b, fused)
    return _weighted("Qw", *_quality(_edges(x), _edges(y), _edges(f), local_mean, _SSIM))


@QE.define(
    "ssim-gaussian-11",
    rf"{_PRODUCT}, \; {_WITH_SSIM}",
    "Liu's MATLAB toolbox, as its formula reads (the released code stops at this product)",
)
def qe_ssim(a: Image, b: Image, fused: Image) -> float:
    """As :func:`qe` with SSIM: :func:`qw_ssim` times :func:`qw_edges`."""
    return qw_ssim(a, b, fused) * qw_edges(a, b, fused)


def _quality(
    a: Array, b: Array, fused: Array, mean: Window, constants: tuple[float, float] = (0, 0)
) -> tuple[Array, Array]:
    """Quality of each window, and the larger variance of its two source windows."""
    variance_a, variance_b = variance(a, mean), variance(b, mean)
    weight = share(variance_a, variance_a + variance_b, 0.5)
    quality = weight * quality_map(a, fused, mean, *constants)
    quality += (1 - weight) * quality_map(b, fused, mean, *constants)
    return quality, np.maximum(variance_a, variance_b)


@remembered
def _block_quality(a: Image, b: Image, fused: Image) -> tuple[Array, Array]:
    x, y, f = (image.astype(np.float64) for image in (a, b, fused))
    return _quality(x, y, f, uniform(_BLOCK))


def _weighted(key: str, quality: Array, saliency: Array) -> float:
    total = saliency.sum()
    if total == 0:
        raise WdualmineError(f"{key}: no window of a source has contrast, so none has weight; leave it out")
    return float((quality * saliency).sum() / total)


def _edges(image: Array) -> Array:
    return np.hypot(*(ndimage.prewitt(image, axis=axis, mode="constant") for axis in (0, 1)))


def _ssim_images(key: str, a: Image, b: Image, fused: Image) -> tuple[Array, Array, Array]:
    require_size(key, fused, SIDE)
    return a.astype(np.float64), b.astype(np.float64), fused.astype(np.float64)
