"""Tables of the audit: records in, frames out; and the frames as HTML."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from wdualmine.data.tasks import get_task
from wdualmine.methods.registry import WEIGHTS
from wdualmine.metrics import PAPER_METRICS
from wdualmine.records import Run
from wdualmine.report.scores import BLEND_TITLES, BLENDS, REFERENCED
from wdualmine_book.audit.record import AUDIT_METRICS, KIND, NOISE, ON_BLACK
from wdualmine_book.printing import by_task, experiment_of_weights, training_words
from wdualmine_book.records import paper_values, published_scores, records_by_task
from wdualmine_book.statistics import margin

PAPER = "W-DUALMINE"
RIVALS = {"adafuse": "AdaFuse", "asfe-fusion": "ASFE-Fusion"}
#: Decimals to print: as many as the differences between methods need.
DECIMALS = {
    "EN": 2, "MI": 2, "CC": 4, "PSNR": 2, "FMI": 3, "Qabf": 3, "SSIM": 3, "VIF": 3, "SCD": 2, "SD": 1,
}  # fmt: skip
NAMES = {
    **BLEND_TITLES,
    "w-dualmine": "W-DUALMINE, our weights",
    "untrained": "W-DUALMINE, untrained",
    "adverse-residual": "worst residual of Eq. 11",
    "limit": "closed-form limit",
    **RIVALS,
    **{f"noise-{k}": f"average, noise ±{k}" for k in NOISE},
}


def audit_runs(runs: Iterable[Run]) -> dict[str, Run]:
    """Pick the audit of each task, by task in the paper's order; the first one where there are several."""
    return records_by_task(runs, KIND)


def method_scores(run: Run, method: str, stretch: bool = True) -> pd.DataFrame:
    """Scores of one method by pair, its seeds averaged; empty where it was not audited."""
    rows = run.metrics[(run.metrics["method"] == method) & (run.metrics["stretch"].astype(bool) == stretch)]
    return rows.drop(columns=["task", "split", "method", "stretch", "seed"]).groupby("pair").mean()


def mean_scores(run: Run, method: str, stretch: bool = True) -> pd.Series:
    """Means of one method over the pairs, NaN where it was not audited."""
    return method_scores(run, method, stretch).mean()


def paper_row(task: str, row: str = PAPER, column: str = "mean") -> pd.Series:
    """What Tables 1 to 3 print for a row, by metric."""
    table = paper_values().query("task == @task and row == @row and table in (1, 2, 3)")
    return table.set_index("metric")[column]


def published_table() -> pd.DataFrame:
    """Set our scores of the published images beside the paper's rows for the same methods.

    Returns:
        Columns task, method, metric, paper, paper_std, ours, ours_std, agree (mean and deviation are equal to
        the four printed decimals).
    """
    ours = published_scores().groupby(["task", "method"], sort=False)[list(PAPER_METRICS)]
    rows = []
    for key, scores in ours:
        task, method = map(str, key)
        for metric in PAPER_METRICS:
            values = scores[metric].mean(), scores[metric].std(ddof=0)
            printed = paper_row(task, method)[metric], paper_row(task, method, "std")[metric]
            agree = all(f"{x:.4f}" == f"{y:.4f}" for x, y in zip(values, printed, strict=True))
            rows.append((task, method, metric, *printed, *values, agree))
    columns = ["task", "method", "metric", "paper", "paper_std", "ours", "ours_std", "agree"]
    return pd.DataFrame(rows, columns=columns)


def average_table(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Set the plain average beside the paper's W-DUALMINE row: columns task, row, metric, mean, std."""
    parts = []
    for task, run in runs.items():
        parts.append(_tall(paper_row(task), paper_row(task, column="std"), task, "the paper's W-DUALMINE"))
        for stretch, name in ((True, "average, stretched"), (False, "average")):
            pairs = method_scores(run, "blend-0.0", stretch)
            parts.append(_tall(pairs.mean(), pairs.std(ddof=0), task, name))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _tall(mean: pd.Series, std: pd.Series, task: str, row: str) -> pd.DataFrame:
    metrics = [metric for metric in PAPER_METRICS if pd.notna(mean.get(metric))]
    return pd.DataFrame(
        {"task": task, "row": row, "metric": metrics, "mean": mean[metrics].array, "std": std[metrics].array}
    )


def frontier_table(run: Run, blends: Sequence[float] = BLENDS) -> pd.DataFrame:
    """Means of the stretched blends and of the methods: index method, columns the metrics of the audit."""
    methods = [*(f"blend-{t:.1f}" for t in blends), "w-dualmine", "untrained", *RIVALS]
    means = {method: mean_scores(run, method)[list(AUDIT_METRICS)] for method in methods}
    return pd.DataFrame({name: row for name, row in means.items() if row.notna().any()}).T


def dominance_table(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Say which blends beat a method: lower in no metric that looks at the sources, and higher in one.

    The means over the pairs are compared, all of stretched images; a difference within the margin
    (:data:`wdualmine_book.statistics.MARGIN`) is none. FMI is left out: the paper's variant is unknown.

    Returns:
        Columns task, method, metrics (compared), blends (names of those that beat the method, in order).
    """
    rows = []
    for task, run in runs.items():
        stretched = frontier_table(run).filter(like="blend-", axis=0)
        rows.append((task, "paper", *dominating(paper_row(task), stretched, ("MI", "CC", "PSNR"))))
        for method in ("w-dualmine", "untrained", *RIVALS):
            scores = mean_scores(run, method)
            if pd.notna(scores.get("CC")):
                rows.append((task, method, *dominating(scores, stretched, REFERENCED)))
    return pd.DataFrame(rows, columns=["task", "method", "metrics", "blends"])


def dominating(scores: pd.Series, blends: pd.DataFrame, metrics: Sequence[str]) -> tuple[str, list[str]]:
    """Return the metrics compared, and the names of the blends that beat a method.

    Args:
        scores: means of a method.
        blends: means of blends, a row each.
        metrics: keys, of metrics whose higher values are better.
    """
    gains = blends[list(metrics)] - scores[list(metrics)].astype(float)
    least = pd.Series({key: margin(key) for key in metrics})
    beats = (gains >= -least).all(axis=1) & (gains > least).any(axis=1)
    return ", ".join(metrics), list(gains.index[beats])


def untrained_table(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Means of untrained networks, one row a seed, beside the trained one: index (task, row)."""
    rows = {}
    for task, run in runs.items():
        rows[task, "the paper's W-DUALMINE"] = paper_row(task)
        rows[task, NAMES["w-dualmine"]] = mean_scores(run, "w-dualmine")
        untrained = run.metrics.query("method == 'untrained' and stretch")
        for seed, scores in untrained.groupby("seed"):
            rows[task, f"untrained, seed {seed:.0f}"] = scores[list(PAPER_METRICS)].mean()
        rows[task, "average, stretched"] = mean_scores(run, "blend-0.0")
    return pd.DataFrame({key: row[list(PAPER_METRICS)].astype(float) for key, row in rows.items()}).T


def limits_table(runs: Mapping[str, Run]) -> pd.DataFrame:
    """How far methods stay below the closed-form limits.

    Returns:
        Index (task, row); columns CC, CC gap, PSNR, PSNR gap. A gap is the mean over the pairs of the limit
        less the score; for the paper's rows, of which only means are known, the difference of the means.
    """
    rows = {}
    for task, run in runs.items():
        limit = method_scores(run, "limit", False)[["CC", "PSNR"]]
        shown = {"closed-form limit": limit}
        for method, stretch in (
            ("blend-0.0", False),
            ("blend-0.0", True),
            ("w-dualmine", True),
            ("untrained", True),
            *((rival, True) for rival in RIVALS),
        ):
            name = NAMES[method] + (", stretched" if method == "blend-0.0" and stretch else "")
            shown[name] = method_scores(run, method, stretch)[["CC", "PSNR"]]
        for name, scores in shown.items():
            if len(scores):
                rows[task, name] = _with_gaps(scores.mean(), limit.mean())
        rows[task, "the paper's W-DUALMINE"] = _with_gaps(paper_row(task)[["CC", "PSNR"]], limit.mean())
    return pd.DataFrame(rows).T


def _with_gaps(scores: pd.Series, limit: pd.Series) -> dict[str, float]:
    return {
        column: value
        for metric in ("CC", "PSNR")
        for column, value in ((metric, scores[metric]), (f"{metric} gap", limit[metric] - scores[metric]))
    }


def stretch_table(runs: Mapping[str, Run], metrics: Sequence[str] = PAPER_METRICS[:4]) -> pd.DataFrame:
    """What the stretch to the full range does: index (task, method), columns (metric, how it was saved)."""
    rows = {}
    for task, run in runs.items():
        for method in ("blend-0.0", "blend-1.0", "w-dualmine", "untrained"):
            plain, stretched = (mean_scores(run, method, stretch) for stretch in (False, True))
            rows[task, NAMES[method]] = {
                (metric, name): scores[metric]
                for metric in metrics
                for name, scores in (("as is", plain), ("stretched", stretched))
            }
    return pd.DataFrame(rows).T


def background_table(runs: Mapping[str, Run]) -> pd.DataFrame:
    """What stands in the background, and what the scores are once it is black.

    Returns:
        Index (task, method); columns background_mean, background_nonzero, and for EN, MI, CC and SSIM the
        value and, as ``METRIC, black``, that of the image with its background set to black (NaN for the
        constructed examples, which are the average then).
    """
    rows = {}
    methods = ["blend-0.0", *(f"noise-{k}" for k in NOISE), "untrained", "w-dualmine", *RIVALS]
    for task, run in runs.items():
        for method in methods:
            scores, black = mean_scores(run, method), mean_scores(run, method + ON_BLACK)
            if pd.isna(scores.get("EN")):
                continue
            rows[task, NAMES[method]] = {
                "background_mean": scores["background_mean"],
                "background_nonzero": scores["background_nonzero"],
                **{
                    column: values[metric]
                    for metric in ("EN", "MI", "CC", "SSIM")
                    for column, values in ((metric, scores), (f"{metric}, black", black))
                },
            }
    return pd.DataFrame(rows).T


def average_gaps(runs: Mapping[str, Run]) -> pd.DataFrame:
    """The stretched average less the paper's W-DUALMINE: a row a metric, a column a task."""
    return pd.DataFrame({task: mean_scores(run, "blend-0.0") - paper_row(task) for task, run in runs.items()})


def untrained_gaps(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return untrained networks less the paper's W-DUALMINE, a row per task and seed: columns MI, CC, PSNR.

    Three more columns say whether a network's MI is above AdaFuse's ("above AdaFuse") and the paper's own
    ("above the paper"), and whether its CC is below both rivals' ("below in CC").
    """
    parts = []
    for task, run in runs.items():
        seeds = _untrained(run)
        lowest = min(paper_row(task, rival)["CC"] for rival in RIVALS.values())
        counted = {
            "above AdaFuse": seeds["MI"] > paper_row(task, "AdaFuse")["MI"],
            "above the paper": seeds["MI"] > paper_row(task)["MI"],
            "below in CC": seeds["CC"] < lowest,
        }
        parts.append((seeds - paper_row(task)[seeds.columns].astype(float)).assign(**counted))
    return pd.concat(parts, keys=list(runs))


def training_changes(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return by task how our trained weights' MI, CC and PSNR differ from the untrained seeds' mean."""
    changes = {}
    for task, run in runs.items():
        before = _untrained(run).mean()
        changes[task] = mean_scores(run, "w-dualmine")[before.index] - before
    return pd.DataFrame(changes).T


def _untrained(run: Run) -> pd.DataFrame:
    """Return the means over the pairs, a row per seed of the untrained network."""
    return run.metrics.query("method == 'untrained' and stretch").groupby("seed")[["MI", "CC", "PSNR"]].mean()


def stretch_changes(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return what the stretch alone changes in the plain average, a row per task and a column per metric."""
    changes = {
        task: mean_scores(run, "blend-0.0") - mean_scores(run, "blend-0.0", False)
        for task, run in runs.items()
    }
    return pd.DataFrame(changes).T


def correlation_gaps(limits: pd.DataFrame) -> pd.DataFrame:
    """Return how close the methods of the paper's tables are in CC, from :func:`limits_table`.

    Returns:
        A row per task: columns spread (their largest difference) and gap (the largest to the limit).
    """
    gaps = limits["CC gap"]
    known = gaps[gaps.index.get_level_values(1).isin([*RIVALS.values(), "the paper's W-DUALMINE"])]
    by_task = known.groupby(level=0, sort=False)
    return pd.DataFrame({"spread": by_task.max() - by_task.min(), "gap": by_task.max()})


def rows_of(table: pd.DataFrame, methods: Iterable[str]) -> pd.DataFrame:
    """Return the rows of methods, by name, of a table whose index is (task, printed name)."""
    return table[table.index.get_level_values(1).isin([NAMES[method] for method in methods])]


def weights_label(runs: Mapping[str, Run]) -> str:
    """Print how the package's weights of the audited tasks were trained: preset, length and widths."""
    experiments = {task: experiment_of_weights(WEIGHTS / f"{task}.safetensors") for task in runs}
    labels = {
        task: f"preset {e.preset}, seed {e.seed}, {training_words(e)}" for task, e in experiments.items()
    }
    return by_task(labels) or "none"


def render_frame(table: pd.DataFrame, decimals: int | Mapping[str, int] = 4, missing: str = "–") -> str:
    """Print a table of means as HTML, its index as the first columns, each group's name once.

    Args:
        table: index (task, row) or (row,), one column a number; columns may have two levels.
        decimals: for all columns, or by column.
        missing: what to print for NaN.
    """

    def text(values: pd.Series) -> list[str]:
        places = decimals if isinstance(decimals, int) else decimals[str(values.name)]
        return [missing if pd.isna(value) else f"{value:.{places}f}" for value in values]

    if table.empty:
        return ""
    grid = pd.DataFrame({column: text(table[column]) for column in table}, index=table.index)
    if isinstance(grid.index, pd.MultiIndex):
        grid.index = pd.MultiIndex.from_tuples([(get_task(task).folder, row) for task, row in grid.index])
    return _styled(grid)


def render_means(table: pd.DataFrame) -> str:
    """Print a frame of task, row, metric, mean and std as HTML: a row a task and metric, a column a row."""
    cells: dict[str, dict[tuple[str, str], str]] = {}
    for row in table.to_dict("records"):
        key = get_task(row["task"]).folder, row["metric"]
        cells.setdefault(row["row"], {})[key] = f"{row['mean']:.4f} ± {row['std']:.4f}"
    return _styled(pd.DataFrame(cells).fillna("–"))


def render_published(table: pd.DataFrame) -> str:
    """Print :func:`published_table` as HTML; what agrees to four decimals is bold."""
    cells: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for row in table.to_dict("records"):
        for name in ("paper", "ours"):
            text = f"{row[name]:.4f} ± {row[name + '_std']:.4f}"
            column = cells.setdefault((row["method"], name), {})
            column[get_task(row["task"]).folder, row["metric"]] = (
                f"<strong>{text}</strong>" if row["agree"] else text
            )
    return _styled(pd.DataFrame(cells))


def render_frontier(table: pd.DataFrame) -> str:
    """Print :func:`frontier_table` as HTML."""
    return render_frame(table.rename(index=NAMES), DECIMALS)


def render_stretch(table: pd.DataFrame) -> str:
    """Print :func:`stretch_table` as HTML."""
    metrics = map(str, table.columns.get_level_values(0))
    columns = map(str, table.columns)
    return render_frame(table, {column: DECIMALS[key] for column, key in zip(columns, metrics, strict=True)})


def render_dominance(table: pd.DataFrame) -> str:
    """Print :func:`dominance_table` as HTML: for each method and task the blends that beat it."""
    cells: dict[str, dict[str, str]] = {}
    for row in table.to_dict("records"):
        name = "the paper's W-DUALMINE" if row["method"] == "paper" else NAMES[row["method"]]
        beaten = "; ".join(NAMES[blend] for blend in row["blends"]) or "none"
        cells.setdefault(get_task(row["task"]).folder, {})[f"{name}, in {row['metrics']}"] = beaten
    return _styled(pd.DataFrame(cells).fillna("–"))


def render_background(table: pd.DataFrame) -> str:
    """Print :func:`background_table` as HTML."""
    shown = table.drop(columns=["CC", "CC, black"])  # they hardly move
    shown["background_nonzero"] *= 100
    shown = shown.rename(columns={"background_mean": "mean", "background_nonzero": "not black (%)"})
    names = map(str, shown.columns)
    decimals = {name: 3 if name.startswith("SSIM") else 0 if "%" in name else 2 for name in names}
    return render_frame(shown, decimals)


def _styled(grid: pd.DataFrame) -> str:
    return grid.style.set_table_attributes('class="comparison"').to_html()
