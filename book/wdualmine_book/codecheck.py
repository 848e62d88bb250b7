"""The files of ``codecheck.yml``: what the book's tables hold, made from the committed records alone."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from wdualmine.data import TASKS
from wdualmine.records import write_csv
from wdualmine_book.audit.tables import audit_runs, average_table, dominance_table
from wdualmine_book.records import reference_runs
from wdualmine_book.recovery.tables import agreement_table, goals, rankings, recovery_runs
from wdualmine_book.results.tables import COMPARISONS, comparison_table
from wdualmine_book.studies.tables import ABLATIONS, ablation_table
from wdualmine_book.systems.nearness import nearness_runs, nearness_table, trainings
from wdualmine_book.systems.tables import comparison_runs, cost_of, systems_table

#: Numbers are equal to this share of the larger.
TOLERANCE = 1e-6


def outputs() -> dict[str, Callable[[], pd.DataFrame]]:
    """Return what makes each file of the manifest, by its name."""
    ranked, audits = rankings(recovery_runs()), audit_runs(reference_runs())
    cost = cost_of(comparison_runs())
    made: dict[str, Callable[[], pd.DataFrame]] = {
        **{f"table-{number}.csv": partial(comparison_table, number, []) for number in COMPARISONS},
        **{f"table-{number}.csv": partial(ablation_table, number) for number in ABLATIONS},
        "average.csv": lambda: average_table(audits),
        "dominance.csv": lambda: dominance_table(audits),
    }
    for task in TASKS:
        made[f"systems-{task}.csv"] = partial(systems_table, ranked[task])
        made[f"goals-{task}.csv"] = lambda task=task: pd.DataFrame(goals(ranked[task]))  # type: ignore[misc]
        made[f"agreement-{task}.csv"] = partial(agreement_table, ranked[task])
    for task, run in nearness_runs().items():
        made[f"retrained-{task}.csv"] = partial(nearness_table, run, ranked[task], trainings())
    if cost:
        made["cost.csv"] = partial(cost.table, "cost.csv")
    return made


def regenerate(folder: Path) -> list[Path]:
    """Write every file of the manifest into a folder, and return their paths."""
    written = []
    for name, make in outputs().items():
        write_csv(folder / name, make())
        written.append(folder / name)
    return written


def differences(made: Path, committed: Path) -> list[str]:
    """Say in a line each what differs between two files of a name; nothing where they agree."""
    if not committed.is_file():
        return [f"{made.name}: is not committed"]
    own, other = pd.read_csv(made), pd.read_csv(committed)
    if list(own.columns) != list(other.columns) or len(own) != len(other):
        return [f"{made.name}: {own.shape} where {other.shape} is committed (rows, columns)"]
    found = []
    for column in own:
        same = own[column].isna() & other[column].isna()
        if pd.api.types.is_numeric_dtype(own[column]) and pd.api.types.is_numeric_dtype(other[column]):
            scale = own[column].abs().clip(lower=other[column].abs())
            same |= (own[column] - other[column]).abs() <= TOLERANCE * scale
        else:
            same |= own[column].astype(str) == other[column].astype(str)
        for row in np.flatnonzero(~same)[:3]:
            what = f"{own[column].iloc[row]} where {other[column].iloc[row]} is committed"
            found.append(f"{made.name}: row {row}, {column}: {what}")
    return found
