"""All systems in tables: metrics, ranks and what an observer finds, of a ranking; and cost."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from wdualmine.data import TASKS, get_task, volume_of
from wdualmine.evaluation import LIMIT
from wdualmine.methods import CLASSICAL, LEARNED, LIGHT, W_DUALMINE
from wdualmine.methods.authors import AUTHORS
from wdualmine.metrics import METRICS
from wdualmine.records import Run
from wdualmine_book.audit.tables import RIVALS
from wdualmine_book.printing import arrow, html_grid
from wdualmine_book.records import committed_runs
from wdualmine_book.recovery.html import with_interval
from wdualmine_book.recovery.record import ALONE, RANKING_METRICS, SUFFIX
from wdualmine_book.recovery.tables import survival, unseen_pairs, unseen_scores
from wdualmine_book.systems.cost import KIND as COST_KIND
from wdualmine_book.titles import title

#: The systems of others, each with its authors' weights.
OTHERS = tuple(method.name for method in AUTHORS)
RANKED = (*CLASSICAL, *LEARNED)
#: What shows through any measure: one source alone, and the average in a window.
TRIVIAL = ("first-source", "second-source", "windowed-average-2")
#: Metrics that a method's objective contains, or whose optimum it asks for. PSNR is best for the average,
#: which W-DUALMINE's first term asks for, and for small squared errors to both sources (SDNet, U2Fusion).
#: DenseFuse learns to rebuild photographs, by squared error and SSIM.
TRAINED_FOR = {
    W_DUALMINE.name: ("CC", "PSNR"),
    LIGHT.name: ("CC",),
    "densefuse": ("SSIM",),
    "densefuse-l1": ("SSIM",),
    "u2fusion": ("SSIM", "PSNR"),
    "sdnet": ("PSNR",),
}
#: Metrics that no method was trained for: the others would rank the objectives.
UNTRAINED = tuple(
    name for name in RANKING_METRICS if not any(name in names for names in TRAINED_FOR.values())
)
#: What the searching observer says in a record.
SEARCH, DETECTION = "search", "detectability"
#: Of an interval that is asked for both of these in either source on each task: 95 % are of all together.
ASKED = 1 - 0.05 / (4 * len(TASKS))
#: The stretched average in an audit.
STRETCHED = "blend-0.0"


def comparison_runs() -> list[Run]:
    """Give the committed records of ghosting and cost: those in ``results/comparison``."""
    return committed_runs("comparison")


def systems_table(run: Run) -> pd.DataFrame:
    """Tabulate a ranking: a row a method, the best worse-kept source first.

    Args:
        run: a ranking.

    Returns:
        Columns method; rank, the mean over volumes and :data:`UNTRAINED` metrics of its rank among the
        methods (1 is best by the metric's direction, ties shared); one a metric, the mean over the unseen
        pairs; and, for the luma's sources ``a`` and ``b``, and ``color``, source a in color, the
        share of the signals found in that source alone that is found in the fused image: ``a``, ``a_low``,
        ``a_high`` and so on, with ``worse``, the smaller of a and b. NaN where there is no value: the methods
        of :data:`TRIVIAL` have CC and shares alone, and grey tasks have no color.
    """
    scores = unseen_scores(run)
    ranked = scores[scores["method"].isin(RANKED)]
    ranks = pd.DataFrame(
        {name: (ranked[name] * -METRICS[name].sign).groupby(ranked["pair"]).rank() for name in UNTRAINED}
    )
    by_volume = ranks.mean(axis=1).groupby([ranked["method"], ranked["pair"].map(volume_of)]).mean()
    means = scores[scores["method"].isin((*RANKED, *TRIVIAL))].groupby("method")[list(RANKING_METRICS)].mean()
    table = means.assign(rank=by_volume.groupby("method").mean())
    table = table.join(found(run))
    table["worse"] = table[["a", "b"]].min(axis=1, skipna=False)
    return table.sort_values("worse", ascending=False).rename_axis("method").reset_index()


def found(run: Run, reference: str = ALONE, level: float = 0.95, statistic: str = SEARCH) -> pd.DataFrame:
    """Return which share of the signals found in a reference is found with each method; see systems_table.

    Args:
        run: a ranking.
        reference: "alone" for each source alone, or a method.
        level: of the intervals.
        statistic: another one in place of what is found.
    """
    parts: dict[str, pd.Series] = {}
    for view, sources in (("luma", {"a": "a", "b": "b"}), ("color", {"a": "color"})):
        table = survival(run, reference, view, level)
        for source, name in sources.items() if len(table) else ():
            own = table[(table["statistic"] == statistic) & (table["source"] == source)].set_index("method")
            parts |= {f"{name}{end}": own[f"share{end}"] for end in ("", "_low", "_high")}
    return pd.DataFrame(parts)


def limit_of(run: Run, metric: str) -> float:
    """Give the mean over :func:`unseen_pairs` of a metric's closed-form limit (CC or PSNR)."""
    scores = run.metrics[run.metrics["pair"].isin(unseen_pairs(run))]
    return float(scores.loc[scores["method"] == LIMIT, metric].mean())


class Findings(NamedTuple):
    """What a ranking says in short; the shares are those of the source that a method keeps less of.

    Attributes:
        light: the light network's share.
        average: the average's.
        best: that of the best of the systems of others.
        best_method: which it is.
        above: sources of which more is found in the light network's image than in the average, by intervals
            of :data:`ASKED`.
        clearer: sources in which d' is higher, likewise.
        light_gap: the light network's CC less the average's.
        low_gap: the least CC of the systems of others less the average's.
        high_gap: the highest.
        w_dualmine_gap: W-DUALMINE's.
    """

    light: float
    average: float
    best: float
    best_method: str
    above: list[str]
    clearer: list[str]
    light_gap: float
    low_gap: float
    high_gap: float
    w_dualmine_gap: float


def findings(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return :class:`Findings` of every ranking that has the light network and systems of others, by task."""
    rows = {}
    for task, run in runs.items():
        table = systems_table(run).set_index("method")
        others = table.loc[table.index.isin(OTHERS)]
        if others.empty or not {LIGHT.name, W_DUALMINE.name, "average"} <= set(table.index):
            continue
        gaps, worse = table["CC"] - table["CC"]["average"], table["worse"]
        found_more, clearer = (_ahead(run, statistic) for statistic in (SEARCH, DETECTION))
        rows[task] = Findings(
            light=worse[LIGHT.name],
            average=worse["average"],
            best=others["worse"].max(),
            best_method=str(others["worse"].idxmax()),
            above=found_more,
            clearer=clearer,
            light_gap=gaps[LIGHT.name],
            low_gap=gaps[others.index].min(),
            high_gap=gaps[others.index].max(),
            w_dualmine_gap=gaps[W_DUALMINE.name],
        )._asdict()
    return pd.DataFrame.from_dict(rows, orient="index")


def _ahead(run: Run, statistic: str) -> list[str]:
    """Name the sources in which the light network is above the average, by intervals of :data:`ASKED`."""
    beside = found(run, "average", ASKED, statistic).loc[LIGHT.name]
    modalities = zip("ab", get_task(run.info.task).modalities, strict=True)
    return [name for source, name in modalities if beside[f"{source}_low"] > 1]


def published_table(run: Run, audit: Run | None) -> pd.DataFrame:
    """Tabulate the fused images that authors published beside the average; all of them are stretched.

    Args:
        run: a ranking.
        audit: of the same task, for the average; None or one of other pairs leaves that row out.

    Returns:
        A row a method: columns method, and one a metric that all rows have, the means over all test pairs.
        Empty where the ranking has no such images.
    """
    own = run.metrics[run.metrics["method"].isin([f"{name}{SUFFIX}" for name in RIVALS])]
    names = list(RANKING_METRICS)
    if audit is not None and len(own):
        scores = audit.metrics
        average = scores[(scores["method"] == STRETCHED) & scores["stretch"].astype(bool)]
        if set(average["pair"]) == set(own["pair"]):
            names = [name for name in names if name in average]
            own = pd.concat([own, average.assign(method="average")])
    return own.groupby("method", sort=False)[names].mean().reset_index()


def render_published(table: pd.DataFrame) -> str:
    """Print :func:`published_table` as HTML."""
    return html_grid(
        pd.DataFrame(
            {"Method": title(row["method"])} | _metric_cells(row, [n for n in RANKING_METRICS if n in table])
            for row in table.to_dict("records")
        )
    )


def render_systems(table: pd.DataFrame, task: str) -> str:
    """Print :func:`systems_table` as an HTML table that a click on a head sorts.

    A dagger marks what a method was trained for.
    """
    first, second = get_task(task).modalities
    heads = {"a": f"Found {first}", "b": f"Found {second}", "color": f"Found {first}, in color"}
    rows = []
    for row in table.to_dict("records"):
        trained = TRAINED_FOR.get(row["method"], ())
        cells = {"Method": title(row["method"])}
        for name, head in heads.items():
            if name in table and table[name].notna().any():
                cells[f"{head} ↑"] = with_interval(*(row[f"{name}{end}"] for end in ("", "_low", "_high")))
        cells["Mean rank ↓"] = f"{row['rank']:.1f}" if row["rank"] == row["rank"] else "–"
        rows.append(cells | _metric_cells(row, RANKING_METRICS, trained))
    return html_grid(pd.DataFrame(rows), "comparison sortable")


def _metric_cells(
    row: Mapping[Any, Any], names: Sequence[str], trained: Sequence[str] = ()
) -> dict[str, str]:
    return {
        f"{name} {arrow(name, 'html')}": f"{row[name]:.4f}{'†' * (name in trained)}"
        if row[name] == row[name]
        else "–"
        for name in names
    }


def cost_table(run: Run) -> pd.DataFrame:
    """Tabulate a cost: a row a method, the cheapest first, as printed strings."""
    table = run.table("cost.csv").sort_values("processor_seconds")
    table = table.reindex(columns=table.columns.union(["parameters", "gflop"], sort=False))
    ratios = times_light(run)
    rows = []
    for row in table.to_dict("records"):
        has_network = row["parameters"] == row["parameters"]
        cells: dict[str, Any] = {
            "Method": title(row["method"]),
            "Parameters": f"{row['parameters']:,.0f}" if has_network else "–",
            "GFLOP": f"{row['gflop']:.1f}" if has_network else "–",
            "ms per pair": f"{1000 * row['processor_seconds']:,.2f}",
        }
        if len(ratios):
            cells["× light network"] = f"{ratios[row['method']]:,.2f}"
        rows.append(cells | {"Peak MiB": f"{row['peak_mib']:.0f}"})
    return pd.DataFrame(rows)


def times_light(run: Run) -> pd.Series:
    """Return by method how many times the light network's seconds it takes; empty if that is not measured."""
    seconds = run.table("cost.csv").set_index("method")["processor_seconds"]
    return seconds / seconds[LIGHT.name] if LIGHT.name in seconds else seconds[:0]


def cost_of(runs: Sequence[Run], device: str = "cpu") -> Run | None:
    """Pick the record of cost on a kind of device that measures the light network; None if there is none."""
    costs = (r for r in runs if r.info.kind == COST_KIND and r.info.device.startswith(device))
    return next((run for run in costs if len(times_light(run))), None)


def render_cost(table: pd.DataFrame) -> str:
    """Print :func:`cost_table` as an HTML table that a click on a head sorts."""
    return html_grid(table, "comparison sortable")
