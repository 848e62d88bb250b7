"""Qy: similarity to both sources where they agree, to the better matched one where they do not."""

import numpy as np

from wdualmine.metrics.metric import Image, Metric
from wdualmine.metrics.universal_quality import gaussian, quality_map, share, variance
from wdualmine.metrics.validation import require_size

_SIDE, _SIGMA = 7, 1.5  # of the Gaussian window
_ALIKE = 0.75  # similarity of the sources from which a window counts them as redundant

METRIC = Metric(
    key="Qy",
    name="Similarity to the matching source (Yang)",
    range=(-1.0, 1.0),
    source="Yang, Zhang, Wang, Liu 2008, DOI 10.1016/j.inffus.2006.09.001",
)


@METRIC.define(
    "gaussian-7",
    r"\overline{\begin{cases} \lambda Q(A, F) + (1 - \lambda) Q(B, F) & Q(A, B) \ge 0.75 \\ "
    r"\max(Q(A, F), Q(B, F)) & \text{otherwise} \end{cases}}, \quad "
    r"\lambda = \frac{\sigma_A^2}{\sigma_A^2 + \sigma_B^2}, \; Q = \mathrm{SSIM} \text{ without "
    r"constants}, \; \text{7 x 7 Gaussian window}, \; \sigma = 1.5",
    "Liu's MATLAB toolbox; the MEFB benchmark",
)
def qy(a: Image, b: Image, fused: Image) -> float:
    """Similarity of each window: weighted by variance where the sources are alike, else the larger one.

    A window in which the sources differ counts as perfect if it copies either of them: a method may drop one
    source altogether there, and the pixelwise maximum does well.

    Returns:
        -1 to 1, 1 if all three are equal, or F is one of the sources where they differ; higher is better.

    Raises:
        WdualmineError: the images are smaller than 7 x 7.

    Source: C. Yang, J.-Q. Zhang, X.-R. Wang, X. Liu, 2008, DOI 10.1016/j.inffus.2006.09.001.
    """
    require_size("Qy", fused, _SIDE)
    mean = gaussian(_SIDE, _SIGMA)
    x, y, f = (image.astype(np.float64) for image in (a, b, fused))
    variance_a, variance_b = variance(x, mean), variance(y, mean)
    weight = share(variance_a, variance_a + variance_b, 0.5)
    to_a, to_b = quality_map(x, f, mean), quality_map(y, f, mean)
    both = weight * to_a + (1 - weight) * to_b
    return float(np.where(quality_map(x, y, mean) >= _ALIKE, both, np.maximum(to_a, to_b)).mean())
