"""SD: spread of the fused image's grey levels, read as contrast."""

import numpy as np

from wdualmine.metrics.metric import Image, Metric

METRIC = Metric(
    key="SD",
    name="Standard deviation",
    unit="grey level",
    range=(0.0, 127.5),
    source="Ma, Ma, Li 2019, DOI 10.1016/j.inffus.2018.02.004",
)


@METRIC.define(
    "population",
    r"\sqrt{\frac{1}{mn} \sum_{i, j} (F_{ij} - \bar F)^2}",
    "Ma et al.'s survey; CDDFuse's evaluator",
)
def standard_deviation(a: Image, b: Image, fused: Image) -> float:
    """Population standard deviation of the fused image; the sources play no part.

    Returns:
        Grey levels, 0 (constant) to 127.5 (half the pixels 0, half 255); higher is read as better.

    Source: J. Ma, Y. Ma, C. Li, 2019, DOI 10.1016/j.inffus.2018.02.004; divisor m n, not m n - 1.
    """
    return float(np.std(fused, dtype=np.float64))


@METRIC.define(
    "saturating-8-bit",
    r"\sqrt{\frac{1}{mn} \sum_{i, j} \min\left(255, "
    r"\max\left(0, \lfloor F_{ij} - \bar F \rceil\right)^2\right)}",
    "Gu's MATLAB toolbox (the image is left in uint8, whose arithmetic saturates: a slip)",
)
def standard_deviation_saturating(a: Image, b: Image, fused: Image) -> float:
    """The same formula in MATLAB's saturating uint8 arithmetic, which happens if the image is not cast.

    A pixel below the mean has deviation 0, one above it the deviation rounded, and a square is at most 255:
    0 to sqrt(255) = 15.97; about 10 on this project's brain slices, where the true value is about 60.
    """
    deviation = np.floor(np.maximum(fused - fused.mean(dtype=np.float64), 0) + 0.5)
    return float(np.sqrt(np.minimum(deviation**2, 255).mean()))
