"""Signal recovery in tables: the ranking of methods, which metrics agree with it, and unseen volumes."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from wdualmine.data import TASKS, get_task, volume_of
from wdualmine.experiments import FOLDS, RECOVERY_TERMS
from wdualmine.methods import CLASSICAL, W_DUALMINE_RECOVERY
from wdualmine.metrics import METRICS
from wdualmine.records import Run, find_runs
from wdualmine.recovery.measure import summarize_recovery
from wdualmine.recovery.scoring import RANKING_METRICS
from wdualmine.statistics import mean_and_error, t_quantile
from wdualmine_book.records import record_of, results_folder
from wdualmine_book.recovery.record import BOUND, KIND, SHIFTS, load_robustness, load_signals
from wdualmine_book.systems.retrained import NETWORKS
from wdualmine_book.titles import title

#: Methods that stand for themselves: the blends and the other residual scales are points of two fronts.
RANKED = (*CLASSICAL, *NETWORKS)
#: Of an interval that is asked for each metric on each task, so that 95 % stand for all of them together.
AGREEMENT_LEVEL = 1 - 0.05 / (len(RANKING_METRICS) * len(TASKS))
#: What was asked for before training: recovery of at least, CC at most so far below the average.
GOALS = {"mean": 0.90, "p10": 0.75, "CC": 0.004, "CC, color": 0.010}
VARIANT = "recovery"
FOLD = "recovery-fold-"


def recovery_runs() -> list[Run]:
    """Give the committed rankings and trainings for recovery: those in ``results/recovery``."""
    return find_runs([results_folder() / "recovery"])


def trainings(task: str, runs: Sequence[Run], folds: bool) -> list[Run]:
    """Pick a task's trainings for recovery: on the paper's split, or one a fold of unseen volumes."""
    variants = [f"{FOLD}{fold}" for fold in range(FOLDS)] if folds else [VARIANT]
    return [
        run
        for run in runs
        if run.info.kind == "training" and run.info.task == task and run.variant in variants
    ]


def ranking_table(run: Run, methods: Sequence[str] | None = None) -> pd.DataFrame:
    """Tabulate a ranking.

    Args:
        run: a ranking.
        methods: names; None takes all of its methods, those of :data:`RANKED` first.

    Returns:
        A row a method, by the recovery of the worse kept source, best first: columns method, then for each
        statistic S of :func:`~wdualmine.recovery.measure.summarize_recovery` and source ``S_a``,
        ``S_a_low``, ``S_a_high`` and so for b, worse (the smaller mean recovery of the two), then one a
        metric, the mean over the pairs.
    """
    return _tabulate(load_signals(run), run.metrics, methods)


def unseen_table(task: str, runs: Sequence[Run]) -> pd.DataFrame:
    """Tabulate the networks that never saw the volumes that they are measured on, beside other methods.

    Every test pair is measured once, by the network of the fold that was trained without its volume; the
    other methods stand with the same signals in the same pairs.

    Args:
        task: "ct-mri", "pet-mri" or "spect-mri".
        runs: a ranking of the task, and its trainings for recovery.

    Returns:
        As :func:`ranking_table`. Empty if a fold is missing.
    """
    parts = trainings(task, runs, folds=True)
    if len({run.variant for run in parts}) < FOLDS:
        return pd.DataFrame()
    ranking = record_of(task, runs, KIND)
    own = [load_signals(ranking), *(load_signals(run) for run in parts)]
    signals = pd.concat([own[0][~own[0]["method"].str.startswith(W_DUALMINE_RECOVERY.name)], *own[1:]])
    plain = [run.metrics[~run.metrics["stretch"].astype(bool)] for run in (ranking, *parts)]
    scores = pd.concat([plain[0][~plain[0]["method"].str.startswith(W_DUALMINE_RECOVERY.name)], *plain[1:]])
    methods = [name for name in RANKED if name in set(signals["method"])]
    return _tabulate(signals, scores, [*methods, f"{W_DUALMINE_RECOVERY.name}-0.5"])


def seeds_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Tabulate the seeds on the paper's split, one row a task and seed; columns as :func:`ranking_table`."""
    rows = []
    for task in TASKS:
        for run in trainings(task, runs, folds=False):
            plain = run.metrics[~run.metrics["stretch"].astype(bool)]
            table = _tabulate(load_signals(run), plain, [W_DUALMINE_RECOVERY.name])
            rows.append(table.assign(task=task, seed=run.info.trained.seed))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def loss_terms_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Tabulate what the terms of the objective do, a row a task and term; columns as :func:`ranking_table`.

    The column term holds the term that was left out. "fold-0" is the whole training on the same split and
    "tight" that with a heavier range term; "short" is a third of it, as all others are, and "wide" that with
    our full widths.
    """
    rows = []
    for task in TASKS:
        for term in ("fold-0", "tight", "short", "wide", *(f"no-{name}" for name in RECOVERY_TERMS)):
            for run in runs:
                if (run.info.kind, run.info.task) != ("training", task):
                    continue
                if run.variant == f"recovery-{term}":
                    plain = run.metrics[~run.metrics["stretch"].astype(bool)]
                    table = _tabulate(load_signals(run), plain, [W_DUALMINE_RECOVERY.name])
                    rows.append(table.assign(task=task, term=term.removeprefix("no-")))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def agreement_table(run: Run, level: float = AGREEMENT_LEVEL) -> pd.DataFrame:
    """Ask of each metric whether it ranks methods as recovery does.

    Recovery is that of the source that a method keeps less of, so that losing one cannot be made up for.

    Args:
        run: a ranking, or a comparison of all systems.
        level: of the interval; it is corrected for the number of metrics and tasks unless told.

    Returns:
        A row a metric: columns metric, methods and volumes (their numbers), over_methods (Spearman's
        correlation of the methods' means), within (the correlation over methods within each pair, averaged
        over the volumes), low, high (its interval) and first (the title of the method that the metric ranks
        first). The metric's direction is counted: 1 is agreement.
    """
    scores = run.metrics[run.metrics["method"].isin(RANKED)]
    methods = scores["method"].nunique()
    scores = scores.assign(worse=scores[["recovery_a", "recovery_b"]].min(axis=1))
    means = scores.groupby("method")[[*RANKING_METRICS, "recovery_a", "recovery_b"]].mean()
    worse = means[["recovery_a", "recovery_b"]].min(axis=1)
    rows = []
    for metric in RANKING_METRICS:
        sign = -1 if METRICS[metric].direction == "lower" else 1
        each = {
            pair: sign * float(spearmanr(own[metric], own["worse"]).statistic)
            for pair, own in scores.groupby("pair")
            if own[metric].notna().all()
        }
        within, low, high = _volume_interval(pd.Series(each), level)
        rows.append(
            {
                "metric": metric,
                "methods": methods,
                "volumes": len({volume_of(str(pair)) for pair in each}),
                "over_methods": sign * float(spearmanr(means[metric], worse).statistic),
                "within": within,
                "low": low,
                "high": high,
                "first": title(str((sign * means[metric]).idxmax())),
            }
        )
    return pd.DataFrame(rows).sort_values("within", ascending=False, ignore_index=True)


def share_of_the_way(run: Run, method: str = W_DUALMINE_RECOVERY.name) -> tuple[float, float, float]:
    """Say how much of the way from the average to the best image of each pair a method goes.

    Args:
        run: of kind "bound".
        method: one of those in it.

    Returns:
        The mean over the volumes of (average - method) / (average - best) in the objective that training
        minimizes, and the ends of its 95 % interval: 1 is the best that any image can do, 0 the average.
    """
    values = run.metrics.pivot_table("objective", "pair", "method")
    share = (values["average"] - values[method]) / (values["average"] - values[BOUND])
    return _volume_interval(share)


def _volume_interval(values: pd.Series, level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean of values by pair over the volumes, and the ends of its interval."""
    means = values.groupby([volume_of(str(pair)) for pair in values.index]).mean()
    mean, error = (float(value[0]) for value in mean_and_error(means.to_numpy()[:, None]))
    half = t_quantile((1 + level) / 2, len(means)) * error
    return mean, mean - half, mean + half


def bound_table(run: Run) -> pd.DataFrame:
    """Set the network between the average and the best image of each pair, in the terms of the objective.

    The best image is best in their weighted sum, so that a single metric may lie past it.

    Args:
        run: of kind "bound".

    Returns:
        A row a metric (CC, Qabf, SSIM): columns metric, average, network, bound; means over the pairs.
    """
    means = run.metrics[~run.metrics["stretch"].astype(bool)].groupby("method")[list(RANKING_METRICS)].mean()
    names = {"average": "average", "network": W_DUALMINE_RECOVERY.name, "bound": BOUND}
    return pd.DataFrame(
        {"metric": metric} | {title: float(means[metric][name]) for title, name in names.items()}
        for metric in ("CC", "Qabf", "SSIM")
    )


def front_at(run: Run, metric: str, correlation: float) -> float:
    """Give what blends of average and maximum reach in a metric at a mean CC, between their points."""
    means = run.metrics[~run.metrics["stretch"].astype(bool)].groupby("method")[["CC", metric]].mean()
    ends = ("average", "maximum")
    names = [name for name in means.index if name in ends or str(name).startswith("blend-")]
    line = means.loc[names].sort_values("CC")
    return float(np.interp(correlation, line["CC"], line[metric]))


def _tabulate(signals: pd.DataFrame, scores: pd.DataFrame, methods: Sequence[str] | None) -> pd.DataFrame:
    present = list(dict.fromkeys(signals["method"]))
    names = present if methods is None else [name for name in methods if name in present]
    means = scores.groupby("method")[list(RANKING_METRICS)].mean()
    rows = []
    for name in names:
        row: dict[str, Any] = {"method": name}
        summary = summarize_recovery(signals[signals["method"] == name], volume_of)
        for entry in summary.itertuples():
            key = f"{entry.statistic}_{entry.source}"
            row |= {key: entry.value, f"{key}_low": entry.low, f"{key}_high": entry.high}
        row["worse"] = min(row["mean_a"], row["mean_b"])
        rows.append(row | {metric: float(means[metric][name]) for metric in RANKING_METRICS})
    return pd.DataFrame(rows).sort_values("worse", ascending=False, ignore_index=True)


class Agreement(NamedTuple):
    """Metrics that rank methods as recovery does, against it, or either way, for several sets of methods."""

    agree: list[str]
    against: list[str]
    turn: list[str]


def agreement(tables: Sequence[pd.DataFrame]) -> Agreement:
    """Return what :func:`agreement_table` shows for every one of several sets of methods."""
    by_metric = [table.set_index("metric").loc[tables[0]["metric"]] for table in tables]
    low, high, within = (
        pd.DataFrame([table[name] for table in by_metric]) for name in ("low", "high", "within")
    )

    def names(chosen: pd.Series) -> list[str]:
        return [str(metric) for metric in chosen.index[chosen]]

    turn = (within > 0).any() & (within < 0).any()
    return Agreement(names((low > 0).all()), names((high < 0).all()), names(turn))


def on_unseen(unseen: Mapping[str, pd.DataFrame], statistic: str) -> pd.DataFrame:
    """Return a statistic of every method on unseen volumes.

    Args:
        unseen: :func:`unseen_table` by task; tasks without one are left out.
        statistic: of :func:`~wdualmine.recovery.measure.summarize_recovery`, such as "mean" or "lost".

    Returns:
        A row per task and source, a column per method.
    """
    return pd.DataFrame(
        {
            (task, source): table.set_index("method")[f"{statistic}_{source}"]
            for task, table in unseen.items()
            if len(table)
            for source in "ab"
        }
    ).T


def missed_goals(unseen: Mapping[str, pd.DataFrame]) -> dict[str, list[str]]:
    """Return which of :data:`GOALS` the recovery network misses on unseen volumes, and on which tasks."""
    own, missed = W_DUALMINE_RECOVERY.name, dict[str, list[str]]()
    for task, table in unseen.items():
        if table.empty:
            continue
        rows = table.set_index("method")
        row, least = rows.loc[own], rows["CC"]["average"] - GOALS["CC" if task == "ct-mri" else "CC, color"]
        fallen = {
            "mean": row["worse"] < GOALS["mean"],
            "10th percentile": row[["p10_a", "p10_b"]].min() < GOALS["p10"],
            "none lost": row[["lost_a", "lost_b"]].max() > 0,
            "CC": row["CC"] < least,
            "highest visibility": {rows[f"visibility_{source}"].idxmax() for source in "ab"} != {own},
        }
        for goal in (goal for goal, short in fallen.items() if short):
            missed.setdefault(goal, []).append(get_task(task).folder)
    return missed


class Robustness(NamedTuple):
    """What noise and the largest shift of :data:`SHIFTS` do to the recovery network, and to the average."""

    gain: float
    shift: int
    kept: float
    fall: float
    fall_of_average: float


def robustness_of(run: Run) -> Robustness:
    """Return what a ranking says of noise and shifts; of the two sources, the worse."""
    cells = load_robustness(run).set_index(["method", "condition", "source"])
    own, last = W_DUALMINE_RECOVERY.name, f"shift-{SHIFTS[-1]}"
    fall, fall_of_average = (
        float(cells["CC"][name, "shift-0", "a"] - cells["CC"][name, last, "a"]) for name in (own, "average")
    )
    gain = max(float(cells["value"][own, "noise", source]) for source in "ab")
    kept = min(float(cells["value"][own, last, source]) for source in "ab")
    return Robustness(gain, SHIFTS[-1], kept, fall, fall_of_average)


def both(row: Mapping[Hashable, float], statistic: str, form: str) -> str:
    """Print a statistic of both sources, such as "0.912 and 0.934"."""
    return " and ".join(f"{row[f'{statistic}_{source}']:{form}}" for source in "ab")
