"""VIFF: visual information of whichever source the fused image carries more of, place by place."""

import numpy as np

from wdualmine.metrics.metric import Image, Metric
from wdualmine.metrics.validation import require_size
from wdualmine.metrics.vif import SMALLEST, information_maps

_NOISE = 0.005 * 255**2  # variance of the visual noise, in squared grey levels
_WEIGHTS = (1 / 2.15, 0.0, 0.15 / 2.15, 1 / 2.15)  # of the four scales, the finest first
_SMALL = 1e-7  # added to each place, so that places without information count as kept

METRIC = Metric(
    key="VIFF",
    name="Visual information fidelity for fusion (Han)",
    range=(0.0, float("inf")),
    source="Han, Cai, Cao, Xu 2013, DOI 10.1016/j.inffus.2011.08.002",
)


@METRIC.define(
    "smaller-gain",
    r"\sum_{k=1}^{4} w_k \frac{\sum_i \log\left(1 + \frac{g_{ki}^2 \sigma_{S,ki}^2}"
    r"{\sigma_{V,ki}^2 + \nu}\right) + 10^{-7}}"
    r"{\sum_i \log\left(1 + \frac{\sigma_{S,ki}^2}{\nu}\right) + 10^{-7}}, \quad "
    r"S_{ki} = \arg\min_{S \in \{A, B\}} g_{S,ki}, \; g = \frac{\sigma_{SF}}{\sigma_S^2}, \; "
    r"\nu = 0.005 \cdot 255^2, \; w = \frac{(1, 0, 0.15, 1)}{2.15}",
    "the publication's MATLAB code; the MEFB benchmark, which prints it as VIF",
)
def viff(a: Image, b: Image, fused: Image) -> float:
    """Visual information fidelity for fusion: at each place only the source with the smaller gain counts.

    The gain is that with which the fused image carries a source, so that a faint or lost source decides. The
    windows are those of the pixel-domain VIF; the noise is 160 times its noise.

    Returns:
        At least 0, 1 if all three are equal, more where the fused image has more contrast than a source.

    Raises:
        WdualmineError: the images are smaller than 41 x 41.

    Source: Y. Han, Y. Cai, Y. Cao, X. Xu, 2013, DOI 10.1016/j.inffus.2011.08.002.
    """
    require_size("VIFF", fused, SMALLEST)
    value = 0.0
    scales_a, scales_b = (information_maps(source, fused, _NOISE) for source in (a, b))
    for weight, of_a, of_b in zip(_WEIGHTS, scales_a, scales_b, strict=True):
        first = of_a[2] < of_b[2]
        kept, total = (np.where(first, x, y) + _SMALL for x, y in zip(of_a[:2], of_b[:2], strict=True))
        value += weight * float(kept.sum() / total.sum())
    return value
