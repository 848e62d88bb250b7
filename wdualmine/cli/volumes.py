"""What ``fuse`` does with volumes, and the windows that it takes."""

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wdualmine.errors import WdualmineError

if TYPE_CHECKING:
    from wdualmine.data.scans import Window
    from wdualmine.fusion import Fuse

_A = "What to show of A, in its own units, such as --window-a=-20,80 for a CT's brain window."
_B = "What to show of B, in its own units, such as --window-b=0,1200 for an MRI."
WindowAOption = Annotated[str | None, typer.Option(metavar="LOW,HIGH", help=_A)]
WindowBOption = Annotated[str | None, typer.Option(metavar="LOW,HIGH", help=_B)]


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


def fuse_volume_files(
    a: Path,
    b: Path,
    output: Path,
    fuse: "Fuse",
    axis: int,
    windows: "tuple[Window | None, Window | None]",
    allow: bool,
) -> None:
    """Fuse two volume files into a third; see :func:`~wdualmine.volumes.fuse_volumes`."""
    from wdualmine.data.volumes import check_written, load_values, open_volume, write_volume
    from wdualmine.progress import task_bar
    from wdualmine.volumes import fuse_volumes, require_one_grid

    for source in (a, b):
        if output.exists() and source.exists() and output.samefile(source):
            raise WdualmineError(f"{output}: is one of the volumes to fuse; name another with -o")
    first, second = open_volume(a), open_volume(b)
    check_written(output, first)
    if axis not in (0, 1, 2):
        raise WdualmineError(f"axis {axis}: choose 0, 1 or 2")
    require_one_grid(first, second, allow)
    first, second = load_values(first), load_values(second)
    with task_bar("fuse", first.values.shape[axis]) as advance:
        fused = fuse_volumes(first, second, fuse, axis, windows, allow, advance)
    print(write_volume(output, fused, first))
