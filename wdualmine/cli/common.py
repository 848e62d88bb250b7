"""What the groups of verbs share: the program itself, common options and how a table is printed."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from wdualmine.records import Run

app = typer.Typer(
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
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]


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
    console = Console()
    if not console.is_terminal:
        console = Console(width=400)
    console.print(grid)
