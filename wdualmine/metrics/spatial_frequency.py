"""SF: how much the fused image changes from one pixel to the next."""

import math

import numpy as np

from wdualmine.metrics.metric import Image, Metric
from wdualmine.metrics.validation import require_size

METRIC = Metric(
    key="SF",
    name="Spatial frequency",
    unit="grey level",
    range=(0.0, 255 * math.sqrt(2)),
    source="Eskicioglu, Fisher 1995, DOI 10.1109/26.477498",
)


@METRIC.define(
    "per-pixel",
    r"\sqrt{\frac{1}{mn} \sum_{i, j > 1} (F_{i,j} - F_{i,j-1})^2 + "
    r"\frac{1}{mn} \sum_{i > 1, j} (F_{i,j} - F_{i-1,j})^2}",
    "the publication; the VIFB and MEFB benchmarks",
)
def spatial_frequency(a: Image, b: Image, fused: Image) -> float:
    """Root of the summed squares of row and column frequency, as published; the sources play no part.

    Both divide by the m n pixels, although there are only m (n - 1) and (m - 1) n differences.

    Returns:
        Grey levels, 0 (constant) to 255 sqrt(2) = 360.6 (not reached).

    Source: A. M. Eskicioglu, P. S. Fisher, 1995, DOI 10.1109/26.477498.
    """
    rows, columns = _squares(fused)
    return math.sqrt((rows.sum() + columns.sum()) / fused.size)


@METRIC.define(
    "per-difference",
    r"\sqrt{\frac{1}{m(n-1)} \sum_{i, j > 1} (F_{i,j} - F_{i,j-1})^2 + "
    r"\frac{1}{(m-1)n} \sum_{i > 1, j} (F_{i,j} - F_{i-1,j})^2}",
    "CDDFuse's evaluator; MATLAB toolboxes",
)
def spatial_frequency_per_difference(a: Image, b: Image, fused: Image) -> float:
    """As :func:`spatial_frequency`, but each frequency is the mean over the differences there are.

    Raises:
        WdualmineError: the image is a single row or column.
    """
    require_size("SF", fused, 2)
    rows, columns = _squares(fused)
    return math.sqrt(rows.mean() + columns.mean())


@METRIC.define(
    "unit-range",
    r"\frac{1}{255} \sqrt{\frac{1}{m(n-1)} \sum_{i, j > 1} (F_{i,j} - F_{i,j-1})^2 + "
    r"\frac{1}{(m-1)n} \sum_{i > 1, j} (F_{i,j} - F_{i-1,j})^2}",
    "Gu's MATLAB toolbox (images scaled to [0, 1])",
)
def spatial_frequency_unit_range(a: Image, b: Image, fused: Image) -> float:
    """As :func:`spatial_frequency_per_difference` on the image scaled to [0, 1]: 1/255 of it."""
    return spatial_frequency_per_difference(a, b, fused) / 255


def _squares(image: Image) -> tuple[np.ndarray, np.ndarray]:
    """Squared differences between neighbors in a row, int64 (H, W - 1), and in a column, (H - 1, W)."""
    values = image.astype(np.int64)
    return np.diff(values, axis=1) ** 2, np.diff(values, axis=0) ** 2
