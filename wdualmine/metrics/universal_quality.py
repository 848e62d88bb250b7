"""What the metrics that compare windows share: their means, variances and the universal quality index.

Z. Wang, A. C. Bovik, 2002, DOI 10.1109/97.995823: structure times level, each 1 for equal windows. With the
two constants of SSIM it is SSIM; without, a flat window has a quality, too: what is 0 / 0 counts as 1.
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from wdualmine.metrics.metric import Array

Window = Callable[[Array], Array]

#: A variance below this share of the mean square is what rounding leaves of 0.
_FLAT = 1e-13


def uniform(side: int) -> Window:
    """Mean over each whole window of side x side pixels: (H, W) to (H - side + 1, W - side + 1)."""

    def mean(x: Array) -> Array:
        for axis in (0, 1):
            shifted = np.lib.stride_tricks.sliding_window_view(x, side, axis=axis)
            x = sum((shifted[..., k] for k in range(1, side)), shifted[..., 0]) / side  # faster than a mean
        return x

    return mean


def gaussian(side: int, sigma: float) -> Window:
    """Gaussian mean over each whole window of side x side pixels, an odd number."""
    radius = side // 2

    def mean(x: Array) -> Array:
        return ndimage.gaussian_filter(x, sigma, radius=radius)[radius:-radius, radius:-radius]

    return mean


def variance(x: Array, mean: Window, mean_x: Array | None = None) -> Array:
    """Variance in each window, exactly 0 where the window is flat; the means may be given."""
    square = mean(x**2)
    spread = square - (mean(x) if mean_x is None else mean_x) ** 2
    return np.where(spread > _FLAT * square, spread, 0)


def covariance(x: Array, y: Array, mean: Window) -> Array:
    """Covariance in each window."""
    return mean(x * y) - mean(x) * mean(y)


def quality_map(
    x: Array, y: Array, mean: Window, level_constant: float = 0, contrast_constant: float = 0
) -> Array:
    """Compare two images, float64 (H, W) and at least 0, by each whole window: -1 to 1.

    The two constants are C1 and C2 of SSIM; 0 makes it the universal quality index.
    """
    mean_x, mean_y = mean(x), mean(y)
    structure = share(
        2 * (mean(x * y) - mean_x * mean_y) + contrast_constant,
        variance(x, mean, mean_x) + variance(y, mean, mean_y) + contrast_constant,
        1.0,
    )
    level = share(2 * mean_x * mean_y + level_constant, mean_x**2 + mean_y**2 + level_constant, 1.0)
    return np.clip(structure, -1, 1) * level


def share(part: Array, whole: Array, otherwise: float) -> Array:
    """Part over whole, and `otherwise` where the whole is 0."""
    return np.divide(part, whole, out=np.full_like(whole, otherwise), where=whole != 0)
