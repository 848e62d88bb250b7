"""Figures in the book: how they are shown, and images and maps on black."""

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from wdualmine.report.style import STYLE, WIDTH, Parameters, render_figure, styled

#: Images and maps lie on black, on a light page as on a dark one, as on a screen for reading scans.
ON_BLACK: Any = {
    **dict.fromkeys(("figure.facecolor", "axes.facecolor"), "black"),
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), "0.92"
    ),
}
#: For maps that are at least 0.
SEQUENTIAL = "cividis"


def styled_on_black(draw: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Make a function draw in the project's style for images and maps."""
    return styled(draw, STYLE | ON_BLACK)


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

    content = render_figure(figure, form)
    plt.close(figure)
    # A width alone: with a height too, a narrow screen would squeeze the image.
    display(SVG(content) if form == "svg" else Image(content, width=round(100 * WIDTH)))
    if caption:
        display(Markdown(caption))
