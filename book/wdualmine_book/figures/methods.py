"""One color, marker and line per method in every figure."""

from typing import Any

from wdualmine.report.style import COLORS, LINES
from wdualmine_book.results.tables import ROWS

_MARKERS = "osD^vPX*<>h"


def method_style(name: str) -> dict[str, Any]:
    """Give a method its color, marker and line, the same in every figure.

    Args:
        name: as the tables print it (a value of its ``ROWS``); any other is drawn in black.
    """
    names = list(dict.fromkeys(ROWS.values()))
    if name not in names:
        return {"color": "black", "marker": ".", "linestyle": "-"}
    number = names.index(name)
    return {
        "color": COLORS[number % len(COLORS)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "linestyle": LINES[number % len(LINES)],
    }
