"""Qp: how well the phase congruency of the sources, their edges and corners, survives in the fused image."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wdualmine.errors import WdualmineError
from wdualmine.metrics.metric import Array, Image, Metric, remembered
from wdualmine.metrics.phase_congruency import phase_congruency
from wdualmine.metrics.ssim import SIDE, SIGMA
from wdualmine.metrics.validation import require_size

Maps = tuple[Array, Array, Array]

_FEATURE = 0.1  # phase congruency from which a pixel counts as a feature
_SMALL = 1e-4

_FORMULA = (
    r"\prod_{X \in \{P, M, m\}} \overline{\max(C_X^{AF}, C_X^{BF}, C_X^{RF})}, \quad "
    r"C_X^{SF} = \frac{\sigma_{X_S X_F} + 10^{-4}}{\sigma_{X_S} \sigma_{X_F} + 10^{-4}}, \; "
    r"P: \text{phase congruency}, \; M, m = \tfrac{1}{2} \left(P_{xx} + P_{yy} \pm "
    r"\sqrt{(P_{xx} - P_{yy})^2 + "
)

METRIC = Metric(
    key="Qp",
    name="Phase congruency preservation (Zhao)",
    range=(-1.0, 1.0),
    source="Zhao, Laganière, Liu 2007, as in Liu et al. 2012, DOI 10.1109/TPAMI.2011.109",
)


@METRIC.define(
    "eigenvalues", _FORMULA + r"4 P_{xy}^2}\right)", "the publication with Kovesi's phase congruency"
)
def qp(a: Image, b: Image, fused: Image) -> float:
    """Product of local correlations of phase congruency and of its two moments, over the features.

    At each feature of a source the best of three counts: the correlation, in an 11 x 11 Gaussian window, of
    the fused image's map with that of A, of B, and with the one of the two whose congruency is larger. Maps
    of the sources are set to 0 outside their features.

    Returns:
        -1 to 1, nearly 1 if all three are equal; higher is better.

    Raises:
        WdualmineError: the images are smaller than 11 x 11, or no source has a feature.

    Source: J. Zhao, R. Laganiere, Z. Liu, 2007, International Journal of Innovative Computing, Information
    and Control 3 (6A), as computed by Liu et al. 2012, DOI 10.1109/TPAMI.2011.109.
    """
    return _preserved(a, b, fused, _maps)


@METRIC.define(
    "mixed-moment-slip",
    _FORMULA + r"P_{xy}^2 / 4}\right)",
    "Liu's MATLAB toolbox; the MEFB benchmark (a factor of 4 is missing: a slip)",
)
def qp_mixed_moment_slip(a: Image, b: Image, fused: Image) -> float:
    """As :func:`qp`, with a quarter of the mixed moment, so that the two moments are no eigenvalues.

    Diagonal edges then have a smaller largest moment, and a corner strength that they do not have.
    """
    return _preserved(a, b, fused, _maps_with_slip)


@remembered
def _maps(image: Image) -> Maps:
    return phase_congruency(image.astype(np.float64))


@remembered
def _maps_with_slip(image: Image) -> Maps:
    return phase_congruency(image.astype(np.float64), mixed=0.5)


def _preserved(a: Image, b: Image, fused: Image, maps: Callable[[Image], Maps]) -> float:
    require_size("Qp", fused, SIDE)
    maps_a, maps_b, maps_fused = maps(a), maps(b), maps(fused)
    larger = maps_a[0] > maps_b[0]
    features = [maps_a[0] > _FEATURE, maps_b[0] > _FEATURE]
    features.append(features[0] | features[1])
    if not features[2].any():
        raise WdualmineError("Qp: no source has a feature, an edge or corner, to keep; leave them out")
    value = 1.0
    for map_a, map_b, map_fused in zip(maps_a, maps_b, maps_fused, strict=True):
        sources = (map_a, map_b, np.where(larger, map_a, map_b))
        correlations = [_correlation(s, map_fused, where) for s, where in zip(sources, features, strict=True)]
        value *= float(np.max(correlations, axis=0).sum()) / int(features[2].sum())
    return value


def _correlation(source: Array, fused: Array, features: NDArray[np.bool_]) -> Array:
    """Local correlation at the features, 0 elsewhere."""
    source = np.where(features, source, 0)
    mean_source, mean_fused = _blur(source), _blur(fused)
    variances = [
        np.maximum(_blur(x**2) - mean**2, 0) for x, mean in ((source, mean_source), (fused, mean_fused))
    ]
    together = _blur(source * fused) - mean_source * mean_fused
    return np.where(features, (together + _SMALL) / (np.sqrt(variances[0] * variances[1]) + _SMALL), 0)


def _blur(x: Array) -> Array:
    """Gaussian mean in a window, zeros beyond the border."""
    return ndimage.gaussian_filter(x, SIGMA, radius=SIDE // 2, mode="constant")
