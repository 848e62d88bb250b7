"""What registration gives, in tables: errors in pixels, time, and what fusing keeps."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wdualmine.records import Run
from wdualmine_book.printing import html_grid
from wdualmine_book.records import committed_runs, records_by_task
from wdualmine_book.recovery.html import with_interval
from wdualmine_book.scans.registration_record import ALIGNED, KIND

#: A pair is lost where the mean error in its head is above so many pixels.
LOST = 5.0
RESAMPLED = 300
STATISTICS = ("median", "p95", "lost", "seconds")
TITLES = {
    "none": "not registered",
    "simpleitk": "SimpleITK, rigid",
    "stn-rigid": "network, rigid",
    "stn-deformable": "network, deformable",
    "joint-rigid": "with fusion, rigid",
    "joint-deformable": "with fusion, deformable",
    ALIGNED: "where it lay",
}


def registration_runs(runs: Sequence[Run] = ()) -> dict[str, Run]:
    """Give the records of registration by task: of the given runs, then those in ``results/scans``."""
    return records_by_task([*runs, *committed_runs("scans")], KIND)


def error_table(run: Run, level: float = 0.95) -> pd.DataFrame:
    """Summarize the mean errors inside the head over pairs and moves.

    Returns:
        A row a method and condition: columns method, condition, and of ``median``, ``p95`` (95th percentile),
        ``lost`` (share above :data:`LOST` pixels) and ``seconds`` (median) the value and, named ``_low`` and
        ``_high``, its interval by drawing volumes with replacement; NaN for a single one.
    """
    frame = run.table("registration.csv", text="volume")
    rows = []
    for (method, condition), own in frame.groupby(["method", "condition"], sort=False):
        value = _statistics(own[["mean", "seconds"]].to_numpy())
        low, high = _interval(own, level)
        row = {"method": method, "condition": condition}
        for number, name in enumerate(STATISTICS):
            row |= {name: value[number], f"{name}_low": low[number], f"{name}_high": high[number]}
        rows.append(row)
    return pd.DataFrame(rows)


def fusion_table(run: Run) -> pd.DataFrame:
    """Summarize what fusing keeps: a row a condition and method, beside the pair where it lay.

    Returns:
        Columns condition, method, ``CC`` (mean over the pairs), ``search_a`` and ``search_b``, the share of
        signals found over that in the source alone, and ``CC_share``, ``search_a_share``, ``search_b_share``,
        each over that of the pair where it lay.
    """
    frame = run.table("fusion.csv")
    rows = []
    for (condition, method), own in frame.groupby(["condition", "method"], sort=False):
        row = {"condition": condition, "method": method, "CC": own["CC"].mean()}
        for source in "ab":
            row[f"search_{source}"] = own[f"found_{source}"].sum() / own[f"found_{source}_alone"].sum()
        rows.append(row)
    table = pd.DataFrame(rows)
    still = table[table["method"] == ALIGNED].iloc[0]
    for name in ("CC", "search_a", "search_b"):
        table[f"{name}_share"] = table[name] / still[name]
    return table


def render_errors(table: pd.DataFrame) -> str:
    """Print :func:`error_table` as HTML: median with its interval; 95th percentile, share lost."""
    cells = {
        key: f"{with_interval(row['median'], row['median_low'], row['median_high'])}; "
        f"{row['p95']:.1f}, {row['lost']:.0%}"
        for key, row in table.set_index(["method", "condition"]).iterrows()
    }
    conditions = list(dict.fromkeys(table["condition"]))
    rows = [
        {"MRI": TITLES[method]} | {condition: cells[method, condition] for condition in conditions}
        for method in dict.fromkeys(table["method"])
    ]
    return html_grid(pd.DataFrame(rows))


def render_fusion(run: Run) -> str:
    """Print as HTML what fusing keeps of the pair where it lay: CC, and the signals found of both sources."""
    table = fusion_table(run)
    rows = [
        {
            "Move": row["condition"],
            "MRI": TITLES[row["method"]],
            "CC": f"{row['CC']:.3f} ({row['CC_share']:.0%})",
            "found, first scan": f"{row['search_a_share']:.0%}",
            "found, MRI": f"{row['search_b_share']:.0%}",
        }
        for row in table[table["method"] != ALIGNED].to_dict("records")
    ]
    return html_grid(pd.DataFrame(rows))


def _interval(frame: pd.DataFrame, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of the statistics over volumes drawn with replacement."""
    parts = [own[["mean", "seconds"]].to_numpy() for _, own in frame.groupby("volume")]
    if len(parts) < 2:
        return np.full(len(STATISTICS), np.nan), np.full(len(STATISTICS), np.nan)
    rng = np.random.default_rng(0)
    draws = rng.integers(len(parts), size=(RESAMPLED, len(parts)))
    drawn = [_statistics(np.concatenate([parts[k] for k in draw])) for draw in draws]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def _statistics(rows: np.ndarray) -> np.ndarray:
    """Of rows of error and seconds, the :data:`STATISTICS`."""
    error, seconds = rows.T
    return np.array([np.median(error), np.quantile(error, 0.95), (error > LOST).mean(), np.median(seconds)])
