"""What the groups of verbs share: the program itself, common options and how a table is printed."""

import re
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from wdualmine.errors import WdualmineError

if TYPE_CHECKING:
    from pathlib import Path

    from wdualmine.methods import Method
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

DataOption = Annotated[
    str | None,
    typer.Option(
        "--data", help="Folder of the pairs, or 'phantom'. Default: WDUALMINE_DATA, then the cache."
    ),
]
DeepOption = Annotated[
    bool, typer.Option("--to-8-bit", help="Round images of 16 bits, v / 257: the metrics are of 8 bits.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]


def check_network_options(method: "Method", weights: "Path | None", residual_scale: float | None) -> None:
    """Refuse options of a network for a method that is none, and a lambda out of range.

    Raises:
        WdualmineError: so it is.
    """
    if not method.learned and not (weights is None and residual_scale is None):
        raise WdualmineError(
            f"--weights and --residual-scale belong to the networks, not to {method.name}; leave them out"
        )
    if residual_scale is not None and method.system and method.system.name != "w-dualmine":
        raise WdualmineError(f"--residual-scale belongs to W-DUALMINE, not to {method.name}; leave it out")
    if residual_scale is not None and not -1 <= residual_scale <= 1:
        raise WdualmineError(f"--residual-scale {residual_scale}: give a number from -1 to 1")


def missing_extra(error: ImportError) -> str | None:
    """Say what to install where a package of one of our extras is missing; None where it is another one."""
    extras: dict[str, set[str]] = {}
    try:
        requirements = metadata.requires("wdualmine") or ()
    except metadata.PackageNotFoundError:  # run from a folder, never installed
        return None
    for requirement in requirements:
        if found := re.match(r"([\w.-]+)[^;]*; extra == ['\"](\w+)['\"]", requirement):
            extras.setdefault(found[2], set()).add(found[1])
    words = set(re.findall(r"\w+", error.name or str(error)))  # pandas names it in words only
    for extra, packages in sorted(extras.items(), key=lambda item: len(item[1])):  # the least to install
        if missing := words & packages:
            return f"{missing.pop()}: is not installed; run `pip install 'wdualmine[{extra}]'`"
    return None


def print_results(run: "Run") -> None:
    """Print the scores of a run, a row a method."""
    from wdualmine.tables import scores_table

    table = scores_table(run)
    print_table(("method", *table.columns), list(table.itertuples(name=None)))


def print_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print a table for a person, or, piped, one line a row."""
    grid = Table(box=None, pad_edge=False)
    for name in header:
        grid.add_column(name, overflow="fold")
    for row in rows:
        grid.add_row(*row)
    # Piped output is for programs: one line a row, however long.
    # A file name such as scan[red].png is no markup.
    plain: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False}
    console = Console(**plain)
    if not console.is_terminal:
        console = Console(width=400, **plain)
    console.print(grid)
