"""All systems in tables: scores and ranks, paired statistics, budgets of training, and cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from wdualmine.data import TASKS, get_task, volume_of
from wdualmine.evaluation import LIMIT
from wdualmine.experiments import FOLDS
from wdualmine.methods import W_DUALMINE, W_DUALMINE_RECOVERY
from wdualmine.methods.learned import weights_file
from wdualmine.metrics import METRICS
from wdualmine.records import Run, find_runs
from wdualmine.recovery.scoring import RANKING_METRICS
from wdualmine.statistics import SIGNIFICANT, compare
from wdualmine_book.printing import arrow, by_task, experiment_of_weights, html_grid, training_words
from wdualmine_book.records import records_by_task, results_folder
from wdualmine_book.studies.tables import SHOWN
from wdualmine_book.systems.cost import KIND as COST_KIND
from wdualmine_book.systems.cost import PUBLISHED
from wdualmine_book.systems.record import KIND
from wdualmine_book.systems.retrained import SYSTEMS
from wdualmine_book.titles import title

RECOVERY = ("recovery_a", "recovery_b")
#: What each system is compared with, volume by volume.
REFERENCES = ("average", W_DUALMINE.name)


def comparison_runs() -> list[Run]:
    """Give the committed comparisons, trainings and costs: those in ``results/comparison``."""
    return find_runs([results_folder() / "comparison"])


def comparisons(runs: Sequence[Run]) -> dict[str, Run]:
    """Give the comparisons among runs by task, in the book's order; a task without one is left out."""
    return records_by_task(runs, KIND)


def systems_table(run: Run) -> pd.DataFrame:
    """Tabulate a comparison.

    Args:
        run: a comparison.

    Returns:
        A row a method, by its mean rank: columns method, rank (mean over metrics and volumes of the rank
        among the methods, 1 the best by the metric's direction, ties shared), one a metric (mean over the
        pairs), recovery_a, recovery_b, worse (the smaller of these two; empty for published images).
    """
    scores = run.metrics[run.metrics["method"] != LIMIT]
    signs = {name: -1 if METRICS[name].direction == "lower" else 1 for name in RANKING_METRICS}
    ranks = pd.DataFrame(
        {
            name: (sign * scores[name]).groupby(scores["pair"]).rank(ascending=False)
            for name, sign in signs.items()
        }
    )
    by_volume = ranks.mean(axis=1).groupby([scores["method"], scores["pair"].map(volume_of)]).mean()
    means = scores.groupby("method", sort=False)[[*RANKING_METRICS, *RECOVERY]].mean()
    table = means.assign(
        rank=by_volume.groupby("method").mean(),
        worse=means[list(RECOVERY)].min(axis=1, skipna=False),
    )
    columns = ["rank", *RANKING_METRICS, *RECOVERY, "worse"]
    return table.sort_values("rank")[columns].rename_axis("method").reset_index()


def limit_of(run: Run, metric: str) -> float:
    """Give the mean over the pairs of a metric's closed-form limit (CC or PSNR)."""
    return float(run.metrics.loc[run.metrics["method"] == LIMIT, metric].mean())


def differences_table(run: Run, reference: str) -> pd.DataFrame:
    """Compare every method with one of them, volume by volume.

    Args:
        run: a comparison.
        reference: a method's name.

    Returns:
        A row a method and metric (and recovery_a, recovery_b where there is one): method, and the columns of
        :func:`~wdualmine.statistics.compare`, with p_corrected for all rows, that is for all methods and
        metrics of the task; verdict is "better", "worse" or, where p_corrected is not below 0.05 or four
        decimals do not show the difference, empty.
    """
    scores = {name: own for name, own in run.metrics.groupby("method", sort=False) if name != LIMIT}
    other = scores.pop(reference).set_index("pair")
    first: dict[str, pd.Series] = {}  # a column per method and metric: they are one family of questions
    second: dict[str, pd.Series] = {}
    for name, frame in scores.items():
        own = frame.set_index("pair")
        for metric in (*RANKING_METRICS, *RECOVERY):
            if np.isfinite([*own[metric], *other[metric]]).all():
                column = f"{name!s} {metric}"
                first[column], second[column] = own[metric], other[metric]
    table = compare(
        pd.DataFrame(first).reset_index(), pd.DataFrame(second).reset_index(), list(first), volume_of
    )
    table[["method", "metric"]] = table["metric"].str.split(" ", n=1, expand=True).to_numpy()
    lower = table["metric"].map(lambda key: key in METRICS and METRICS[key].direction == "lower")
    better = (table["difference"] > 0) != lower
    told = (table["p_corrected"] < SIGNIFICANT) & (table["difference"].abs() >= SHOWN)
    return table.assign(verdict=np.select([told & better, told & ~better], ["better", "worse"], ""))


def training_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Tabulate how the systems were trained: a row a training on the paper's split or on a fold.

    Returns:
        Columns method, task, fold (None for the paper's split), seed, parameters, epochs, steps (where an
        epoch is a number of pairs), patch, rate, seconds (of training), epoch_seconds, CC and FMI (means over
        the pairs scored, stretched, in the paper's conventions), pairs.
    """
    rows = []
    for run in runs:
        if run.info.kind != "training":
            continue
        experiment, log = run.info.trained, run.log
        schedule = experiment.schedule
        own = run.metrics[run.metrics["method"] == experiment.method]
        drawn = schedule.epoch_pairs
        batches = -(-drawn // schedule.batch_size) if drawn else float("nan")
        rows.append(
            {
                "method": experiment.method,
                "task": experiment.task,
                "fold": experiment.fold,
                "seed": experiment.seed,
                "parameters": run.info.parameters,
                "epochs": schedule.epochs,
                "steps": schedule.epochs * batches,
                "patch": schedule.patch_size,
                "rate": schedule.learning_rate,
                "seconds": run.info.train_seconds,
                "epoch_seconds": float(log["seconds"].median()),
                "CC": float(own["CC"].mean()),
                "FMI": float(own["FMI"].mean()),
                "pairs": len(own),
            }
        )
    return pd.DataFrame(rows)


def own_trainings() -> dict[str, str]:
    """Print by title how long the networks of the paper were trained whose weights come with the package."""
    trainings = {}
    for method in (W_DUALMINE, W_DUALMINE_RECOVERY):
        words = {}
        for task in TASKS:
            experiment = experiment_of_weights(weights_file(method, task))
            side = experiment.schedule.patch_size
            crop = f"patches of {side}" if side else "whole images"
            words[task] = f"{training_words(experiment)}, {crop}"
        trainings[method.title] = by_task(words)
    return trainings


def cost_table(run: Run) -> pd.DataFrame:
    """Tabulate a cost: a row a method, the cheapest first, as printed strings."""
    table = run.table("cost.csv").sort_values("processor_seconds")
    table = table.reindex(columns=table.columns.union(["parameters", "gflop"], sort=False))
    own = table.set_index("method")["processor_seconds"]
    rows = []
    for row in table.to_dict("records"):
        has_network = row["parameters"] == row["parameters"]
        far = PUBLISHED.get(row["method"])
        cells: dict[str, Any] = {
            "Method": title(row["method"]),
            "Parameters": f"{row['parameters']:,.0f}" if has_network else "–",
            "published": f"{far[0]:,.0f}" if far else "–",
            "GFLOP": f"{row['gflop']:.1f}" if has_network else "–",
            "published GFLOP": f"{far[1]:.0f}" if far else "–",
            "Seconds a pair": f"{row['processor_seconds']:.3f}",
            "by the clock": f"{row['seconds']:.3f}",
        }
        if W_DUALMINE.name in own:
            cells["× W-DUALMINE"] = f"{row['processor_seconds'] / own[W_DUALMINE.name]:.2f}"
        rows.append(cells | {"Peak MiB": f"{row['peak_mib']:.0f}"})
    return pd.DataFrame(rows)


def cost_of(runs: Sequence[Run], device: str = "cpu") -> Run | None:
    """Pick the record of cost on a kind of device; None if there is none."""
    found = [r for r in runs if r.info.kind == COST_KIND and r.info.device.startswith(device)]
    return found[0] if found else None


def render_cost(table: pd.DataFrame) -> str:
    """Print :func:`cost_table` as an HTML table that a click on a head sorts."""
    return html_grid(table, "comparison sortable")


def widened_costs(run: Run) -> pd.DataFrame:
    """Return how much longer than our networks the systems take that are widened to their published size.

    Returns:
        A row per system, by its title: columns gflop, and by our networks' titles the ratio of seconds.
    """
    table = run.table("cost.csv").set_index("method")
    widened = table[table.index.str.endswith("-widened")]
    ratios = {
        method.title: widened["processor_seconds"] / table["processor_seconds"][method.name]
        for method in (W_DUALMINE, W_DUALMINE_RECOVERY)
        if method.name in table.index and len(widened)
    }
    return pd.DataFrame({"gflop": widened["gflop"]} | ratios if ratios else {}).rename(index=title)


def render_systems(table: pd.DataFrame, task: str) -> str:
    """Print :func:`systems_table` as an HTML table that a click on a head sorts."""
    rows = []
    for row in table.to_dict("records"):
        cells = {"Method": title(row["method"]), "Mean rank ↓": f"{row['rank']:.1f}"}
        for source, modality in zip("ab", get_task(task).modalities, strict=True):
            value = row[f"recovery_{source}"]
            cells[f"Recovery {modality} ↑"] = f"{value:.3f}" if value == value else "–"
        for name in RANKING_METRICS:
            cells[f"{name} {arrow(name, 'html')}"] = f"{row[name]:.4f}"
        rows.append(cells)
    return html_grid(pd.DataFrame(rows), "comparison sortable")


def render_verdicts(run: Run) -> str:
    """Print in which metrics each method is told from the average and from W-DUALMINE, as HTML."""
    tables = {reference: differences_table(run, reference) for reference in REFERENCES}
    modalities = dict(zip(RECOVERY, get_task(run.info.task).modalities, strict=True))
    names = {name: f"recovery {modality}" for name, modality in modalities.items()}
    rows = []
    for method in systems_table(run)["method"]:
        cells = {"Method": title(method)}
        for reference, table in tables.items():
            own = table[table["method"] == method]
            for verdict in ("better", "worse"):
                told = own.loc[own["verdict"] == verdict, "metric"]
                words = ", ".join(names.get(metric, metric) for metric in told)
                cells[f"{verdict} than {title(reference)}"] = words or "–"
        rows.append(cells)
    return html_grid(pd.DataFrame(rows), "claims")


def seen_and_unseen_table(table: pd.DataFrame) -> pd.DataFrame:
    """Set trainings with the test pairs' volumes kept apart beside those on the paper's split.

    Args:
        table: what :func:`training_table` gives.

    Returns:
        A row a method and task, in order; columns method, task, and "CC seen", "CC unseen", "FMI seen" and
        "FMI unseen", the means over the same test pairs; NaN where a training is missing.
    """
    rows = []
    for (method, task), own in table.groupby(["method", "task"], sort=False):
        seen, unseen = own[own["fold"].isna()], own[own["fold"].notna()]
        weights = unseen["pairs"] if len(unseen) == FOLDS else None
        row = {"method": method, "task": task}
        for name in ("CC", "FMI"):
            row[f"{name} seen"] = seen[name].mean()
            row[f"{name} unseen"] = np.nan if weights is None else np.average(unseen[name], weights=weights)
        rows.append(row)
    return pd.DataFrame(rows)


def render_training(table: pd.DataFrame) -> str:
    """Print :func:`training_table` as HTML: budgets, and scores on seen and unseen volumes."""
    rows = []
    for scores in seen_and_unseen_table(table).to_dict("records"):
        method, task = scores["method"], scores["task"]
        own = table[(table["method"] == method) & (table["task"] == task)]
        seen = own[own["fold"].isna()]
        first = (seen if len(seen) else own).iloc[0]
        cells = {
            "System": title(method),
            "Task": TASKS[task].folder,
            "Parameters": f"{first['parameters']:,}",
            "Steps": f"{first['steps']:.0f}" if first["steps"] == first["steps"] else "–",
            "Patch": f"{first['patch']:.0f}",
            "Seconds": f"{first['seconds']:.0f}",
        }
        for name in ("CC", "FMI"):
            for column, words in (("seen", "paper's split"), ("unseen", "unseen volumes")):
                value = scores[f"{name} {column}"]
                cells[f"{name}, {words}"] = f"{value:.4f}" if value == value else "–"
        rows.append(cells)
    return html_grid(pd.DataFrame(rows), "comparison")


def unseen_changes(table: pd.DataFrame, metric: str) -> pd.Series:
    """Return by method and task what keeping the test pairs' volumes out of training changed in a metric."""
    scores = seen_and_unseen_table(table).dropna().set_index(["method", "task"])
    return scores[f"{metric} unseen"] - scores[f"{metric} seen"]


def of_others(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of :func:`systems_table` of the systems of others, by method."""
    return table[table["method"].isin([method.name for method in SYSTEMS])].set_index("method")


def others_and_average(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Set the best of the systems of others beside the average, a row per comparison that has some.

    Returns:
        Columns gap and average_gap (how far their CC stays below its limit), worse and average_worse (the
        recovery of the source that they keep less of), above (which systems pass the average in it).
    """
    rows = {}
    for task, run in runs.items():
        table, limit = systems_table(run), limit_of(run, "CC")
        own, average = of_others(table), table.set_index("method").loc["average"]
        if len(own):
            rows[task] = {
                "gap": limit - own["CC"].max(),
                "average_gap": limit - average["CC"],
                "worse": own["worse"].max(),
                "average_worse": average["worse"],
                "above": list(own.index[own["worse"] > average["worse"]]),
            }
    return pd.DataFrame.from_dict(rows, orient="index")
