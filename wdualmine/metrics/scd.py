"""SCD: whether what the fused image adds to one source looks like the other source."""

import math

import numpy as np
from numpy.typing import NDArray

from wdualmine.errors import WdualmineError
from wdualmine.metrics.correlation import moments
from wdualmine.metrics.metric import Image, Metric

METRIC = Metric(
    key="SCD",
    name="Sum of the correlations of differences",
    range=(-2.0, 2.0),
    source="Aslantas, Bendes 2015, DOI 10.1016/j.aeue.2015.09.004",
)


@METRIC.define(
    "publication",
    r"r(F - B, A) + r(F - A, B), \quad r(X, Y) = \frac{\sum (X - \bar X)(Y - \bar Y)}"
    r"{\sqrt{\sum (X - \bar X)^2 \sum (Y - \bar Y)^2}}",
    "the publication; all toolboxes",
)
def scd(a: Image, b: Image, fused: Image) -> float:
    """Sum of the correlations of signed differences, r(F - B, A) + r(F - A, B).

    Returns:
        -2 to 2; 2 for F = A + B.

    Raises:
        WdualmineError: a source, or the fused image minus a source, is constant: no correlation is defined.

    Source: V. Aslantas, E. Bendes, 2015, DOI 10.1016/j.aeue.2015.09.004.
    """
    x, y, f = (image.astype(np.int64) for image in (a, b, fused))
    return _pearson(f - y, x, "B", "A") + _pearson(f - x, y, "A", "B")


def _pearson(difference: NDArray[np.int64], source: NDArray[np.int64], minus: str, name: str) -> float:
    """Pearson's correlation from integer sums, so that constancy is exact."""
    covariance, variance_x, variance_y = moments(difference, source)
    if variance_x == 0:
        what = f"the fused image minus source {minus} is constant"
        raise WdualmineError(f"SCD: {what}; leave SCD out for a method that returns a source")
    if variance_y == 0:
        raise WdualmineError(f"SCD: source {name} is constant, so its correlation is undefined; leave it out")
    return max(-1.0, min(1.0, covariance / math.sqrt(variance_x) / math.sqrt(variance_y)))
