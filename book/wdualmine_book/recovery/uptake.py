"""The color map of PET and SPECT images: from colors to uptake and back.

The atlas publishes uptake through a color table. All pixels then lie on a curve in RGB, which is found from
the images. They do not say which uptake a color stands for: equal steps along the curve are taken for equal
steps of uptake, so that a signal changes the color equally everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree, shortest_path
from scipy.spatial import KDTree
from scipy.spatial.distance import pdist, squareform

from wdualmine.errors import WdualmineError

Array = NDArray[np.float64]

#: More colors than these are no table.
COLORS = 2048
#: Points of the curve that a color is compared with.
_POINTS = 4096


@dataclass(frozen=True)
class ColorMap:
    """A curve in RGB.

    Attributes:
        colors: along the curve, from the darkest end, (n, 3) in 0-255.
        positions: the uptake of each, (n,), rising from 0 to 1.
    """

    colors: Array
    positions: Array

    def color(self, uptake: Array) -> Array:
        """Return the color (..., 3) in 0-255 of an uptake in [0, 1], linear between the colors known."""
        return np.stack([np.interp(uptake, self.positions, x) for x in self.colors.T], axis=-1)

    def uptake(self, image: NDArray) -> tuple[Array, Array]:
        """Return the uptake of each pixel, in [0, 1], and its distance from the curve, in levels of RGB.

        Args:
            image: (..., 3) in 0-255.
        """
        points = np.union1d(self.positions, np.linspace(0, 1, _POINTS))
        distance, nearest = KDTree(self.color(points)).query(image)
        return points[nearest], distance


def find_color_map(images: Sequence[NDArray[np.uint8]]) -> ColorMap:
    """Find the curve on which the colors of some images lie.

    They are ordered from the darkest to the one farthest from it along the shortest tree that joins them all;
    luma does not order them, as a rainbow's yellow is brighter than its red.

    Args:
        images: (H, W, 3), of one table; the more, the more of its colors are known.

    Raises:
        WdualmineError: an image is grey, or the images hold too many colors for a table, or a single one.
    """
    if any(image.ndim != 3 for image in images):
        raise WdualmineError("a grey image has no color map; give images in color")
    colors = np.unique(np.concatenate([image.reshape(-1, 3) for image in images]), axis=0).astype(np.float64)
    if not 1 < len(colors) <= COLORS:
        raise WdualmineError(
            f"{len(colors)} colors are no color table; give images with 2 to {COLORS} colors"
        )
    distance = squareform(pdist(colors))
    along, before = shortest_path(
        minimum_spanning_tree(distance),
        directed=False,
        indices=int(colors.sum(axis=1).argmin()),
        return_predecessors=True,
    )
    path = [int(along.argmax())]
    while before[path[0]] >= 0:
        path.insert(0, int(before[path[0]]))
    for color in np.setdiff1d(np.arange(len(colors)), path):  # at a corner the tree leaves one out
        here, there = path[:-1], path[1:]
        detour = distance[here, color] + distance[color, there] - distance[here, there]
        path.insert(int(detour.argmin()) + 1, int(color))
    length = np.concatenate([[0], np.cumsum(distance[path[:-1], path[1:]])])
    return ColorMap(colors[path], length / length[-1])
