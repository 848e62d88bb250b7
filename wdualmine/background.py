"""The background, where both sources are black: what a fused image holds there."""

import numpy as np
from numpy.typing import NDArray

from wdualmine.data import Pair

#: A pixel is background where no source is brighter than this grey level of 255.
BLACK = 2
BACKGROUND = ("background_share", "background_mean", "background_nonzero")


def background(grey_a: NDArray[np.uint8], grey_b: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where there is nothing to fuse: no source, uint8 (H, W), is brighter than :data:`BLACK`."""
    return np.maximum(grey_a, grey_b) <= BLACK


def background_scores(
    grey_a: NDArray[np.uint8], grey_b: NDArray[np.uint8], fused: NDArray[np.uint8]
) -> dict[str, float]:
    """Describe what a fused image holds where both sources are black; all three uint8 (H, W).

    Returns:
        ``background_share``, the share of the image that is background; ``background_mean``, the fused
        image's mean grey level there (0 to 255); ``background_nonzero``, the share of background pixels that
        are not black. The last two are NaN where there is no background.
    """
    where = background(grey_a, grey_b)
    values = fused[where]
    mean, nonzero = (values.mean(), (values > 0).mean()) if values.size else (np.nan, np.nan)
    return dict(zip(BACKGROUND, map(float, (where.mean(), mean, nonzero)), strict=True))


def blacken(pair: Pair, fused: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Set the background of a fused image, uint8 (H, W) or (H, W, 3), to black."""
    result = fused.copy()
    result[background(pair.grey_a, pair.grey_b)] = 0
    return result
