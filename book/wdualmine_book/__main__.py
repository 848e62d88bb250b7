"""The book's own program: ``wdualmine-book record KIND TASK``, ``retrain``, ``cost``, ``table``, ``crate``,
``codecheck``."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from wdualmine.cli import run_app
from wdualmine.cli.common import DataOption, print_table
from wdualmine.errors import WdualmineError

app = typer.Typer(
    help="The records and tables of the book on W-DUALMINE.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


TaskArgument = Annotated[str, typer.Argument(help="ct-mri, pet-mri or spect-mri.")]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="The run's folder.")]


class Format(StrEnum):
    """How a table is printed."""

    md = "md"
    latex = "latex"
    csv = "csv"


@app.command()
def record(
    kind: Annotated[
        str,
        typer.Argument(
            help="baselines, conventions, audit, ranking, ghosting, nearness, choices, detector, "
            "registration or volumes."
        ),
    ],
    task: TaskArgument,
    output: OutputOption,
    data: DataOption = None,
    limit: Annotated[int | None, typer.Option(help="Use only the first so many test pairs.")] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="Measure this one again, the others stay (ranking, ghosting, detector)."),
    ] = None,
) -> None:
    """Make a record that pages of the book are filled from, on a task's test pairs (minutes)."""
    from wdualmine_book.recorder import record as make

    make(kind, task, output, data, limit, only=method or ())
    print(output)


@app.command()
def retrain(
    method: Annotated[str, typer.Argument(help="A system that the paper names, such as sdnet-retrained.")],
    task: TaskArgument,
    output: OutputOption,
    data: DataOption = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    pairs: Annotated[int | None, typer.Option(help="Training pairs an epoch. Default: each once.")] = None,
) -> None:
    """Train a system of others until its validation loss no longer falls (an hour); stopped, it goes on."""
    from wdualmine_book.systems.convergence import train_to_convergence

    schedule: dict[str, Any] = {} if pairs is None else {"epoch_pairs": pairs}
    train_to_convergence(method, task, output, data, threads, **schedule)
    print(output)


@app.command()
def cost(
    output: OutputOption,
    method: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be repeated. Default: all.")
    ] = None,
    side: Annotated[int, typer.Option(help="Of the square images, in pixels.")] = 256,
    repeats: Annotated[int, typer.Option(help="Timed calls per method.")] = 5,
    device: Annotated[str, typer.Option(help="cpu (one thread), cuda, cuda:1 or mps.")] = "cpu",
) -> None:
    """Measure parameters, operations, time and memory of each method for one pair, side by side."""
    from wdualmine_book.systems.cost import run_cost
    from wdualmine_book.systems.tables import cost_table

    table = cost_table(run_cost(output, method, side, repeats, device))
    print_table(tuple(table.columns), [tuple(row) for row in table.itertuples(index=False)])
    print(output)


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
    from wdualmine_book.results.tables import column_titles, comparison_table, render_comparison
    from wdualmine_book.studies.tables import ABLATIONS, ablation_table, ablation_title, render_differences

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
        text = render_comparison(table, format.value, by_column)
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


@app.command()
def crate(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the crate.")],
) -> None:
    """Pack a run as a Process Run Crate (RO-Crate), for archives."""
    from wdualmine_book.crate import write_crate

    print(write_crate(run, output))


@app.command()
def codecheck(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the files.")],
    committed: Annotated[Path, typer.Option(help="The folder of the committed ones.")] = Path(
        "results/codecheck"
    ),
) -> None:
    """Make the files of codecheck.yml again from the records, and print what differs from those committed."""
    from wdualmine_book.codecheck import differences, regenerate

    output.mkdir(parents=True, exist_ok=True)
    written = regenerate(output)
    found = [line for path in written for line in differences(path, committed / path.name)]
    print("\n".join(found) if found else f"{len(written)} files agree with {committed}")
    if found:
        raise typer.Exit(1)


def main() -> None:
    """Run the program; an error of ours is one line and exit code 2."""
    run_app(app)


if __name__ == "__main__":
    main()
