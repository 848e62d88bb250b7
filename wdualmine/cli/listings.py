"""Verbs that print what there is: ``metrics``, ``methods``, ``table``."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wdualmine.cli.common import JsonOption, app, print_rows
from wdualmine.errors import WdualmineError


class Format(StrEnum):
    """How a table is printed."""

    md = "md"
    latex = "latex"
    csv = "csv"


@app.command()
def metrics(json: JsonOption = False) -> None:
    """List the metrics with direction, range, unit, conventions and source."""
    from wdualmine.metrics import METRICS

    print_rows(
        [
            {
                "metric": m.key,
                "name": m.name,
                "better": m.direction,
                "range": f"{m.range[0]:g} to {m.range[1]:g}",
                "unit": m.unit,
                "conventions": ", ".join(convention.name for convention in m.conventions),
                "source": m.source,
            }
            for m in METRICS.values()
        ],
        json,
    )


@app.command()
def methods(json: JsonOption = False) -> None:
    """List the ways to fuse: whether they learn, their size here, the published one's, and the source."""
    from wdualmine.methods import CLASSICAL, LEARNED
    from wdualmine.methods.learned import network_of, parameters

    rows = []
    for method in (*LEARNED.values(), *CLASSICAL.values()):
        published = method.system.published if method.system else None
        rows.append(
            {
                "method": method.name,
                "learns": "yes" if method.learned else "no",
                "parameters": f"{parameters(network_of(method)):,}" if method.learned else "",
                "published": f"{published.parameters:,.0f}" if published else "",
                "source": method.source,
            }
        )
    print_rows(rows, json)


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
    from wdualmine.tables import (
        ABLATIONS,
        ablation_table,
        ablation_title,
        column_titles,
        comparison_table,
        render,
        render_differences,
    )

    for folder in runs or []:
        if not find_runs([folder]):
            raise WdualmineError(
                f"--run {folder}: holds no finished run; name the folder of one, or of several"
            )
    found = find_runs(runs or [])
    if number in ABLATIONS:
        table, titles = ablation_table(number, found or None), [ablation_title(found or None)]
        used = bool(table["seeds"].notna().any())
        text = render_differences(table, format.value, titles[0])
    else:
        table, by_column = comparison_table(number, found), column_titles(found, number=number)
        used, titles = "This build" in set(table["column"]), [by_column[c] for c in table["column"].unique()]
        text = render(table, format.value, by_column)
    if runs and not used:
        raise WdualmineError(
            f"--run {runs[0]}: holds no run of W-DUALMINE for table {number}; name those of its task"
        )
    print(text)
    if format is Format.latex:
        print("% needs \\usepackage{booktabs}")
    if format is Format.csv:  # for programs: its columns are the same for all runs
        for title in titles:
            print(title, file=sys.stderr)
