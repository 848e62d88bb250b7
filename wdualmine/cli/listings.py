"""Verbs that print what there is: ``metrics``, ``methods``, ``table``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wdualmine.cli.common import app, print_table


class Format(StrEnum):
    """How a table is printed."""

    md = "md"
    latex = "latex"
    csv = "csv"


@app.command()
def metrics() -> None:
    """List the metrics with direction, range, unit, conventions and source."""
    from wdualmine.metrics import METRICS

    print_table(
        ("metric", "name", "better", "range", "unit", "conventions", "source"),
        [
            (m.key, m.name, m.direction, f"{m.range[0]:g} to {m.range[1]:g}", m.unit,
             ", ".join(c.name for c in m.conventions), m.source)
            for m in METRICS.values()
        ],
    )  # fmt: skip


@app.command()
def methods() -> None:
    """List the ways to fuse: whether they learn, their size here, the published one's, and the source."""
    from wdualmine.methods import CLASSICAL, LEARNED
    from wdualmine.methods.learned import network_of, parameters

    rows: list[tuple[str, ...]] = []
    for method in (*LEARNED.values(), *CLASSICAL.values()):
        published = method.system.published if method.system else None
        rows.append(
            (
                method.name,
                "yes" if method.learned else "no",
                f"{parameters(network_of(method)):,}" if method.learned else "",
                f"{published.parameters:,.0f}" if published else "",
                method.source,
            )
        )
    print_table(("method", "learns", "parameters", "published", "source"), rows)


@app.command()
def table(
    number: Annotated[int, typer.Argument(help="1 CT-MRI, 2 PET-MRI, 3 SPECT-MRI, 4 and 5 ablations.")],
    runs: Annotated[
        list[Path] | None, typer.Option("--run", help="A run folder, or a folder of them; may be repeated.")
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.md,
) -> None:
    """Print a table of the paper beside the reference record and the given runs."""
    from wdualmine.records import find_runs
    from wdualmine.tables import ABLATIONS, ablation_table, comparison_table, render, render_differences

    found = find_runs(runs or [])
    if number in ABLATIONS:
        print(render_differences(ablation_table(number, found or None), format.value))
    else:
        print(render(comparison_table(number, found), format.value))
