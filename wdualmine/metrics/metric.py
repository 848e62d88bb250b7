"""What a metric declares about itself: the tables, the CLI and the book read it from here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Array = NDArray[np.float64]
#: Score from two sources and their fused image, uint8 (H, W), or (H, W, 3) where the metric takes color.
Score = Callable[[Image, Image, Image], float]
Result = TypeVar("Result")

#: Results for images of so many pixels together are remembered, larger ones would fill the memory.
_REMEMBERED = 2**20


def remembered(function: Callable[..., Result]) -> Callable[..., Result]:
    """Remember the last results of a function of images, which must not be written to.

    Many fused images have the same sources, and several metrics the same parts.
    """

    @lru_cache(maxsize=3)
    def known(*images: tuple[bytes, tuple[int, ...]]) -> Result:
        return function(*(np.frombuffer(content, np.uint8).reshape(shape) for content, shape in images))

    @wraps(function)
    def look_up(*images: Image) -> Result:
        if sum(image.size for image in images) > _REMEMBERED:
            return function(*images)
        return known(*((image.tobytes(), image.shape) for image in images))

    return look_up


@dataclass(frozen=True)
class Convention:
    """One of the definitions that toolboxes give under the same name."""

    name: str  #: Short name that `score(..., convention=...)` and `--convention` take, such as ``"bits"``
    function: Score  #: How it is computed
    formula: str  #: LaTeX, without the dollar signs, in terms of sources A and B and fused image F
    used_by: str  #: The papers or toolboxes that compute it so


@dataclass(frozen=True, kw_only=True, eq=False)
class Metric:
    """A fusion metric: what it is called, how to read it, where it comes from and how it is computed."""

    key: str  #: Registry key and column name, such as ``"EN"``
    name: str  #: Full name, such as ``"Entropy"``
    direction: Literal["higher", "lower"] = "higher"  #: Which is conventionally better
    unit: str = ""  #: Unit of the default convention (``"bit"``, ``"dB"``, ``"grey level"``), empty if none
    range: tuple[float, float]  #: Closed interval of the default convention; ``inf`` where unbounded
    source: str  #: Reference, with its DOI where there is one
    color: bool = False  #: Whether it is scored on RGB (grey repeated to three channels) or on grey
    conventions: list[Convention] = field(default_factory=list)  #: All on record, the default first

    def define(self, name: str, formula: str, used_by: str) -> Callable[[Score], Score]:
        """Put the function below on record as a convention of this metric; see :class:`Convention`."""

        def keep(function: Score) -> Score:
            self.conventions.append(Convention(name, function, formula, used_by))
            return function

        return keep

    def convention(self, name: str | None = None) -> Convention:
        """Return the convention called `name`; the default where it is None or not one of this metric's."""
        return next((found for found in self.conventions if found.name == name), self.conventions[0])

    def __call__(self, a: Image, b: Image, fused: Image, convention: str | None = None) -> float:
        """The score of `fused` for sources `a` and `b`, without validation (see `registry.score`)."""
        return self.convention(convention).function(a, b, fused)

    @property
    def arrow(self) -> str:
        """The direction as tables print it."""
        return "↑" if self.direction == "higher" else "↓"

    @property
    def sign(self) -> int:
        """1 where a higher score is better, else -1."""
        return 1 if self.direction == "higher" else -1
