"""SD: spread of the fused image's grey levels, read as contrast."""

import numpy as np

from wdualmine.metrics.metric import Convention, Image, Metric


def standard_deviation(a: Image, b: Image, fused: Image) -> float:
    """Population standard deviation of the fused image; the sources play no part.

    Returns:
        Grey levels, 0 (constant) to 127.5 (half the pixels 0, half 255); higher is read as better.

    Source: J. Ma, Y. Ma, C. Li, 2019, DOI 10.1016/j.inffus.2018.02.004; divisor m n, not m n - 1.
    """
    return float(np.std(fused, dtype=np.float64))


def standard_deviation_saturating(a: Image, b: Image, fused: Image) -> float:
    """The same formula in MATLAB's saturating uint8 arithmetic, which happens if the image is not cast.

    A pixel below the mean has deviation 0, one above it the deviation rounded to a whole level, and a square
    is at most 255: in effect the root of 255 times the share of pixels that are 16 levels above the mean.

    Returns:
        0 to sqrt(255) = 15.97; about 10 on this project's brain slices, where the true value is about 60.
    """
    deviation = np.floor(np.maximum(fused - fused.mean(dtype=np.float64), 0) + 0.5)
    return float(np.sqrt(np.minimum(deviation**2, 255).mean()))


METRIC = Metric(
    key="SD",
    name="Standard deviation",
    direction="higher",
    unit="grey level",
    range=(0.0, 127.5),
    source="Ma, Ma, Li 2019, DOI 10.1016/j.inffus.2018.02.004",
    conventions=(
        Convention(
            name="population",
            function=standard_deviation,
            formula=r"\sqrt{\frac{1}{mn} \sum_{i, j} (F_{ij} - \bar F)^2}",
            used_by="Ma et al.'s survey; CDDFuse's evaluator",
        ),
        Convention(
            name="saturating-8-bit",
            function=standard_deviation_saturating,
            formula=r"\sqrt{\frac{1}{mn} \sum_{i, j} \min\left(255, "
            r"\max\left(0, \lfloor F_{ij} - \bar F \rceil\right)^2\right)}",
            used_by="Gu's MATLAB toolbox (the image is left in uint8, whose arithmetic saturates: a slip)",
        ),
    ),
)
