"""A sheet as wide as a phone to draw blocks and arrows on, for Figures 1 and 2."""

from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from wdualmine_book.figures.style import NARROW

#: Colors of blocks by kind.
FILLS = {
    "image": "white",
    "encoder": "#d6e6f4",
    "reliability": "#fdebc8",
    "spatial": "#d5eedd",
    "wavelet": "#eadff0",
    "mixer": "#fbdbd3",
    "decoder": "#e3e3e3",
}
SMALL = 8  # points


@dataclass(frozen=True)
class Block:
    """A box, in inches."""

    left: float
    bottom: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The right side."""
        return self.left + self.width

    @property
    def top(self) -> float:
        """The upper side."""
        return self.bottom + self.height

    @property
    def center(self) -> tuple[float, float]:
        """The middle, across and up."""
        return self.left + self.width / 2, self.bottom + self.height / 2


class Sheet:
    """A sheet of paper to draw blocks and arrows on; lengths are inches, from the lower left corner."""

    def __init__(self, height: float) -> None:
        self.figure = plt.figure(figsize=(NARROW, height))
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, NARROW), ylim=(0, height))
        self.axes.set_axis_off()

    def block(
        self,
        left: float,
        bottom: float,
        width: float,
        height: float,
        lines: str,
        kind: str,
        plain: bool = False,
        bold: int = 1,
    ) -> Block:
        """Draw a box around text, its first lines a bold title; a plain one (nothing learned) is dashed."""
        block = Block(left, bottom, width, height)
        self.axes.add_patch(
            FancyBboxPatch(
                (left, bottom),
                width,
                height,
                boxstyle="round,pad=0,rounding_size=0.05",
                facecolor=FILLS[kind],
                edgecolor="0.25",
                linewidth=0.9,
                linestyle="--" if plain else "-",
                gid="block",
            )
        )
        rows = lines.split("\n")
        x, middle = block.center
        step = 0.145
        for number, row in enumerate(rows):
            y = middle + ((len(rows) - 1) / 2 - number) * step
            self.text(x, y, row, weight="bold" if number < bold else "normal")
        return block

    def text(self, x: float, y: float, text: str, **settings: Any) -> None:
        """Write centered text."""
        settings = {"ha": "center", "va": "center_baseline", "fontsize": SMALL, **settings}
        self.axes.text(x, y, text, **settings)

    def arrow(self, *points: tuple[float, float], dashed: bool = False, head: bool = True) -> None:
        """Draw an arrow through points."""
        style: Any = {"color": "0.25", "linewidth": 0.9, "linestyle": "--" if dashed else "-"}
        self.axes.plot(*zip(*points, strict=True), solid_capstyle="butt", **style)
        if head:
            arrow = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9, "color": "0.25"}
            self.axes.annotate("", points[-1], points[-2], arrowprops=arrow | {"linewidth": 0})


def equation_words(numbers: str) -> str:
    """Print numbers of equations; nothing where there are none."""
    return f"Eq. {numbers.replace('-', '–')}" if numbers else ""
