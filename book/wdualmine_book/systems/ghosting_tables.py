"""What a moved MRI does to every method, in tables."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wdualmine.data.tasks import get_task
from wdualmine.methods import CLASSICAL
from wdualmine.records import Run, find_runs
from wdualmine_book.printing import html_grid
from wdualmine_book.records import records_by_task, results_folder
from wdualmine_book.systems.ghosting import GHOSTING_METRICS, GIVEN, KIND, MOVES, STILL
from wdualmine_book.systems.retrained import NETWORKS
from wdualmine_book.titles import title

#: Units of the amounts of :data:`~wdualmine_book.systems.ghosting.MOVES`.
UNITS = {"shift": "pixels", "turn": "degrees"}
SCORES = (*GHOSTING_METRICS, *(f"{name}{GIVEN}" for name in GHOSTING_METRICS), "recovery_a", "recovery_b")


def ghosting_runs(runs: Sequence[Run] = ()) -> dict[str, Run]:
    """Give the records of ghosting by task: of the given runs, then those in ``results/comparison``."""
    return records_by_task([*runs, *find_runs([results_folder() / "comparison"])], KIND)


def ghosting_table(run: Run) -> pd.DataFrame:
    """Average a record of ghosting over its pairs.

    Returns:
        A row a method, move and amount, in the registry's order; columns method, move, amount and the means
        of :data:`SCORES`. The MRI where it lay stands as amount 0 of every move.
    """
    frame = run.table("ghosting.csv")
    still = frame[(frame["move"] == STILL[0]) & (frame["amount"] == STILL[1])]
    every = pd.concat([frame.drop(still.index), *(still.assign(move=move) for move in MOVES)])
    means = every.groupby(["method", "move", "amount"], sort=False)[list(SCORES)].mean().reset_index()
    order = {name: number for number, name in enumerate((*CLASSICAL, *NETWORKS))}
    places = means["method"].map(order)
    return (
        means.assign(place=places).sort_values(["place", "move", "amount"]).drop(columns="place")
    ).reset_index(drop=True)


def changes_table(run: Run) -> pd.DataFrame:
    """Give what the largest shift and turn change.

    Returns:
        A row a method: columns method, then (move, score) the mean at the largest amount less that at 0.
    """
    table = ghosting_table(run).set_index(["method", "move", "amount"])
    columns: dict[tuple[str, str], pd.Series] = {}
    for move, amounts in MOVES.items():
        changed = table.xs((move, amounts[-1]), level=("move", "amount"))
        columns |= {(move, s): changed[s] - table.xs((move, 0), level=("move", "amount"))[s] for s in SCORES}
    return pd.DataFrame(columns)


def render_ghosting(run: Run) -> str:
    """Print as HTML where the largest shift and turn leave each method, and by how much that changes it."""
    table = ghosting_table(run).set_index(["method", "move", "amount"])
    changes, first = changes_table(run), get_task(run.info.task).a
    names = {"CC": "CC", "CC_given": "CC, as given", "Qabf": "Qabf", "recovery_a": f"recovery {first}"}
    names["recovery_b"] = "recovery MRI"
    rows = []
    for method in changes.index:
        row = {"Method": title(method)}
        for move, amounts in MOVES.items():
            for score, name in names.items():
                end = table.loc[(method, move, amounts[-1]), score]
                change = changes.loc[method, (move, score)]
                row[f"{move} {amounts[-1]} {UNITS[move]}: {name}"] = f"{end:.3f} ({change:+.3f})"
        rows.append(row)
    return html_grid(pd.DataFrame(rows), "comparison sortable")


def ghosting_extremes(run: Run) -> pd.DataFrame:
    """Return which methods lose the least and the most CC at the largest move, and whether scores show it.

    Returns:
        A row per move: columns amount, unit, least and most (methods), least_change and most_change (of CC
        with the registered scans), given_low and given_high (of CC with the scans as given), recovery_low,
        recovery_high and recovery_median (changes over methods and sources).
    """
    changes = changes_table(run)
    rows = {}
    for move, amounts in MOVES.items():
        true, given = changes[(move, "CC")], changes[(move, f"CC{GIVEN}")]
        recovery = changes[[(move, "recovery_a"), (move, "recovery_b")]].to_numpy()
        rows[move] = {
            "amount": amounts[-1], "unit": UNITS[move],
            "least": true.idxmax(), "least_change": true.max(),
            "most": true.idxmin(), "most_change": true.min(),
            "given_low": given.min(), "given_high": given.max(),
            "recovery_low": recovery.min(), "recovery_high": recovery.max(),
            "recovery_median": np.median(recovery),
        }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index")
