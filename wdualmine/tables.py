"""The paper's tables as functions from records to data frames, and their printed forms.

Three columns of numbers, never mixed: what the paper prints, the committed reference record, and the runs of
this build.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

import pandas as pd
from scipy.stats import kendalltau

from wdualmine.data.manifest import manifest_folder
from wdualmine.data.tasks import TASKS, get_task
from wdualmine.errors import WdualmineError
from wdualmine.metrics import METRICS, PAPER_METRICS, get_metric
from wdualmine.records import Run, find_runs
from wdualmine.statistics import compare

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
COLUMNS = ("Paper", "Reference", "This build")


@cache
def paper_values() -> pd.DataFrame:
    """Give the numbers that the paper prints: columns table, task, row, metric, mean, std."""
    return pd.read_csv(manifest_folder() / "paper_tables.csv")


def results_folder() -> Path:
    """Give the folder of the committed records: inside an installed wheel, else in the repository."""
    manifest = manifest_folder()
    return manifest.parent / ("_results" if manifest.name == "_data_manifest" else "results")


def reference_runs() -> list[Run]:
    """Give the committed runs: those in ``results/reference``."""
    return find_runs([results_folder() / "reference"])


@cache
def published_scores() -> pd.DataFrame:
    """Give our scores of the fused images that AdaFuse and ASFE-Fusion published, one row a pair."""
    return pd.read_csv(results_folder() / "published" / "metrics.csv", dtype={"pair": str})


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
        (population standard deviation over the pairs), best (whether no method of that column is better, to
        the four printed decimals).

    Raises:
        WdualmineError: there is no such table.
    """
    if number not in COMPARISONS:
        raise WdualmineError(f"table {number}: choose one of {', '.join(map(str, COMPARISONS))}")
    task = COMPARISONS[number]
    paper = paper_values().query("table == @number").rename(columns={"row": "method"})
    parts = [
        paper[["metric", "method", "mean", "std"]].assign(column="Paper"),
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
    return frame[["metric", "method", "column", "mean", "std", "best"]]


def _scores(runs: Iterable[Run], task: str) -> pd.DataFrame:
    """Mean and spread over the pairs by metric and method; several seeds are averaged for each pair first."""
    frames = [
        run.metrics
        for run in runs
        if run.info["kind"] in ("training", "baselines")
        and run.info["task"] == task
        and run.info.get("experiment", {}).get("variant", "proposed") == "proposed"
    ]
    if not frames:
        return pd.DataFrame(columns=["metric", "method", "mean", "std"])
    metrics = pd.concat(frames, ignore_index=True)
    metrics["method"] = [ROWS.get(key) for key in zip(metrics["method"], metrics["stretch"], strict=True)]
    return _moments(metrics.dropna(subset="method"))


def _published(task: str) -> pd.DataFrame:
    return _moments(published_scores().query("task == @task"))


def _moments(scores: pd.DataFrame) -> pd.DataFrame:
    """Average each pair over the seeds, then give mean and population deviation over the pairs."""
    names = [name for name in PAPER_METRICS if name in scores.columns]
    pairs = scores.groupby(["method", "pair"], sort=False)[names].mean()
    tall = pairs.melt(var_name="metric", ignore_index=False).dropna(subset="value")
    groups = tall.groupby(["metric", "method"], sort=False)["value"]
    return pd.DataFrame({"mean": groups.mean(), "std": groups.std(ddof=0)}).reset_index()


def _is_best(frame: pd.DataFrame) -> pd.Series:
    sign = frame["metric"].map(lambda key: 1 if get_metric(key).direction == "higher" else -1)
    value = (frame["mean"].round(4) * sign).mask(frame["method"] == ROWS["limit", False])  # no method
    return value == value.groupby([frame["metric"], frame["column"]]).transform("max")


def comparison_with_average(runs: Sequence[Run]) -> pd.DataFrame:
    """Compare this build's W-DUALMINE with the stretched average, pair by pair, on each task.

    Args:
        runs: this build's runs.

    Returns:
        :func:`wdualmine.statistics.compare`'s rows with a column task before them; Holm's correction is over
        the metrics of a task. Empty where one of the two has not run.
    """
    parts, names = [], list(PAPER_METRICS)
    for task in TASKS:
        scores = [run.metrics for run in runs if run.info["task"] == task]
        both = pd.concat(scores) if scores else pd.DataFrame(columns=["method", "stretch"])
        network, average = (
            both[(both["method"] == name) & both["stretch"].astype(bool)]
            for name in ("w-dualmine", "average")
        )
        if len(network) and len(average):
            names = list(PAPER_METRICS)
            network = network.groupby("pair", as_index=False)[names].mean()
            parts.append(compare(network, average[["pair", *names]], names).assign(task=task))
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    return table[["task", *table.columns.drop("task")]]


def render_comparison(table: pd.DataFrame) -> str:
    """Print :func:`comparison_with_average` as HTML; small p values as a bound."""

    def p_value(p: float) -> str:
        return "&lt; 0.0001" if p < 1e-4 else f"{p:.4f}"

    formats: dict[str, Callable[[float], str]] = {
        **dict.fromkeys(("difference", "low", "high"), "{:+.3g}".format),
        **dict.fromkeys(("first", "second"), "{:.4f}".format),
        **dict.fromkeys(("p", "p_holm"), p_value),
    }
    names = {"first": "network", "second": "average", "p_holm": "p (Holm)"}
    shown = table.assign(task=[get_task(task).folder for task in table["task"]])
    for column, form in formats.items():
        shown[column] = [form(value) for value in shown[column]]
    return shown.rename(columns=names).to_html(index=False, escape=False, border=0, classes="comparison")


def metric_reference() -> pd.DataFrame:
    """Give the metrics as a reader meets them: name, direction, range and unit, from the registry."""

    def bound(value: float) -> str:
        return f"{value:g}".replace("inf", "∞").replace("-", "−")

    return pd.DataFrame(
        [
            {
                "Metric": metric.key,
                "Name": metric.name,
                "Better": metric.direction,
                "Range": " to ".join(map(bound, metric.range)),
                "Unit": metric.unit or "–",
                "Scored on": "RGB" if metric.color else "grey",
            }
            for metric in METRICS.values()
        ]
    )


def convention_table(runs: Sequence[Run], task: str) -> pd.DataFrame:
    """Show how the numbers and the ranking of methods move between the conventions of one metric.

    Args:
        runs: runs of kind "conventions".
        task: whose run to show.

    Returns:
        One row a metric and convention, for the metrics with more than one: columns metric, convention, one
        a method (means over the pairs), "tau" (Kendall's rank correlation of the methods' means with those
        under the default convention) and "order" ("default", "same" or "changes").

    Raises:
        WdualmineError: no such run is among them.
    """
    found = [run for run in runs if run.info["kind"] == "conventions" and run.info["task"] == task]
    if not found:
        raise WdualmineError(f"no conventions record of {task}; make one with `wdualmine conventions {task}`")
    means = found[0].metrics.drop(columns=["task", "split", "pair", "stretch", "seed"], errors="ignore")
    means = means.groupby("method", sort=False).mean()
    means.index = [ROWS[name, True].removesuffix(", stretched") for name in means.index]
    rows = []
    for metric in METRICS.values():
        names = [convention.name for convention in metric.conventions]
        for number, name in enumerate(names if len(names) > 1 else ()):
            values = means[metric.key if number == 0 else f"{metric.key}[{name}]"]
            tau = kendalltau(means[metric.key].round(8), values.round(8)).statistic
            order = "default" if number == 0 else "same" if tau > 1 - 1e-9 else "changes"
            rows.append({"metric": metric.key, "convention": name, **values, "tau": tau, "order": order})
    return pd.DataFrame(rows)


def column_titles(runs: Sequence[Run], reference: Sequence[Run] | None = None) -> dict[str, str]:
    """Say what each column holds: the preset and the data of its runs."""

    def title(name: str, chosen: Sequence[Run]) -> str:
        labels = dict.fromkeys(run.label for run in chosen if run.info["kind"] == "training")
        return f"{name} ({'; '.join(labels)})" if labels else name

    reference = reference_runs() if reference is None else reference
    return {
        "Paper": "Paper",
        "Reference": title("Reference run", reference),
        "This build": title("This build", runs),
    }


def render(table: pd.DataFrame, form: str = "md", titles: dict[str, str] | None = None) -> str:
    """Print a table: one row a metric and method, one column a source of numbers; the best are bold.

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
    for metric, method, column, mean, std, best in table.itertuples(index=False, name=None):
        text = f"{mean:.4f}" + ("" if pd.isna(std) else f"{plus_minus}{std:.4f}")
        cells[metric, method, column] = bold[form].format(text) if best else text
    rows = list(dict.fromkeys(zip(table["metric"], table["method"], strict=True)))
    columns = [column for column in COLUMNS if column in set(table["column"])]
    grid = pd.DataFrame(
        [[cells.get((*row, column), "–" if form != "latex" else "--") for column in columns] for row in rows],
        columns=[(titles or {}).get(column, column) for column in columns],
    )
    metrics = [metric for metric, _ in rows]
    arrows = [
        f"{metric} {_arrow(metric, form)}" if metric != before else ""
        for metric, before in zip(metrics, [None, *metrics], strict=False)
    ]
    grid.insert(0, "Metric", arrows)
    grid.insert(1, "Method", [method for _, method in rows])
    if form == "latex":
        return grid.to_latex(index=False, escape=False).rstrip("\n")
    if form == "html":
        return grid.to_html(index=False, escape=False, border=0, classes="comparison")
    return grid.to_markdown(index=False, disable_numparse=True)


def _arrow(metric: str, form: str) -> str:
    higher = get_metric(metric).direction == "higher"
    if form == "latex":
        return r"$\uparrow$" if higher else r"$\downarrow$"
    return "↑" if higher else "↓"


def scores_table(run: Run) -> pd.DataFrame:
    """Give a run's own scores for reading: one row a method, mean ± population deviation over the pairs."""
    return pd.DataFrame(
        {
            result["method"] + (", stretched" if result["stretch"] else ""): {
                name: f"{mean:.4f} ± {result['std'][name]:.4f}" for name, mean in result["mean"].items()
            }
            for result in run.info["results"]
        }
    ).T.fillna("–")


def summary_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Set the paper's W-DUALMINE beside this build's and beside the average, which no network made.

    Args:
        runs: this build's runs.

    Returns:
        One row a task and metric; columns "Paper", "This build", "Average, stretched": means over the pairs,
        NaN where nothing ran.
    """
    rows = []
    for number, task in COMPARISONS.items():
        means = comparison_table(number, runs, reference=[]).set_index(["metric", "method", "column"])["mean"]
        for metric in PAPER_METRICS:
            rows.append(
                {
                    "Task": get_task(task).folder,
                    "Metric": metric,
                    "Paper": means.get((metric, "W-DUALMINE", "Paper"), float("nan")),
                    "This build": means.get((metric, "W-DUALMINE", "This build"), float("nan")),
                    "Average, stretched": means.get(
                        (metric, "Average, stretched", "This build"), float("nan")
                    ),
                }
            )
    return pd.DataFrame(rows).set_index(["Task", "Metric"])


def provenance_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Say for each run what ran, on what data, at which commit, on which machine and for how long."""

    def row(run: Run) -> dict[str, str]:
        info = run.info
        code, hardware = info["code"], info["hardware"]
        commit = (code["commit"] or "no commit")[:10] + (" + changes" if code["dirty"] else "")
        seconds = info.get("train_seconds", 0) + info["evaluation_seconds"]
        experiment = info.get("experiment", {})
        return {
            "Run": run.folder.name,
            "Task": info["task"],
            "What": experiment.get("preset", info["kind"]),
            "Seed": str(experiment.get("seed", "–")),
            "Data": f"{info['data']['name']} ({info['data']['fingerprint'][:10]})",
            "Commit": commit,
            "Machine": f"{hardware.get('gpu', hardware['processor'])}, {hardware['threads']} threads",
            "Seconds": f"{seconds:.0f}",
            "Finished": info["finished"],
        }

    return pd.DataFrame([row(run) for run in runs])
