"""Frames of strings as Markdown, LaTeX or HTML, and a training in words."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wdualmine.checkpoints import read_shapes
from wdualmine.data.tasks import get_task
from wdualmine.errors import WdualmineError
from wdualmine.experiments import Experiment
from wdualmine.metrics import get_metric
from wdualmine.records import RecordedExperiment, Run

#: What a page says in place of a sentence whose numbers nobody has recorded.
NO_RECORD = "Nothing is recorded for this yet; the page *Rerun it* says how to make the records."


def at_most(differences: Any, decimals: int = 4) -> str:
    """Print a bound of differences to values that are printed to so many decimals: rounded up, with those."""
    steps = np.abs(np.asarray(differences, float)).max() * 10**decimals + 0.5
    return f"{np.ceil(steps) / 10**decimals:.{decimals}f}"


def print_grid(grid: pd.DataFrame, form: str) -> str:
    """Print a frame of strings; a first column that repeats is printed once a group."""
    if form == "html":
        return html_grid(grid)
    first = grid.columns[0]
    grid = grid.assign(**{first: grid[first].where(grid[first] != grid[first].shift(), "")})
    if form == "latex":
        return grid.to_latex(index=False, escape=False).rstrip("\n")
    if form != "md":
        raise WdualmineError(f"unknown form {form!r}; choose one of md, latex, html, csv")
    return grid.to_markdown(index=False, disable_numparse=True)


def anchor(column: str, run: str) -> str:
    """Name the place of a run on the page of provenance; column is "Reference", "Studies" or the like."""
    return f"{column}-{run}".lower().replace(" ", "-")


def arrow(metric: str, form: str) -> str:
    """Say which direction of a metric is better."""
    arrow = get_metric(metric).arrow
    return {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}[arrow] if form == "latex" else arrow


def html_grid(grid: pd.DataFrame, classes: str = "comparison") -> str:
    """Print a frame of HTML fragments as a table.

    A first column that repeats becomes a line above each group, unless the table can be sorted. Each cell
    names its column, for the style sheet.
    """
    names = [str(name) for name in grid.columns]
    first = grid.iloc[:, 0]
    grouped = "sortable" not in classes and len(names) > 2 and bool(first.duplicated().any())
    shown = names[grouped:]
    rows = []
    for again, values in zip((first == first.shift()).tolist(), grid.itertuples(index=False), strict=True):
        if grouped and not again:
            rows.append(f'<tr class="group"><th colspan="{len(shown)}"><span>{values[0]}</span></th></tr>')
        cells = zip(shown, values[grouped:], strict=True)
        line = "".join(f'<td data-label="{escape(name)}">{value}</td>' for name, value in cells)
        rows.append(f"<tr>{line}</tr>")
    head = "".join(f"<th>{name}</th>" for name in shown)
    body = "\n".join(rows)
    classes += " grouped" * grouped
    return (
        f'<table class="dataframe {classes}">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )


def folded(title: str, table: str) -> str:
    """Put an HTML table behind a line that opens it, so that a phone's page stays short."""
    return f"<details><summary>{escape(title)}</summary>\n{table}\n</details>"


def check_alike(runs: Sequence[Run]) -> None:
    """See that runs may be averaged: that they are of the same data, and trainings of one experiment.

    Raises:
        WdualmineError: they are not; trainings may differ in their seed alone.
    """
    trained = [run for run in runs if run.info.experiment]
    for group, identity in ((list(runs), _data), (trained, _all_but_seed)):
        for run in group[1:]:
            if identity(run) != identity(group[0]):
                raise WdualmineError(
                    f"{group[0].folder.name} ({group[0].label}) and {run.folder.name} ({run.label}): "
                    "are not of one preset, schedule and data; give such runs alone"
                )


def _data(run: Run) -> Any:
    return run.info.data.fingerprint


def _all_but_seed(run: Run) -> Any:
    return run.info.trained.model_dump(exclude={"seed"})


def span(values: Any, form: str) -> str:
    """Print the range of numbers, or the one that all of them print as."""
    ends = (f"{value:{form}}" for value in (np.min(values), np.max(values)))
    return " to ".join(dict.fromkeys(ends))


def listed(names: Iterable[str]) -> str:
    """Print names as a list, such as "EN, MI and CC"; "none" where there is none."""
    *others, last = list(names) or ["none"]
    return f"{', '.join(others)} and {last}" if others else last


def by_task(words: Mapping[str, str]) -> str:
    """Join what is said of each task: once where it is the same of all, else with the tasks' names before it.

    Args:
        words: by task's key; a task of which nothing is said is left out.
    """
    tasks: dict[str, list[str]] = {}
    for task, said in words.items():
        if said:
            tasks.setdefault(said, []).append(get_task(task).folder)
    if len(tasks) < 2:
        return "".join(tasks)
    return ". ".join(f"{' and '.join(own)}: {said}" for said, own in tasks.items())


def training_words(experiment: RecordedExperiment) -> str:
    """Say how long and how wide a network was trained, such as "10 epochs at 1e-4, widths 16-128"."""
    schedule, widths = experiment.schedule, experiment.model.get("widths")
    words = schedule_words(schedule.epochs, schedule.learning_rate)
    return f"{words}, widths {widths[0]}-{widths[-1]}" if widths else words


def schedule_words(epochs: int, learning_rate: float) -> str:
    """Say how long a network was trained, such as "10 epochs at 1e-4"."""
    rate = f"{learning_rate:.0e}".replace("e-0", "e-")
    return f"{epochs} epoch{'s' * (epochs != 1)} at {rate}"


def experiment_of_weights(path: Path) -> RecordedExperiment:
    """Read from a file of weights how they were trained."""
    experiment = Experiment.from_dict(read_shapes(path)[1]["experiment"], path)
    return RecordedExperiment.model_validate(experiment.as_dict(), strict=False)
