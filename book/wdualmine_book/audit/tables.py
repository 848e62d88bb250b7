"""Tables of the audit: records in, frames out."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from wdualmine.data.tasks import get_task
from wdualmine.metrics import PAPER_METRICS
from wdualmine.records import Run
from wdualmine.report.scores import BLEND_TITLES, BLENDS, REFERENCED
from wdualmine.report.words import dominating
from wdualmine_book.audit.record import AUDIT_METRICS, BLACKENED, KIND, NOISE
from wdualmine_book.committed import paper_values, published_scores, records_by_task

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


def pair_scores(run: Run, method: str, stretch: bool = True) -> pd.DataFrame:
    """Scores of one method by pair, its seeds averaged; empty where it was not audited."""
    rows = run.metrics[(run.metrics["method"] == method) & (run.metrics["stretch"].astype(bool) == stretch)]
    return rows.drop(columns=["task", "split", "method", "stretch", "seed"]).groupby("pair").mean()


def mean_scores(run: Run, method: str, stretch: bool = True) -> pd.Series:
    """Means of one method over the pairs, NaN where it was not audited."""
    return pair_scores(run, method, stretch).mean()


def paper_row(task: str, row: str = PAPER, column: str = "mean") -> pd.Series:
    """What Tables 1 to 3 print for a row, by metric."""
    table = paper_values().query("task == @task and row == @row and table in (1, 2, 3)")
    return table.set_index("metric")[column]


def title(task: str) -> str:
    """The name of a task in print, such as CT-MRI."""
    return get_task(task).folder


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
            pairs = pair_scores(run, "blend-0.0", stretch)
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
    """Say which blends do at least as well as a method in every metric that compares with the sources.

    The means over the pairs are compared; those of the paper's row to its four printed decimals, and with the
    blends as they are as well as stretched. FMI is left out: the paper's variant is unknown.

    Returns:
        Columns task, method, metrics (compared), blends (names of the blends that do, in order), beaten
        (whether there is one that is better in at least one metric).
    """
    rows = []
    for task, run in runs.items():
        stretched = frontier_table(run).filter(like="blend-", axis=0)
        plain = pd.DataFrame({f"blend-{t:.1f}": mean_scores(run, f"blend-{t:.1f}", False) for t in BLENDS}).T
        plain.index = [f"{name}, not stretched" for name in plain.index]
        every = pd.concat([stretched, plain])
        rows.append((task, "paper", *dominating(paper_row(task), every.round(4), ("MI", "CC", "PSNR"))))
        for method in ("w-dualmine", "untrained", *RIVALS):
            scores = mean_scores(run, method)
            if pd.notna(scores.get("CC")):
                rows.append((task, method, *dominating(scores, stretched, REFERENCED)))
    return pd.DataFrame(rows, columns=["task", "method", "metrics", "blends", "beaten"])


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
        limit = pair_scores(run, "limit", False)[["CC", "PSNR"]]
        shown = {"closed-form limit": limit}
        for method, stretch in (
            ("blend-0.0", False),
            ("blend-0.0", True),
            ("w-dualmine", True),
            ("untrained", True),
            *((rival, True) for rival in RIVALS),
        ):
            name = NAMES[method] + (", stretched" if method == "blend-0.0" and stretch else "")
            shown[name] = pair_scores(run, method, stretch)[["CC", "PSNR"]]
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
            scores, black = mean_scores(run, method), mean_scores(run, method + BLACKENED)
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
