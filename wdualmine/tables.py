"""The paper's tables as functions from records to data frames, and their printed forms.

Three columns of numbers, never mixed: what the paper prints, the committed reference record, and the runs of
this build.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kendalltau

from wdualmine.data.manifest import manifest_folder
from wdualmine.data.tasks import TASKS, get_task
from wdualmine.errors import WdualmineError
from wdualmine.metrics import METRICS, PAPER_METRICS, get_metric
from wdualmine.records import Run, find_runs
from wdualmine.statistics import compare, crossed_interval

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
        raise WdualmineError(f"table {number}: choose one of 1, 2, 3 (comparisons), 4, 5 (ablations)")
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


#: Tables 4 and 5: what each row removes. The machine names are those of wdualmine.experiments.VARIANTS.
ABLATIONS = {
    4: {
        "no-spatial-expert": "without the spatial expert",
        "no-wavelet-expert": "without the wavelet expert",
        "average-mixer": "averaging for the mixer",
    },
    5: {
        "no-average": "without L_avg",
        "no-gradient": "without L_grad",
        "no-correlation": "without L_cc",
        "no-mutual-information": "without L_mi",
        "no-reconstruction": "without L_rec",
    },
}
PROPOSED = "proposed"


def ablation_runs() -> list[Run]:
    """Give the committed runs of Tables 4 and 5: those in ``results/ablations``."""
    return find_runs([results_folder() / "ablations"])


def ablation_table(number: int, runs: Sequence[Run] | None = None, level: float = 0.95) -> pd.DataFrame:
    """Build Table 4 or 5: each variant beside the full model, with what seeds and pairs leave uncertain.

    Args:
        number: 4 (parts of the network) or 5 (terms of the objective).
        runs: training runs of the variants on CT-MRI, one a variant and seed; None takes the committed ones.
        level: confidence level of the interval.

    Returns:
        One row a metric and variant, the full model last: columns metric, variant (printed name), paper (its
        number), seeds, mean (over seeds and pairs), seed_std (sample deviation of the seeds' means),
        difference (to the full model), low, high (:func:`wdualmine.statistics.crossed_interval`) and
        told_apart (whether the interval excludes 0). Values are NaN where nothing ran, intervals also with a
        single seed.

    Raises:
        WdualmineError: there is no such table.
    """
    if number not in ABLATIONS:
        raise WdualmineError(f"table {number}: choose 4 or 5 for an ablation")
    names = ABLATIONS[number] | {PROPOSED: "the full model"}
    paper = paper_values().query("table == @number").set_index(["row", "metric"])["mean"]
    scores = {variant: _by_seed(ablation_runs() if runs is None else runs, variant) for variant in names}
    rows = []
    for metric in PAPER_METRICS:
        full = _matrix(scores[PROPOSED], metric)
        for variant, name in names.items():
            row = {"metric": metric, "variant": name, "paper": paper[variant, metric]}
            values = _matrix(scores[variant], metric)
            if values.size:
                seed_means = values.mean(axis=1)
                row |= {"seeds": len(values), "mean": seed_means.mean()}
                row["seed_std"] = seed_means.std(ddof=1) if len(values) > 1 else float("nan")
            if values.size and full.size and variant != PROPOSED:
                row["difference"] = values.mean() - full.mean()
                if min(len(values), len(full)) > 1:  # one seed says nothing about the spread over seeds
                    low, high = crossed_interval(values, full, level)
                    row |= {"low": low, "high": high, "told_apart": low > 0 or high < 0}
            rows.append(row)
    columns = [
        "metric",
        "variant",
        "paper",
        "seeds",
        "mean",
        "seed_std",
        "difference",
        "low",
        "high",
        "told_apart",
    ]
    return pd.DataFrame(rows, columns=columns)


def _by_seed(runs: Sequence[Run], variant: str) -> pd.DataFrame:
    frames = [
        run.metrics.query("method == 'w-dualmine'")
        for run in runs
        if run.info["kind"] == "training"
        and run.info["task"] == "ct-mri"
        and run.info["experiment"]["variant"] == variant
    ]
    return pd.concat(frames) if frames else pd.DataFrame(columns=["seed", "pair", *PAPER_METRICS])


def _matrix(scores: pd.DataFrame, metric: str) -> NDArray[np.float64]:
    """Scores as (seeds, pairs)."""
    return scores.pivot_table(metric, "seed", "pair").to_numpy(dtype=float)


def render_ablation(table: pd.DataFrame, form: str = "md", title: str = "Ours") -> str:
    """Print Table 4 or 5.

    Args:
        table: what :func:`ablation_table` gives.
        form: "md", "latex", "html" or "csv" (the last gives the numbers as they are).
        title: what to call our column, such as with its preset and data.

    Raises:
        WdualmineError: there is no such form.
    """
    if form == "csv":
        return table.to_csv(index=False, float_format="%.10g").rstrip("\n")
    dash, plus_minus = ("--", r" $\pm$ ") if form == "latex" else ("–", " ± ")

    def number(value: float, pattern: str = "{:.4f}") -> str:
        return dash if pd.isna(value) else pattern.format(value)

    rows = []
    for row in table.to_dict("records"):
        variant = row["variant"].replace("_", r"\_") if form == "latex" else row["variant"]
        spread = "" if pd.isna(row["seed_std"]) else plus_minus + number(row["seed_std"])
        known = not pd.isna(row["low"])
        rows.append(
            {
                "Metric": row["metric"],
                "Variant": variant,
                "Paper": number(row["paper"]),
                title: number(row["mean"]) + spread,
                "Difference": number(row["difference"], "{:+.4f}"),
                "Interval": f"[{row['low']:+.4f}, {row['high']:+.4f}]" if known else dash,
                "Told from 0": ("yes" if row["told_apart"] else "no") if known else dash,
            }
        )
    return _print_grid(pd.DataFrame(rows), form)


def ablation_sentences(table: pd.DataFrame) -> list[str]:
    """Say for each variant of an :func:`ablation_table` which differences can be told from zero."""
    sentences = []
    known = table.dropna(subset="low")
    for variant in dict.fromkeys(known["variant"]):
        rows = known[known["variant"] == variant].to_dict("records")
        told = [f"{row['metric']} ({row['difference']:+.3g})" for row in rows if row["told_apart"]]
        rest = [row["metric"] for row in rows if not row["told_apart"]]
        parts = [f"{', '.join(told)} can be told from zero"] if told else []
        if rest:
            parts.append(", ".join(rest) + (" cannot" if told else " cannot be told from zero"))
        sentences.append(f"{variant[0].upper()}{variant[1:]}: {'; '.join(parts)}.")
    return sentences


def render_comparison(table: pd.DataFrame) -> str:
    """Print :func:`comparison_with_average` as HTML; small p values as a bound."""

    def p_value(p: float) -> str:
        return "&lt; 0.0001" if p < 1e-4 else f"{p:.4f}"

    formats: dict[str, Callable[[float], str]] = {
        **dict.fromkeys(("difference", "low", "high"), "{:+.3g}".format),
        **dict.fromkeys(("first", "second"), "{:.4f}".format),
        "p_holm": p_value,
    }
    names = {"first": "network", "second": "average", "p_holm": "p (Holm)"}
    shown = table.assign(task=[get_task(task).folder for task in table["task"]])
    for column, form in formats.items():
        shown[column] = [form(value) for value in shown[column]]
    return _print_grid(shown.drop(columns=["pairs", "p"]).rename(columns=names), "html")


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
        One row a metric and convention, for the metrics with more than one: columns metric, convention, tau
        (Kendall's rank correlation of the methods' means with those under the default convention), order
        ("default", "same" or "changes") and one a method (means over the pairs).

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
            rows.append({"metric": metric.key, "convention": name, "tau": tau, "order": order, **values})
    return pd.DataFrame(rows)


def render_conventions(table: pd.DataFrame) -> str:
    """Print :func:`convention_table` as HTML."""
    shown = table.rename(columns={"metric": "Metric", "convention": "Convention", "order": "Ranking"})
    for column in shown.columns[4:]:
        shown[column] = [f"{value:.4f}" for value in shown[column]]
    return _print_grid(shown.assign(tau=[f"{tau:.2f}" for tau in shown["tau"]]), "html")


def ranking_changes(table: pd.DataFrame) -> str:
    """Name the metrics of a :func:`convention_table` under which the ranking of methods changes."""
    changed = table.query("order == 'changes'").groupby("metric", sort=False)["convention"].agg(", ".join)
    return "; ".join(f"{metric} ({names})" for metric, names in changed.items()) or "none"


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
    grid.insert(0, "Metric", [f"{metric} {_arrow(metric, form)}" for metric, _ in rows])
    grid.insert(1, "Method", [method for _, method in rows])
    return _print_grid(grid, form)


def _print_grid(grid: pd.DataFrame, form: str) -> str:
    """Print a frame of strings; a first column that repeats is printed once a group."""
    first = grid.columns[0]
    grid = grid.assign(**{first: grid[first].where(grid[first] != grid[first].shift(), "")})
    if form == "latex":
        return grid.to_latex(index=False, escape=False).rstrip("\n")
    if form == "html":
        return grid.to_html(index=False, escape=False, border=0, classes="comparison")
    if form != "md":
        raise WdualmineError(f"unknown form {form!r}; choose one of md, latex, html, csv")
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
