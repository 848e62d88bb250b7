"""Verbs that set all systems side by side: ``comparison`` by what they keep, ``ghosting``, ``cost``."""

from pathlib import Path
from typing import Annotated

import typer

from wdualmine.cli.common import DataOption, app, print_table


@app.command()
def comparison(
    task: Annotated[str, typer.Argument(help="ct-mri, pet-mri or spect-mri.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The run's folder.")],
    data: DataOption = None,
    limit: Annotated[int | None, typer.Option(help="Measure only the first so many pairs.")] = None,
) -> None:
    """Measure all systems on a task's test pairs by the field's metrics and by recovery (minutes)."""
    from wdualmine_book.systems.record import run_comparison

    run_comparison(task, output, data, limit)
    print(output)


@app.command()
def ghosting(
    task: Annotated[str, typer.Argument(help="ct-mri, pet-mri or spect-mri.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The run's folder.")],
    data: DataOption = None,
    limit: Annotated[int | None, typer.Option(help="Choose among the first so many pairs only.")] = None,
) -> None:
    """Measure all systems where the MRI is shifted and turned against the other scan (minutes)."""
    from wdualmine_book.systems.ghosting import run_ghosting

    run_ghosting(task, output, data, limit)
    print(output)


@app.command()
def cost(
    output: Annotated[Path, typer.Option("--output", "-o", help="The run's folder.")],
    method: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be repeated. Default: all.")
    ] = None,
    side: Annotated[int, typer.Option(help="Of the square images, in pixels.")] = 256,
    repeats: Annotated[int, typer.Option(help="Timed calls a method.")] = 5,
    device: Annotated[str, typer.Option(help="cpu (one thread), cuda, cuda:1 or mps.")] = "cpu",
) -> None:
    """Measure parameters, operations, time and memory of each method for one pair, side by side."""
    from wdualmine_book.systems.cost import run_cost
    from wdualmine_book.systems.tables import cost_table

    table = cost_table(run_cost(output, method, side, repeats, device))
    print_table(tuple(table.columns), [tuple(row) for row in table.itertuples(index=False)])
    print(output)
