"""CC: how linearly the fused image follows the two sources."""

import math

import numpy as np
from numpy.typing import NDArray

from wdualmine.errors import WdualmineError
from wdualmine.metrics.metric import Image, Metric

METRIC = Metric(
    key="CC",
    name="Correlation coefficient",
    range=(-1.0, 1.0),
    source="Ma, Ma, Li 2019, DOI 10.1016/j.inffus.2018.02.004",
)


@METRIC.define(
    "paper",
    r"\frac{1}{2} \sum_{S \in \{A, B\}} \frac{\sum (S - \bar S)(F - \bar F)}"
    r"{\sqrt{\sum (S - \bar S)^2 \sum (F - \bar F)^2}}",
    "the paper; CDDFuse's evaluator",
)
def correlation(a: Image, b: Image, fused: Image) -> float:
    """Mean of the Pearson correlations of the fused image with each source.

    Returns:
        -1 to 1; for given sources at most sqrt((1 + rho) / 2), see :mod:`wdualmine.metrics.limits`.

    Raises:
        WdualmineError: an image is constant.

    Source: J. Ma, Y. Ma, C. Li, 2019, DOI 10.1016/j.inffus.2018.02.004.
    """
    return (pearson(a, fused) + pearson(b, fused)) / 2


@METRIC.define(
    "shared-mean",
    r"\frac{1}{2} \sum_{S \in \{A, B\}} \frac{\sum (S - \bar A)(F - \bar F)}"
    r"{\sqrt{\sum (S - \bar A)^2 \sum (F - \bar F)^2}}",
    "Tang's and Gu's MATLAB toolboxes (source B centered with the mean of A: a slip)",
)
def correlation_shared_mean(a: Image, b: Image, fused: Image) -> float:
    """As :func:`correlation`, but source B is centered with the mean of A, a slip that two toolboxes share.

    The denominator of B's term alone changes: the more the means differ, the closer to 0 the value.
    """
    covariance, variance_b, variance_fused = moments(b, fused)
    # sum (B - mean A)^2 = sum (B - mean B)^2 + n (mean B - mean A)^2, here times n
    shift = int(b.sum(dtype=np.int64)) - int(a.sum(dtype=np.int64))
    about_mean_of_a = variance_b + shift**2
    return (pearson(a, fused) + _ratio(covariance, about_mean_of_a, variance_fused)) / 2


def pearson(x: Image, y: Image) -> float:
    """Pearson's correlation of two uint8 images of one size, -1 to 1.

    Raises:
        WdualmineError: an image is constant.
    """
    return _ratio(*moments(x, y))


def moments(x: NDArray[np.integer], y: NDArray[np.integer]) -> tuple[int, int, int]:
    """n times the summed cross product and squares of the deviations, exact: Python integers."""
    x, y = x.ravel().astype(np.int64), y.ravel().astype(np.int64)
    n, sum_x, sum_y = x.size, int(x.sum()), int(y.sum())
    return n * int(x @ y) - sum_x * sum_y, n * int(x @ x) - sum_x**2, n * int(y @ y) - sum_y**2


def _ratio(covariance: int, variance_x: int, variance_y: int) -> float:
    if variance_x == 0 or variance_y == 0:
        raise WdualmineError("CC: an image is constant, which leaves its correlation undefined; leave it out")
    return max(-1.0, min(1.0, covariance / math.sqrt(variance_x * variance_y)))
