"""EI: the mean strength of the edges of the fused image."""

import math

import numpy as np
from scipy import ndimage

from wdualmine.metrics.metric import Image, Metric

METRIC = Metric(
    key="EI",
    name="Edge intensity",
    unit="grey level",
    range=(0.0, 255 * math.sqrt(20)),
    source="Rajalingam, Priya 2018, as in VIFB, https://arxiv.org/abs/2002.03322",
)


@METRIC.define(
    "replicated-border",
    r"\overline{\sqrt{(h * F)^2 + (h^\mathsf{T} * F)^2}}, \quad "
    r"h = \begin{pmatrix} 1 & 2 & 1 \\ 0 & 0 & 0 \\ -1 & -2 & -1 \end{pmatrix}",
    "the VIFB and MEFB benchmarks",
)
def edge_intensity(a: Image, b: Image, fused: Image) -> float:
    """Mean Sobel gradient of the fused image, its border replicated; the sources play no part.

    Returns:
        Grey levels times the 8 of Sobel's taps, 0 (constant) to 255 sqrt(20) = 1140 (not reached).

    Source: B. Rajalingam, R. Priya, 2018, as computed by the VIFB benchmark, https://arxiv.org/abs/2002.03322.
    """
    values = fused.astype(np.float64)
    down, across = (ndimage.sobel(values, axis=axis, mode="nearest") for axis in (0, 1))
    return float(np.hypot(down, across).mean())
