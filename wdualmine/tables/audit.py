"""Tables of the audit: records in, frames, sentences and printed forms out."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from wdualmine.audit import BLACKENED, BLENDS, KIND, METRICS, NOISE
from wdualmine.data.tasks import get_task
from wdualmine.methods.learned import WEIGHTS
from wdualmine.metrics import PAPER_METRICS
from wdualmine.records import Run, read_tensors
from wdualmine.tables.committed import paper_values, published_scores, records_by_task
from wdualmine.tables.printing import by_task, training_words

PAPER = "W-DUALMINE"
RIVALS = {"adafuse": "AdaFuse", "asfe-fusion": "ASFE-Fusion"}
#: Metrics that compare the fused image with its sources; EN and SD look at the fused image alone.
REFERENCED = ("MI", "CC", "PSNR", "Qabf", "SSIM", "VIF", "SCD")
#: Decimals to print: as many as the differences between methods need.
DECIMALS = {
    "EN": 2, "MI": 2, "CC": 4, "PSNR": 2, "FMI": 3, "Qabf": 3, "SSIM": 3, "VIF": 3, "SCD": 2, "SD": 1,
}  # fmt: skip
NAMES = {
    "blend-0.0": "average",
    "blend-1.0": "maximum",
    "w-dualmine": "W-DUALMINE, our weights",
    "untrained": "W-DUALMINE, untrained",
    "adverse-residual": "worst residual of Eq. 11",
    "limit": "closed-form limit",
    **RIVALS,
    **{f"blend-{t:.1f}": f"blend, t = {t:.1f}" for t in BLENDS[1:-1]},
    **{f"noise-{k}": f"average, noise ±{k}" for k in NOISE},
}


def weights_label(runs: Mapping[str, Run]) -> str:
    """Say how the package's weights of the audited tasks were trained: preset, length and widths."""
    experiments = {task: read_tensors(WEIGHTS / f"{task}.safetensors")[1]["experiment"] for task in runs}
    labels = {
        task: f"preset {e['preset']}, seed {e['seed']}, {training_words(e)}"
        for task, e in experiments.items()
    }
    return by_task(labels) or "none"


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


# ----------------------------------------------------------------------------------------------------
# Tables


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
    means = {method: mean_scores(run, method)[list(METRICS)] for method in methods}
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


def dominating(
    scores: pd.Series, blends: pd.DataFrame, metrics: Sequence[str]
) -> tuple[str, list[str], bool]:
    """The metrics compared, the blends that are as good in all of them, and whether one is better in any.

    Args:
        scores: means of a method.
        blends: means of blends, a row each.
        metrics: keys, of metrics whose higher values are better.
    """
    gains = blends[list(metrics)] - scores[list(metrics)].astype(float)
    as_good = gains[(gains >= 0).all(axis=1)]
    return ", ".join(metrics), list(as_good.index), bool((as_good > 0).any(axis=None))


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


# ----------------------------------------------------------------------------------------------------
# Sentences


def _span(values: pd.Series, form: str) -> str:
    return f"{values.min():{form}} to {values.max():{form}}"


def published_sentence(table: pd.DataFrame) -> str:
    """Say how many values of :func:`published_table` agree, and by how much the others differ."""
    known, fmi = table[table["metric"] != "FMI"], table[table["metric"] == "FMI"]
    largest = (known["paper"] - known["ours"]).abs().max()
    return (
        f"In EN, MI, CC and PSNR, {known['agree'].sum()} of {len(known)} means and deviations agree to the "
        f"four printed decimals; the largest difference of two means is {largest:.5f}. "
        f"In FMI, {fmi['agree'].sum()} of {len(fmi)} agree."
    )


def average_gaps(runs: Mapping[str, Run]) -> pd.DataFrame:
    """The stretched average less the paper's W-DUALMINE: a row a metric, a column a task."""
    return pd.DataFrame({task: mean_scores(run, "blend-0.0") - paper_row(task) for task, run in runs.items()})


def average_sentence(runs: Mapping[str, Run]) -> str:
    """Say how far the stretched average is from the paper's W-DUALMINE row."""
    gaps = average_gaps(runs)
    most = gaps.abs().max(axis=1)
    return (
        f"The stretched average differs from the paper's W-DUALMINE by at most {most['CC']:.5f} in CC and "
        f"{most['PSNR']:.4f} dB in PSNR. Its MI is higher on {(gaps.loc['MI'] > 0).sum()} of {len(runs)} "
        f"tasks, its EN lower on {(gaps.loc['EN'] < 0).sum()}."
    )


def dominance_sentences(table: pd.DataFrame) -> list[str]:
    """Say for each method of :func:`dominance_table` on which tasks a blend beats it."""
    sentences = []
    for method, rows in table.groupby("method", sort=False):
        name = "The paper's W-DUALMINE" if method == "paper" else NAMES[str(method)]
        beaten = [
            f"{title(row['task'])} ({', '.join(map(_blend_name, row['blends']))})"
            for row in rows.to_dict("records")
            if row["beaten"]
        ]
        where = "on " + ", ".join(beaten) if beaten else f"on none of {len(rows)} tasks"
        sentences.append(f"{name}, in {rows['metrics'].iloc[0]}: {where}.")
    return sentences


def _blend_name(blend: str) -> str:
    method, *rest = blend.split(", ")
    return ", ".join([NAMES[method], *(rest or ["stretched"])])


def untrained_sentence(runs: Mapping[str, Run]) -> str:
    """Say how far the untrained networks are from the paper's rows."""
    metrics = ["MI", "CC", "PSNR"]
    gaps, low_mi, low_cc = [], 0, 0
    for task, run in runs.items():
        seeds = _untrained(run, metrics)
        gaps.append(seeds - paper_row(task)[metrics].astype(float))
        low_mi += int((seeds["MI"] < paper_row(task, "AdaFuse")["MI"]).sum())
        low_cc += int((seeds["CC"] < min(paper_row(task, rival)["CC"] for rival in RIVALS.values())).sum())
    gap = pd.concat(gaps)
    return (
        f"Untrained, the network differs from the paper's row by {_span(gap['MI'], '+.2f')} bit in MI, "
        f"{_span(gap['CC'], '+.4f')} in CC and {_span(gap['PSNR'], '+.2f')} dB in PSNR. Of {len(gap)} such "
        f"networks {low_mi} stay below AdaFuse in MI and {low_cc} below both rivals in CC."
    )


def training_sentence(runs: Mapping[str, Run]) -> str:
    """Say what training changed against the mean of the untrained networks."""
    metrics = ["MI", "CC", "PSNR"]
    change = pd.DataFrame(
        [mean_scores(run, "w-dualmine")[metrics] - _untrained(run, metrics).mean() for run in runs.values()]
    )
    return (
        f"Against the mean over the untrained seeds, our trained weights change MI by "
        f"{_span(change['MI'], '+.2f')} bit, CC by {_span(change['CC'], '+.4f')} and PSNR by "
        f"{_span(change['PSNR'], '+.2f')} dB."
    )


def _untrained(run: Run, metrics: Sequence[str]) -> pd.DataFrame:
    """Means over the pairs, a row a seed of the untrained network."""
    return run.metrics.query("method == 'untrained' and stretch").groupby("seed")[list(metrics)].mean()


def limits_sentence(runs: Mapping[str, Run]) -> str:
    """Say how little room the limit of CC leaves to tell the methods of the paper's tables apart."""
    parts = []
    for task, run in runs.items():
        gaps = limits_table({task: run})["CC gap"].droplevel(0)
        gaps = gaps[gaps.index.isin([*RIVALS.values(), "the paper's W-DUALMINE"])]
        parts.append(
            f"{title(task)}: within {gaps.max() - gaps.min():.4f} of each other and {gaps.max():.4f} of the "
            "limit"
        )
    return f"The methods of the paper's tables in CC. {'; '.join(parts)}."


def stretch_sentence(runs: Mapping[str, Run]) -> str:
    """Say what the stretch alone does to the plain average."""
    changes = pd.DataFrame(
        [mean_scores(run, "blend-0.0") - mean_scores(run, "blend-0.0", False) for run in runs.values()]
    )
    return (
        "Stretching the plain average, which puts nothing into it from the sources, changes EN by "
        f"{_span(changes['EN'], '+.2f')} bit, MI by {_span(changes['MI'], '+.2f')} bit, CC by "
        f"{_span(changes['CC'], '+.4f')} and PSNR by {_span(changes['PSNR'], '+.2f')} dB."
    )


def background_sentence(runs: Mapping[str, Run]) -> str:
    """Say how much of EN and SSIM the background makes, for the published images and for added noise."""
    table = background_table(runs)
    names = table.index.get_level_values(1)
    noise = table[names == NAMES[f"noise-{NOISE[1]}"]].droplevel(1)
    gain = noise - table[names == NAMES["blend-0.0"]].droplevel(1)
    made = (
        f"Noise of ±{NOISE[1]} grey levels in the background raises the EN of the average by "
        f"{_span(gain['EN'], '.2f')} bit and moves its CC by at most {gain['CC'].abs().max():.4f}."
    )
    rivals = table[names.isin(list(RIVALS.values()))]
    if rivals.empty:
        return made
    fall, rise = rivals["EN"] - rivals["EN, black"], rivals["SSIM, black"] - rivals["SSIM"]
    moved = (rivals["MI, black"] - rivals["MI"]).abs().max()
    return (
        f"In the published images {_span(rivals['background_nonzero'], '.0%')} of the background is not "
        f"black. Once it is, their EN is lower by {_span(fall, '.2f')} bit and their SSIM higher by "
        f"{_span(rise, '.2f')}, while their MI moves by at most {moved:.2f} bit. {made}"
    )


# ----------------------------------------------------------------------------------------------------
# Printed forms


def render(table: pd.DataFrame, decimals: int | Mapping[str, int] = 4, missing: str = "–") -> str:
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
        grid.index = pd.MultiIndex.from_tuples([(title(task), row) for task, row in grid.index])
    return _styled(grid)


def render_means(table: pd.DataFrame) -> str:
    """Print a frame of task, row, metric, mean and std as HTML: a row a task and metric, a column a row."""
    cells: dict[str, dict[tuple[str, str], str]] = {}
    for row in table.to_dict("records"):
        key = title(row["task"]), row["metric"]
        cells.setdefault(row["row"], {})[key] = f"{row['mean']:.4f} ± {row['std']:.4f}"
    return _styled(pd.DataFrame(cells).fillna("–"))


def render_published(table: pd.DataFrame) -> str:
    """Print :func:`published_table` as HTML; what agrees to four decimals is bold."""
    cells: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for row in table.to_dict("records"):
        for name in ("paper", "ours"):
            text = f"{row[name]:.4f} ± {row[name + '_std']:.4f}"
            column = cells.setdefault((row["method"], name), {})
            column[title(row["task"]), row["metric"]] = f"<strong>{text}</strong>" if row["agree"] else text
    return _styled(pd.DataFrame(cells))


def render_frontier(table: pd.DataFrame) -> str:
    """Print :func:`frontier_table` as HTML."""
    return render(table.rename(index=NAMES), DECIMALS)


def render_stretch(table: pd.DataFrame) -> str:
    """Print :func:`stretch_table` as HTML."""
    metrics = map(str, table.columns.get_level_values(0))
    columns = map(str, table.columns)
    return render(table, {column: DECIMALS[key] for column, key in zip(columns, metrics, strict=True)})


def _styled(grid: pd.DataFrame) -> str:
    return grid.style.set_table_attributes('class="comparison"').to_html()


def render_background(table: pd.DataFrame) -> str:
    """Print :func:`background_table` as HTML."""
    shown = table.drop(columns=["CC", "CC, black"])  # they hardly move
    shown["background_nonzero"] *= 100
    shown = shown.rename(columns={"background_mean": "mean", "background_nonzero": "not black (%)"})
    names = map(str, shown.columns)
    decimals = {name: 3 if name.startswith("SSIM") else 0 if "%" in name else 2 for name in names}
    return render(shown, decimals)
