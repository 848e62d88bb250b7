"""Options of several verbs: windows, and how two scans are brought into one space."""

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wdualmine.errors import WdualmineError

if TYPE_CHECKING:
    from wdualmine.data.scans import Window

_A = "What to show of A, in its own units, such as --window-a=-20,80 for a CT's brain window."
_B = "What to show of B, in its own units, such as --window-b=0,1200 for an MRI."
WindowAOption = Annotated[str | None, typer.Option(metavar="LOW,HIGH", help=_A)]
WindowBOption = Annotated[str | None, typer.Option(metavar="LOW,HIGH", help=_B)]
_AXIS = "Of two volumes: slices lie across it, 0, 1 or 2; default: axial."
AxisOption = Annotated[int | None, typer.Option(help=_AXIS)]
_REGISTER = "Register the second source to the first before: rigid, affine or deformable."
RegisterOption = Annotated[str | None, typer.Option(metavar="KIND", help=_REGISTER)]
_GRID = "Whose pixels the result has: a, b, or finest, those of the source with the smaller ones."
GridOption = Annotated[str, typer.Option(help=_GRID)]
_TRANSFORM = (
    "A file (.tfm, .h5): with --register the transform is written there, without it read and applied."
)
TransformOption = Annotated[Path | None, typer.Option(metavar="FILE", help=_TRANSFORM)]


def read_window(text: str | None, option: str) -> "Window | None":
    """Read what was given for a window: two finite numbers, the first below the second."""
    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low = high = 0.0
    if not -inf < low < high < inf:
        raise WdualmineError(f"{option} {text}: give two numbers LOW,HIGH, the first below the second")
    return low, high
