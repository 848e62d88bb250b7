"""SCD: whether what the fused image adds to one source looks like the other source."""

import math

import numpy as np
from numpy.typing import NDArray

from wdualmine.errors import WdualmineError
from wdualmine.metrics.metric import Convention, Image, Metric


def scd(a: Image, b: Image, fused: Image) -> float:
    """Sum of the correlations of differences, r(F - B, A) + r(F - A, B).

    The differences are signed, not clipped to 8 bits. An offset or gain common to all three images does not
    matter.

    Args:
        a: first source, uint8 (H, W).
        b: second source, uint8 (H, W).
        fused: fused image, uint8 (H, W).

    Returns:
        -2 to 2, higher is better; 2 for F = A + B.

    Raises:
        WdualmineError: a source, or the fused image minus a source, is constant (the fused image is that
            source, say), which leaves its correlation undefined; the publication gives it no value.

    Source: V. Aslantas, E. Bendes, 2015, DOI 10.1016/j.aeue.2015.09.004.
    """
    x, y, f = (image.astype(np.int64) for image in (a, b, fused))
    return _pearson(f - y, x, "B", "A") + _pearson(f - x, y, "A", "B")


def _pearson(difference: NDArray[np.int64], source: NDArray[np.int64], minus: str, name: str) -> float:
    """Pearson's correlation from integer sums, so that constancy is exact."""
    n = source.size
    x, y = difference.ravel(), source.ravel()
    sum_x, sum_y = int(x.sum()), int(y.sum())
    variance_x, variance_y = n * int(x @ x) - sum_x**2, n * int(y @ y) - sum_y**2
    if variance_x == 0:
        raise WdualmineError(
            f"SCD: the fused image minus source {minus} is constant, so its correlation is undefined; "
            "leave SCD out for a method that returns a source"
        )
    if variance_y == 0:
        raise WdualmineError(f"SCD: source {name} is constant, so its correlation is undefined; leave it out")
    covariance = n * int(x @ y) - sum_x * sum_y
    return max(-1.0, min(1.0, covariance / math.sqrt(variance_x) / math.sqrt(variance_y)))


METRIC = Metric(
    key="SCD",
    name="Sum of the correlations of differences",
    direction="higher",
    unit="",
    range=(-2.0, 2.0),
    source="Aslantas, Bendes 2015, DOI 10.1016/j.aeue.2015.09.004",
    color=False,
    conventions=(
        Convention(
            name="publication",
            function=scd,
            formula=r"r(F - B, A) + r(F - A, B), \quad r(X, Y) = \frac{\sum (X - \bar X)(Y - \bar Y)}"
            r"{\sqrt{\sum (X - \bar X)^2 \sum (Y - \bar Y)^2}}",
            used_by="the publication; all toolboxes",
        ),
    ),
)
