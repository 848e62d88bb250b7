"""Qc: each window of the fused image compared with the sources by how much it goes with them."""

import numpy as np

from wdualmine.errors import WdualmineError
from wdualmine.metrics.metric import Array, Image, Metric
from wdualmine.metrics.universal_quality import Window, covariance, gaussian, quality_map, share, uniform
from wdualmine.metrics.validation import require_size

_BLOCK = 8  # side of the uniform window of the universal quality index
_SIDE, _SIGMA = 7, 1.5  # of the toolbox's Gaussian window

_QUALITY = (
    r"\overline{w \, Q(A, F) + (1 - w) \, Q(B, F)}, \quad "
    r"w = \frac{\sigma_{AF}}{\sigma_{AF} + \sigma_{BF}}"
)

METRIC = Metric(
    key="Qc",
    name="Similarity by covariance (Cvejic)",
    range=(-1.0, 1.0),
    source="Cvejic, Loza, Bull, Canagarajah 2005, as in Liu et al. 2012, DOI 10.1109/TPAMI.2011.109",
)


@METRIC.define(
    "publication",
    rf"{_QUALITY} \text{{ cut off at 0 and 1}}, \; Q = \frac{{4 \sigma_{{SF}} \mu_S \mu_F}}"
    r"{(\sigma_S^2 + \sigma_F^2)(\mu_S^2 + \mu_F^2)}, \; \text{8 x 8 window}",
    "the publication",
)
def qc(a: Image, b: Image, fused: Image) -> float:
    """Universal quality against each source, weighted by the source's share of the covariance with F.

    The share is cut off at 0 and 1. 8 x 8 uniform windows at every whole position; where neither source
    varies with the fused image they count equally.

    Returns:
        -1 to 1, 1 if all three are equal; higher is better.

    Raises:
        WdualmineError: the images are smaller than 8 x 8.

    Source: N. Cvejic, A. Loza, D. Bull, N. Canagarajah, 2005, International Journal of Signal Processing
    2 (3), as described by Liu et al. 2012, DOI 10.1109/TPAMI.2011.109.
    """
    require_size("Qc", fused, _BLOCK)
    weight, quality_a, quality_b = _parts(a, b, fused, uniform(_BLOCK))
    weight = np.clip(np.nan_to_num(weight, nan=0.5), 0, 1)
    return float((weight * quality_a + (1 - weight) * quality_b).mean())


@METRIC.define(
    "result-slip",
    rf"{_QUALITY}, \; \text{{a window with }} w < 0 \text{{ scores 0, with }} w > 1 "
    r"\text{ scores 1}, \; \text{7 x 7 Gaussian window}",
    "Liu's MATLAB toolbox; the MEFB benchmark (the result is cut, not the share: a slip)",
)
def qc_result_slip(a: Image, b: Image, fused: Image) -> float:
    """As :func:`qc` with a 7 x 7 Gaussian window; a share out of range sets the result, not the share.

    Windows without a share are left out.

    Raises:
        WdualmineError: the images are smaller than 7 x 7, or no window has a share.
    """
    require_size("Qc", fused, _SIDE)
    weight, quality_a, quality_b = _parts(a, b, fused, gaussian(_SIDE, _SIGMA))
    result = weight * quality_a + (1 - weight) * quality_b
    result = np.where(weight < 0, 0, np.where(weight > 1, 1, result))
    result = result[~np.isnan(weight)]
    if not result.size:
        raise WdualmineError("Qc: no window of a source varies with the fused image; leave it out")
    return float(result.mean())


def _parts(a: Image, b: Image, fused: Image, mean: Window) -> tuple[Array, Array, Array]:
    """Share of source A in each window (NaN where there is none), and the quality against A and B."""
    x, y, f = (image.astype(np.float64) for image in (a, b, fused))
    together_a, together_b = (_exact(covariance(source, f, mean), source, f, mean) for source in (x, y))
    weight = share(together_a, together_a + together_b, np.nan)
    return weight, quality_map(x, f, mean), quality_map(y, f, mean)


def _exact(together: Array, x: Array, y: Array, mean: Window) -> Array:
    """Set a covariance to 0 where it is what rounding leaves of that."""
    return np.where(np.abs(together) > 1e-13 * (mean(x**2) + mean(y**2)), together, 0)
