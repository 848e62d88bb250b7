"""A study of length: the network after the paper's full schedule beside that of a shorter one."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wdualmine.data import TASKS, volume_of
from wdualmine.methods import W_DUALMINE
from wdualmine.metrics import PAPER_METRICS
from wdualmine.records import Run
from wdualmine.statistics import SIGNIFICANT, compare
from wdualmine_book.printing import anchor, print_grid, training_words
from wdualmine_book.records import (
    LEVELS,
    average_moved,
    full_length_runs,
    paper_values,
    reference_runs,
    training_length_runs,
)
from wdualmine_book.statistics import holm, margin
from wdualmine_book.studies.tables import FULL, PROPOSED, variant_names

_COLUMNS = [
    "task", "metric", "paper", "long", "short", "short_seeds", "short_seed_std",
    "difference", "low", "high", "p", "p_corrected", "told_apart", "training", "moved", "long_run",
    "short_run",
]  # fmt: skip


def training_length_table(
    reference: Sequence[Run] | None = None, shorter: Sequence[Run] | None = None
) -> pd.DataFrame:
    """Compare the reference runs with those of a shorter schedule, volume by volume.

    Args:
        reference: the longer trainings; None takes the committed reference runs.
        shorter: the others; None takes the committed ones of the study of length.

    Returns:
        One row a task that both have, and metric: columns task, metric, paper (the number that it prints for
        W-DUALMINE), long and short (means over the pairs; short over its seeds, too), short_seeds,
        short_seed_std (sample deviation of the seeds' means, NaN for one seed), difference (long - short of
        the same seed, over the volumes), low and high (its interval), p, p_corrected (by Holm's method for
        all rows), told_apart (whether p_corrected is below 0.05 and the difference beyond the margin),
        training (in words) and moved (by how many grey levels the network moves
        the average) of the longer one, and long_run and short_run (names of the folders of that seed).
    """
    long_runs, short_runs = (
        [run for run in runs if run.info.kind == "training"]
        for runs in (
            reference_runs() if reference is None else reference,
            training_length_runs() if shorter is None else shorter,
        )
    )
    paper = paper_values()
    paper = paper[(paper["row"] == W_DUALMINE.title) & (paper["table"] <= len(TASKS))]
    parts = []
    for task in TASKS:
        long = {run.info.trained.seed: run for run in long_runs if run.info.task == task}
        short = {run.info.trained.seed: run for run in short_runs if run.info.task == task}
        shared = sorted(long.keys() & short.keys())
        if not shared:
            continue
        seed = shared[0]
        experiment = long[seed].info.trained
        compared = compare(_scores(long[seed]), _scores(short[seed]), PAPER_METRICS, volume_of)
        by_seed = pd.DataFrame([_scores(run)[list(PAPER_METRICS)].mean() for run in short.values()])
        printed = paper[paper["task"] == task].set_index("metric")["mean"]
        parts.append(
            compared.assign(
                task=task,
                long=compared["metric"].map(_scores(long[seed])[list(PAPER_METRICS)].mean()),
                paper=compared["metric"].map(printed),
                short=compared["metric"].map(by_seed.mean()),
                short_seeds=len(short),
                short_seed_std=compared["metric"].map(by_seed.std(ddof=1)),
                training=training_words(experiment),
                moved=LEVELS * average_moved(long[seed]),
                long_run=long[seed].folder.name,
                short_run=short[seed].folder.name,
            )
        )
    if not parts:
        return pd.DataFrame(columns=_COLUMNS)
    table = pd.concat(parts, ignore_index=True)
    table["p_corrected"] = holm(table["p"].to_numpy())
    table["told_apart"] = (table["p_corrected"] < SIGNIFICANT) & (
        table["difference"].abs() > table["metric"].map(margin)
    )
    return table[_COLUMNS]


def full_length_table(runs: Sequence[Run] | None = None) -> pd.DataFrame:
    """Compare other seeds, and variants of Tables 4 and 5, at the paper's length with the reference run.

    Args:
        runs: theirs; None takes the committed ones.

    Returns:
        One row a run and metric: columns variant (printed name), seed, metric, difference (to the reference's
        mean, which is of another seed) and share (that of the margin, without its sign).
    """
    full = {
        run.info.task: _scores(run)[list(PAPER_METRICS)].mean()
        for run in reference_runs()
        if run.info.kind == "training" and run.info.trained.seed == 0
    }
    names = variant_names() | {PROPOSED: FULL}
    rows = [
        {
            "variant": names[run.variant],
            "seed": run.info.trained.seed,
            "metric": metric,
            "difference": _scores(run)[metric].mean() - full[run.info.task][metric],
        }
        for run in (full_length_runs() if runs is None else runs)
        for metric in PAPER_METRICS
    ]
    table = pd.DataFrame(rows, columns=["variant", "seed", "metric", "difference"])
    return table.assign(share=table["difference"].abs() / table["metric"].map(margin))


def _scores(run: Run) -> pd.DataFrame:
    own = run.metrics
    return own[(own["method"] == W_DUALMINE.name) & own["stretch"]]


def render_training_length(table: pd.DataFrame) -> str:
    """Print :func:`training_length_table` as HTML."""
    rows = [
        {
            "Task": TASKS[row["task"]].folder,
            "Metric": row["metric"],
            "Paper": f"{row['paper']:.4f}",
            "Full length": f'<a href="provenance.html#{anchor("Reference", row["long_run"])}">'
            f"{row['long']:.4f}</a>",
            "Short": f'<a href="provenance.html#{anchor("Length", row["short_run"])}">{row["short"]:.4f}</a>'
            + (f" ± {row['short_seed_std']:.4f}" if np.isfinite(row["short_seed_std"]) else ""),
            "Difference": f"{row['difference']:+.4f}",
            "Interval": f"[{row['low']:+.4f}, {row['high']:+.4f}]" if row["low"] == row["low"] else "–",
            "p, corrected": f"{row['p_corrected']:.3f}",
            "Differs": "yes" if row["told_apart"] else "no",
        }
        for row in table.to_dict("records")
    ]
    return print_grid(pd.DataFrame(rows), "html")
