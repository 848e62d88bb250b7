"""What the groups of verbs share: the program itself, common options and how a table is printed."""

import re
import sys
from collections.abc import Iterable
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from wdualmine.records import Run


class Program(TyperGroup):
    """The whole program; Ctrl-C ends it with one line, which typer alone leaves out."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb that was typed."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("interrupted; the same command resumes what can be resumed", file=sys.stderr)
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=Program,
    help="W-DUALMINE: reliability-weighted dual-expert fusion of medical images, reproduced.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Commands import what they need when they run, so that --help does not wait for torch.

_DATA = "Folder of the pairs, or 'phantom'. Default: WDUALMINE_DATA, then the cache."
DataOption = Annotated[str | None, typer.Option("--data", help=_DATA)]
Round16BitOption = Annotated[
    bool, typer.Option("--to-8-bit", help="Round images of 16 bits, v / 257: the metrics are of 8 bits.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
AllowOption = Annotated[
    bool, typer.Option("--allow", help="Go on with sources that seem swapped, mirrored, turned or shifted.")
]


def _complete_method(incomplete: str) -> list[str]:
    from wdualmine.methods import list_methods

    return [name for name in list_methods() if name.startswith(incomplete)]


_METHOD = "A name of `wdualmine methods`, or module:function, file.py:function of your own fuse(a, b)."
MethodOption = Annotated[str, typer.Option(help=_METHOD, autocompletion=_complete_method)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print a JSON list, one object a row.")]
_SCALE = """Lambda of Eq. 11 at inference, from -2 to 2: how much of its residual a network adds to the
average. Default: the network's own, 0.5 in the paper."""
ResidualScaleOption = Annotated[float | None, typer.Option(help=_SCALE)]
WeightsOption = Annotated[
    Path | None, typer.Option(help="A run folder or a file of weights, instead of those that are found.")
]


def missing_extra(error: ImportError) -> str | None:
    """Return what to install where a package of one of our extras is missing; None where it is another."""
    from importlib import metadata

    extras: dict[str, set[str]] = {}
    try:
        requirements = metadata.requires("wdualmine") or ()
    except metadata.PackageNotFoundError:  # run from a folder, never installed
        return None
    for requirement in requirements:
        if found := re.match(r"([\w.-]+)[^;]*; extra == ['\"](\w+)['\"]", requirement):
            extras.setdefault(found[2], set()).add(found[1])
    words = set(re.findall(r"\w+", (error.name or str(error)).lower()))  # pandas names it in words only
    for extra, packages in sorted(extras.items(), key=lambda item: len(item[1])):  # the least to install
        if missing := words & packages:
            return f"{missing.pop()}: is not installed; run `pip install 'wdualmine[{extra}]'`"
    return None


def print_results(run: "Run") -> None:
    """Print the scores of a run, a row per method."""
    from wdualmine.records import scores_table

    table = scores_table(run)
    print_table(("method", *table.columns), table.itertuples(name=None))


def print_table(header: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    """Print a table for a person, or, piped, one line per row, however long."""
    from rich.console import Console
    from rich.table import Column, Table

    grid = Table(*(Column(name, overflow="fold") for name in header), box=None, pad_edge=False)
    for row in rows:
        grid.add_row(*row)
    # A file name such as scan[red].png is no markup.
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = 400
    console.print(grid)


def print_rows(rows: list[dict[str, str]], json: bool) -> None:
    """Print rows of the same columns as a table, or as JSON."""
    if json:
        print(dumps(rows, indent=2))
    else:
        print_table(rows[0], [tuple(row.values()) for row in rows])
