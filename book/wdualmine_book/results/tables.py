"""Tables 1 to 3: the methods on each task, and the network against the plain average."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from wdualmine.data import TASKS, get_task, volume_of
from wdualmine.errors import WdualmineError
from wdualmine.experiments import PRESETS
from wdualmine.methods import W_DUALMINE
from wdualmine.metrics import PAPER_METRICS, get_metric
from wdualmine.records import RecordedExperiment, Run
from wdualmine.statistics import compare
from wdualmine_book.printing import (
    anchor,
    arrow,
    by_task,
    check_alike,
    print_grid,
    schedule_words,
    training_words,
)
from wdualmine_book.records import (
    paper_values,
    published_scores,
    reference_runs,
    study_runs,
    training_length_runs,
)

#: The paper's comparison tables by number.
COMPARISONS = dict(zip((1, 2, 3), TASKS, strict=True))

#: Rows in order: record name and stretch to the name that a table prints. All are stretched but "Average".
ROWS: dict[tuple[str, bool], str] = {
    ("adafuse", True): "AdaFuse",
    ("asfe-fusion", True): "ASFE-Fusion",
    ("w-dualmine", True): "W-DUALMINE",
    ("untrained", True): "W-DUALMINE, untrained",
    ("average", True): "Average, stretched",
    ("average", False): "Average",
    ("maximum", True): "Maximum",
    ("standardized-sum", True): "Standardized sum",
    ("laplacian-pyramid", True): "Laplacian pyramid",
    ("wavelet-maximum", True): "Haar wavelet",
    ("limit", False): "Closed-form limit",
}
LIMIT = ROWS["limit", False]
COLUMNS = ("Paper", "Reference", "This build")
#: The variant of the studies that has the paper's learning rate and number of epochs.
NEAREST = "rate-1e-5"
COMPARISON_COLUMNS = ["metric", "method", "column", "mean", "std", "seeds", "seed_std", "run", "best"]


def comparison_table(
    number: int, runs: Sequence[Run], reference: Sequence[Run] | None = None
) -> pd.DataFrame:
    """Build Table 1, 2 or 3.

    Args:
        number: 1 (CT-MRI), 2 (PET-MRI) or 3 (SPECT-MRI).
        runs: this build's runs; those of other tasks and other variants are passed over.
        reference: the reference runs; None takes the committed ones. The scores of the images that other
            methods published stand in the same column.

    Returns:
        One row a metric, method and column that has a value: columns metric, method, column, mean, std
        (population standard deviation over the pairs), seeds, seed_std (sample deviation of the seeds' means;
        both NaN where nothing is random or one seed ran), run (name of the first run's folder; "" for the
        paper's numbers), best (whether no method of that column is better, to the four printed decimals).

    Raises:
        WdualmineError: there is no such table, runs of one column are of several presets, schedules or data
            (:func:`~wdualmine_book.printing.check_alike`), or a score is missing.
    """
    if number not in COMPARISONS:
        raise WdualmineError(f"table {number}: choose one of 1, 2, 3 (comparisons), 4, 5 (ablations)")
    task = COMPARISONS[number]
    paper = paper_values().query("table == @number").rename(columns={"row": "method"})
    parts = [
        paper[["metric", "method", "mean", "std"]].assign(column="Paper", run=""),
        _published(task).assign(column="Reference"),
        _scores(reference_runs() if reference is None else reference, task).assign(column="Reference"),
        _scores(runs, task).assign(column="This build"),
    ]
    frame = pd.concat([part for part in parts if len(part)], ignore_index=True)
    frame = frame[frame["metric"].isin(PAPER_METRICS)]
    orders = {"metric": PAPER_METRICS, "method": list(ROWS.values()), "column": COLUMNS}
    for name, order in orders.items():
        frame[name] = pd.Categorical(frame[name], list(order), ordered=True)
    frame = frame.sort_values(list(orders)).astype(dict.fromkeys(orders, str)).reset_index(drop=True)
    frame["best"] = _is_best(frame)
    return frame.reindex(columns=COMPARISON_COLUMNS)


def _of_task(runs: Iterable[Run], task: str) -> list[Run]:
    """Give the runs that a table of a task is made of."""
    chosen = [
        run
        for run in runs
        if run.info.kind in ("training", "baselines")
        and run.info.task == task
        and (run.info.experiment is None or _is_proposed(run.info.experiment))
    ]
    check_alike(chosen)
    return chosen


def _is_proposed(experiment: RecordedExperiment) -> bool:
    return experiment.variant == "proposed" and experiment.method == W_DUALMINE.name


def _scores(runs: Iterable[Run], task: str) -> pd.DataFrame:
    """Mean and spread over the pairs by metric and method; several seeds are averaged for each pair first."""
    frames = []
    for run in _of_task(runs, task):
        scores = run.metrics.assign(run=run.folder.name)
        names = zip(scores["method"], scores["stretch"], strict=True)
        scores = scores.assign(
            method=pd.Series([ROWS.get(name) for name in names], dtype=object, index=scores.index)
        ).dropna(subset="method")
        for metric in PAPER_METRICS:
            if metric not in scores or scores.query("method != @LIMIT")[metric].isna().any():
                raise WdualmineError(
                    f"{run.folder / 'metrics.csv'}: lacks {metric} on a pair; restore it, or run it again"
                )
        frames.append(scores)
    if not frames:
        return pd.DataFrame(columns=["metric", "method", "mean", "std"])
    return _moments(pd.concat(frames, ignore_index=True))


def _published(task: str) -> pd.DataFrame:
    return _moments(published_scores().query("task == @task").assign(run="published"))


def _moments(scores: pd.DataFrame) -> pd.DataFrame:
    """Average each pair over the seeds, give mean and deviation over the pairs; and that over the seeds."""
    names = [name for name in PAPER_METRICS if name in scores.columns]
    pairs = scores.groupby(["method", "pair"], sort=False)[names].mean()
    tall = pairs.melt(var_name="metric", ignore_index=False).dropna(subset="value")
    groups = tall.groupby(["metric", "method"], sort=False)["value"]
    frame = pd.DataFrame({"mean": groups.mean(), "std": groups.std(ddof=0)}).reset_index()
    frame["run"] = frame["method"].map(scores.groupby("method")["run"].first())
    if "seed" in scores.columns:
        by_seed = scores.dropna(subset="seed").groupby(["method", "seed"])[names].mean().groupby("method")
        seeds, deviations = by_seed.size(), by_seed.std(ddof=1)
        frame["seeds"] = frame["method"].map(seeds)
        frame["seed_std"] = [
            deviations.loc[method, metric] if method in deviations.index else float("nan")
            for metric, method in zip(frame["metric"], frame["method"], strict=True)
        ]
    return frame


def _is_best(frame: pd.DataFrame) -> pd.Series:
    sign = frame["metric"].map(lambda key: get_metric(key).sign)
    value = (frame["mean"].round(4) * sign).mask(frame["method"] == LIMIT)  # no method
    return value == value.groupby([frame["metric"], frame["column"]]).transform("max")


def comparison_with_average(runs: Sequence[Run], reference: Sequence[Run] | None = None) -> pd.DataFrame:
    """Compare this build's W-DUALMINE with the stretched average, volume by volume, on each task.

    Args:
        runs: this build's runs.
        reference: the reference runs, compared where this build has trained nothing; None takes the committed
            ones.

    Returns:
        :func:`wdualmine.statistics.compare`'s rows with a column task before them; p is corrected for the
        metrics of a task. Empty where one of the two has not run.
    """
    if not any(run.info.kind == "training" for run in runs):
        runs = reference_runs() if reference is None else reference
    parts, names = [], list(PAPER_METRICS)
    for task in TASKS:
        scores = [run.metrics for run in _of_task(runs, task)]
        both = pd.concat(scores) if scores else pd.DataFrame(columns=["method", "stretch"])
        network, average = (
            both[(both["method"] == name) & both["stretch"].astype(bool)]
            for name in ("w-dualmine", "average")
        )
        if len(network) and len(average):
            network = network.groupby("pair", as_index=False)[names].mean()
            parts.append(compare(network, average[["pair", *names]], names, volume_of).assign(task=task))
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    return table[["task", *table.columns.drop("task")]]


def render_with_average(table: pd.DataFrame) -> str:
    """Print :func:`comparison_with_average` as HTML; small p values as a bound."""
    rows = [
        {
            "Task": get_task(row["task"]).folder,
            "Metric": row["metric"],
            "Volumes": str(row["groups"]),
            "Network": f"{row['first']:.4f}",
            "Average": f"{row['second']:.4f}",
            "Difference": f"{row['difference']:+.2g}",
            "95 % interval": f"{row['low']:+.2g} to {row['high']:+.2g}" if row["groups"] > 1 else "–",
            "Wins": str(row["wins"]),
            "p, corrected": "&lt; 0.0001" if row["p_corrected"] < 1e-4 else f"{row['p_corrected']:.4f}",
            "Detectable": f"{row['detectable']:.2g}" if np.isfinite(row["detectable"]) else "none",
        }
        for row in table.to_dict("records")
    ]
    return print_grid(pd.DataFrame(rows), "html")


def render_comparison(table: pd.DataFrame, form: str = "md", titles: dict[str, str] | None = None) -> str:
    """Print a table: one row a metric and method, one column a source of numbers; the best are bold.

    The deviation of the seeds' means, where several ran, stands in brackets. In HTML each number of ours
    leads to its run on the page of provenance.

    Args:
        table: what :func:`comparison_table` gives.
        form: "md", "latex", "html" or "csv" (the last gives the numbers as they are).
        titles: column titles by column name.

    Raises:
        WdualmineError: there is no such form.
    """
    bold = {"md": "**{}**", "html": "<strong>{}</strong>", "latex": r"\textbf{{{}}}"}
    if form == "csv":
        return table.to_csv(index=False, float_format="%.10g").rstrip("\n")
    if form not in bold:
        raise WdualmineError(f"unknown form {form!r}; choose one of md, latex, html, csv")
    plus_minus = r" $\pm$ " if form == "latex" else " ± "
    cells = {}
    for row in table.to_dict("records"):
        text = f"{row['mean']:.4f}" + ("" if pd.isna(row["std"]) else f"{plus_minus}{row['std']:.4f}")
        text = bold[form].format(text) if row["best"] else text
        text += "" if pd.isna(row["seed_std"]) else f" [{row['seed_std']:.4f}]"
        if form == "html" and row["run"]:
            text = f'<a href="provenance.html#{anchor(row["column"], row["run"])}">{text}</a>'
        cells[row["metric"], row["method"], row["column"]] = text
    rows = list(dict.fromkeys(zip(table["metric"], table["method"], strict=True)))
    columns = [column for column in COLUMNS if column in set(table["column"])]
    grid = pd.DataFrame(
        [[cells.get((*row, column), "–" if form != "latex" else "--") for column in columns] for row in rows],
        columns=[(titles or {}).get(column, column) for column in columns],
    )
    grid.insert(0, "Metric", [f"{metric} {arrow(metric, form)}" for metric, _ in rows])
    grid.insert(1, "Method", [method for _, method in rows])
    return print_grid(grid, form)


def column_titles(
    runs: Sequence[Run], reference: Sequence[Run] | None = None, number: int | None = None
) -> dict[str, str]:
    """Say what each column holds: preset, data, length and widths of its runs.

    Args:
        runs: this build's runs.
        reference: the reference runs; None takes the committed ones.
        number: of the table, whose runs alone are described; None describes those of all tasks, and names
            the tasks where their runs differ.
    """

    def described(given: Sequence[Run], task: str) -> str:
        chosen = _of_task(given, task)
        trained = [run for run in chosen if run.info.kind == "training"]
        seeds = {run.info.trained.seed for run in trained}
        words = (training_words(run.info.trained) for run in trained)
        labels = list(dict.fromkeys(run.label for run in trained)) + list(dict.fromkeys(filter(None, words)))
        labels += [f"{len(seeds)} seeds"] if len(seeds) > 1 else []
        if not trained:
            labels = list(dict.fromkeys(run.label for run in chosen if run.info.kind == "baselines"))
        return "; ".join(labels)

    def title(name: str, given: Sequence[Run]) -> str:
        tasks = COMPARISONS.values() if number is None else [COMPARISONS[number]]
        words = by_task({task: described(given, task) for task in tasks})
        return f"{name} ({words})" if words else name

    reference = reference_runs() if reference is None else reference
    return {
        "Paper": "Paper",
        "Reference": title("Reference run", reference),
        "This build": title("This build", runs),
    }


def summary_table(runs: Sequence[Run], reference: Sequence[Run] | None = None) -> pd.DataFrame:
    """Set the paper's W-DUALMINE beside ours and beside the average, which no network made.

    Args:
        runs: this build's runs.
        reference: the reference runs, shown where this build has trained nothing; None takes the committed
            ones.

    Returns:
        One row a task and metric; columns "Paper", "This build" (or "Reference"), "Average, stretched": means
        over the pairs, NaN where nothing ran.
    """
    ours = "This build" if any(run.info.kind == "training" for run in runs) else "Reference"
    rows = []
    for number, task in COMPARISONS.items():
        table = comparison_table(number, runs, reference)
        means = table.set_index(["metric", "method", "column"])["mean"].to_dict()
        for metric in PAPER_METRICS:
            rows.append(
                {
                    "Task": get_task(task).folder,
                    "Metric": metric,
                    "Paper": means.get((metric, "W-DUALMINE", "Paper")),
                    ours: means.get((metric, "W-DUALMINE", ours)),
                    "Average, stretched": means.get((metric, "Average, stretched", ours)),
                }
            )
    return pd.DataFrame(rows).set_index(["Task", "Metric"]).astype(float)


def largest_gaps(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the largest distance from the paper over the tasks, a row per metric; columns as given."""
    return summary.sub(summary["Paper"], axis="index").abs().groupby("Metric").max()


def seed_ranges(runs: Iterable[Run], seeds: int | None = None) -> pd.DataFrame:
    """Return how far the seeds of each training of the full model are apart, in mean scores over the pairs.

    Args:
        runs: trainings, and other runs, which are passed over.
        seeds: count seeds below this one alone.

    Returns:
        A row a task, label and widths (the index) of several seeds: columns seeds, their number, and a range
        a metric.
    """
    rows = [
        {"task": run.info.task, "label": run.label, "widths": str(run.info.trained.model["widths"])}
        | run.metrics.query("method == 'w-dualmine' and stretch")[list(PAPER_METRICS)].mean().to_dict()
        for run in runs
        if run.info.kind == "training"
        and run.variant == "proposed"
        and (seeds is None or run.info.trained.seed < seeds)
    ]
    groups = pd.DataFrame(rows).groupby(["task", "label", "widths"])
    table = (groups.max() - groups.min()).assign(seeds=groups.size())
    return table[table["seeds"] > 1]


def networks_table(runs: Sequence[Run], studies: Sequence[Run] | None = None) -> pd.DataFrame:
    """Tell apart the networks on CT-MRI that are called W-DUALMINE, nearest to the paper's schedule first.

    Args:
        runs: this build's runs.
        studies: runs of the studies; None takes the committed ones.

    Returns:
        One row a network: columns network (where it stands), training (length, rate and widths; of the paper
        what it states), preset, data, seeds, then the means of EN, MI, CC and PSNR over seeds and pairs.
    """
    names = list(PAPER_METRICS[:4])
    groups: dict[str, list[Run]] = {}
    for place, found in (
        ("Reference", reference_runs()),
        ("Study of length", training_length_runs()),
        ("Studies", study_runs() if studies is None else studies),
        ("This build", runs),
    ):
        for run in found:
            plain = place != "Studies" or run.variant in ("proposed", NEAREST)
            if run.info.kind == "training" and run.info.task == "ct-mri" and plain:
                nearest = ", the paper's rate and epochs" if run.variant == NEAREST else ""
                groups.setdefault(place + nearest, []).append(run)
    if first := [run for run in groups.get("Reference", []) if run.info.trained.seed == 0]:
        groups["Audit, figures: the weights that come along"] = first
    rows = []
    for place, chosen in groups.items():
        experiment = chosen[0].info.trained
        scores = pd.concat([run.metrics for run in chosen]).query("method == 'w-dualmine'")[names].mean()
        row = {"network": place, "training": training_words(experiment), "preset": experiment.preset}
        row |= {"data": chosen[0].info.data.name, "seeds": str(len(chosen))}
        distance = abs(experiment.schedule.epochs - PRESETS["paper"].schedule.epochs)
        rows.append((distance, row | scores.to_dict()))
    rows.sort(key=lambda row: row[0])
    paper = paper_values().query("table == 1 and row == 'W-DUALMINE'").set_index("metric")["mean"][names]
    schedule = PRESETS["paper"].schedule
    stated = f"{schedule_words(schedule.epochs, schedule.learning_rate)}, widths not stated"
    printed = {"network": "The paper", "training": stated, "preset": "–", "data": "–", "seeds": "–"}
    return pd.DataFrame([printed | paper.to_dict(), *(row for _, row in rows)])


def render_networks(table: pd.DataFrame) -> str:
    """Print :func:`networks_table` as HTML."""
    shown = table.rename(columns=lambda name: name.capitalize() if name.islower() else name)
    for name in PAPER_METRICS[:4]:
        shown[name] = [f"{value:.4f}" for value in shown[name]]
    return print_grid(shown, "html")
