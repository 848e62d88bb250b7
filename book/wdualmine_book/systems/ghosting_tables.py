"""What a moved MRI does to every method, in tables."""

from collections.abc import Mapping, Sequence

import pandas as pd

from wdualmine.methods import CLASSICAL, LEARNED
from wdualmine.records import Run
from wdualmine_book.printing import html_grid
from wdualmine_book.records import committed_runs, records_by_task
from wdualmine_book.systems.ghosting import GHOSTING_METRICS, GIVEN, KIND, MOVES, STILL
from wdualmine_book.titles import title

#: Units of the amounts of :data:`~wdualmine_book.systems.ghosting.MOVES`.
UNITS = {"shift": "pixels", "turn": "degrees"}
ORDER = (*CLASSICAL, *LEARNED)
SCORES = (*GHOSTING_METRICS, *(f"{name}{GIVEN}" for name in GHOSTING_METRICS))


def ghosting_runs(runs: Sequence[Run] = ()) -> dict[str, Run]:
    """Give the records of ghosting by task: of the given runs, then those in ``results/comparison``."""
    return records_by_task([*runs, *committed_runs("comparison")], KIND)


def ghosting_table(run: Run) -> pd.DataFrame:
    """Average a record of ghosting over its pairs.

    Returns:
        A row a method, move and amount, in the registry's order; columns method, move, amount and the means
        of :data:`SCORES`. The MRI where it lay is amount 0 of every move. Methods that an older record has
        and this package no longer are left out.
    """
    frame = run.table("ghosting.csv")
    frame = frame[frame["method"].isin(ORDER)]
    still = frame[(frame["move"] == STILL[0]) & (frame["amount"] == STILL[1])]
    every = pd.concat([frame.drop(still.index), *(still.assign(move=move) for move in MOVES)])
    means = every.groupby(["method", "move", "amount"], sort=False)[list(SCORES)].mean().reset_index()
    places = means["method"].map(ORDER.index)
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
    changes = changes_table(run)
    names = {"CC": "CC", "CC_given": "CC, as given", "Qabf": "Qabf"}
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


def ghosting_extremes(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return what the largest moves change, over all methods and tasks, and whether scores show it.

    Args:
        runs: records of ghosting by task.

    Returns:
        A row per move: columns amount, unit, CC_low and CC_high (of CC with the registered scans), and
        given_low and given_high (of CC with the scans as given). Empty without records.
    """
    if not runs:
        return pd.DataFrame()
    changes = pd.concat([changes_table(run) for run in runs.values()])
    rows = {}
    for move, amounts in MOVES.items():
        true, given = changes[(move, "CC")], changes[(move, f"CC{GIVEN}")]
        rows[move] = {
            "amount": amounts[-1], "unit": UNITS[move], "CC_low": true.min(), "CC_high": true.max(),
            "given_low": given.min(), "given_high": given.max(),
        }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index")
