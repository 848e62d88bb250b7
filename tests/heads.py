"""Images with a head of known levels, for tests of signals."""

import numpy as np
from numpy.typing import NDArray

from wdualmine.data import Pair


def head_image(level: int, side: int = 160, radius: int = 70) -> NDArray[np.uint8]:
    """A flat disc on black."""
    rows, columns = np.mgrid[:side, :side] - side // 2
    return np.where(np.hypot(rows, columns) < radius, level, 0).astype(np.uint8)


def textured_pair(seed: int = 0, name: str = "t") -> Pair:
    """Two heads with unlike texture, levels 60 to 180."""
    rng = np.random.default_rng(seed)
    inside = head_image(1) > 0
    noise = rng.integers(60, 181, (2, *inside.shape))
    first, second = (np.where(inside, image, 0).astype(np.uint8) for image in noise)
    return Pair(name, first, second)
