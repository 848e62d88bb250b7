"""Figures in the book: how they are shown, and images and maps on black."""

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wdualmine.report.style import STYLE, Parameters, render_figure, styled

#: Images and maps lie on black, on a light page as on a dark one, as on a screen for reading scans.
ON_BLACK: Any = {
    **dict.fromkeys(("figure.facecolor", "axes.facecolor"), "black"),
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), "0.92"
    ),
}
#: For maps that are at least 0.
SEQUENTIAL = "cividis"
#: Width in inches of a figure that a phone shows whole: 96 pixels an inch.
NARROW = 3.6


def styled_on_black(draw: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Make a function draw in the project's style for images and maps."""
    return styled(draw, STYLE | ON_BLACK)


def show_map(axes: Axes, values: NDArray, colors: str, low: float, high: float) -> None:
    """Show a map on a scale of its own, with the two ends of the scale below."""
    axes.imshow(values, cmap=colors, vmin=low, vmax=high)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    ends = (" to " if low < 0 else "–").join(f"{value:.3g}".replace("-", "−") for value in (low, high))
    axes.set_xlabel(ends, fontsize=7, labelpad=2)


def without_border(values: NDArray) -> NDArray:
    """Leave out a sixteenth of a map (H, W) at each border, where the padding of convolutions shows."""
    edge = min(values.shape) // 16
    return values[edge : values.shape[0] - edge, edge : values.shape[1] - edge]


def show(figure: Figure, caption: str = "", form: str = "svg") -> None:
    """Show a figure in a notebook with its caption below, and close it.

    Args:
        figure: what to show.
        caption: Markdown.
        form: "svg" for lines, "png" for images.

    Raises:
        WdualmineError: there is no such form.
    """
    from IPython.display import SVG, Image, Markdown, display

    content, width = render_figure(figure, form), round(96 * figure.get_figwidth())
    plt.close(figure)
    # A width alone: with a height too, a narrow screen would squeeze the image.
    display(SVG(content) if form == "svg" else Image(content, width=width))
    if caption:
        display(Markdown(caption))
