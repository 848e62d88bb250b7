"""AG: mean steepness of the fused image, read as sharpness."""

import numpy as np
from numpy.typing import NDArray

from wdualmine.metrics.metric import Image, Metric
from wdualmine.metrics.validation import require_size

_ROOT = r"\sqrt{\frac{(\nabla_x F_{ij})^2 + (\nabla_y F_{ij})^2}{2}}"

METRIC = Metric(
    key="AG",
    name="Average gradient",
    unit="grey level",
    range=(0.0, 255.0),
    source="Cui, Feng, Xu, Li, Chen 2015, DOI 10.1016/j.optcom.2014.12.032",
)


@METRIC.define(
    "per-pixel",
    rf"\frac{{1}}{{mn}} \sum_{{i=1}}^{{m}} \sum_{{j=1}}^{{n}} {_ROOT}, "
    r"\quad \nabla_x F_{ij} = \frac{F_{i,j+1} - F_{i,j-1}}{2}",
    "CDDFuse's evaluator",
)
def average_gradient(a: Image, b: Image, fused: Image) -> float:
    """Mean over all m n pixels of the root mean square of the two central differences of the fused image.

    Returns:
        Grey levels per pixel, 0 (constant) to 255 (reached by 2 x 2 images only).

    Raises:
        WdualmineError: the image is a single row or column.

    Source: G. Cui et al., 2015, DOI 10.1016/j.optcom.2014.12.032, whose differences are forward
        (:func:`average_gradient_forward`); the toolboxes take central ones.
    """
    return float(_steepness(fused).mean())


@METRIC.define(
    "per-cell",
    rf"\frac{{1}}{{(m-1)(n-1)}} \sum_{{i=1}}^{{m}} \sum_{{j=1}}^{{n}} {_ROOT}, "
    r"\quad \nabla_x F_{ij} = \frac{F_{i,j+1} - F_{i,j-1}}{2}",
    "MATLAB toolboxes, Gu's among them",
)
def average_gradient_per_cell(a: Image, b: Image, fused: Image) -> float:
    """As :func:`average_gradient`, over (m - 1)(n - 1) for m n: 0.8 % larger at 256 x 256."""
    height, width = fused.shape
    return float(_steepness(fused).sum() / ((height - 1) * (width - 1)))


@METRIC.define(
    "forward-differences",
    rf"\frac{{1}}{{(m-1)(n-1)}} \sum_{{i=1}}^{{m-1}} \sum_{{j=1}}^{{n-1}} {_ROOT}, "
    r"\quad \nabla_x F_{ij} = F_{i,j+1} - F_{i,j}",
    "the publication",
)
def average_gradient_forward(a: Image, b: Image, fused: Image) -> float:
    """Forward differences to the next row and column, mean over the (m - 1)(n - 1) pixels that have both."""
    require_size("AG", fused, 2)
    values = fused.astype(np.float64)
    down, right = values[1:, :-1] - values[:-1, :-1], values[:-1, 1:] - values[:-1, :-1]
    return float(np.sqrt((down**2 + right**2) / 2).mean())


def _steepness(image: Image) -> NDArray[np.float64]:
    require_size("AG", image, 2)
    down, right = np.gradient(image.astype(np.float64))
    return np.sqrt((down**2 + right**2) / 2)
