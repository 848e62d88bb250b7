"""One look for all figures: readable in grey, with any color vision, and on a dark page."""

from collections.abc import Callable
from functools import wraps
from io import BytesIO
from typing import Any, ParamSpec

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure

from wdualmine.errors import WdualmineError

Parameters = ParamSpec("Parameters")

#: Width of a figure in inches; the book shows it about 700 pixels wide, where 8 points are 11 pixels.
WIDTH = 7.2
RESOLUTION = 200  # pixels an inch, of images
STYLE: Any = {  # of matplotlib's settings
    "figure.facecolor": "white",  # the book's style sheet inverts line drawings on a dark page
    "axes.facecolor": "white",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "axes.grid": False,
    "grid.color": "0.88",
    "grid.linewidth": 0.6,
    "svg.hashsalt": "wdualmine",  # the same figure is the same file
}
#: For maps of both signs.
DIVERGING = "RdBu_r"
LINES = ("-", "--", ":", "-.", (0, (5, 1)), (0, (1, 1)))
COLORS = sns.color_palette("colorblind")


def styled(draw: Callable[Parameters, Figure], style: Any = STYLE) -> Callable[Parameters, Figure]:
    """Make a function draw in the project's style, whatever the user's own settings are."""

    @wraps(draw)
    def inside(*arguments: Parameters.args, **settings: Parameters.kwargs) -> Figure:
        with plt.rc_context(style):
            figure = draw(*arguments, **settings)
            figure.draw_without_rendering()  # ticks are made when first drawn: here, in this style
            interactive = plt.isinteractive()
        # A notebook's first figure turns this on; leaving the style would turn it off, and hide all others.
        mpl.interactive(interactive)
        return figure

    return inside


def render_figure(figure: Figure, form: str) -> bytes:
    """Return a figure as the content of an "svg" file (lines) or a "png" (images); the same bytes every time.

    Raises:
        WdualmineError: there is no such form.
    """
    if form not in ("svg", "png"):
        raise WdualmineError(f"unknown form {form!r}; choose svg (lines) or png (images)")
    content = BytesIO()
    with plt.rc_context(STYLE):
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(content, format=form, dpi=RESOLUTION, metadata=metadata)
    return content.getvalue()
