"""The tables of what survives fusion in print."""

from collections.abc import Mapping

import pandas as pd

from wdualmine.data.tasks import get_task
from wdualmine.methods import LIGHT, W_DUALMINE
from wdualmine.records import Run
from wdualmine_book.printing import print_grid
from wdualmine_book.recovery.detector import detector_table
from wdualmine_book.recovery.record import ALONE, RANKING_METRICS
from wdualmine_book.recovery.study import OWN
from wdualmine_book.recovery.tables import (
    DETAILS,
    RANKED,
    WINDOWS,
    beside,
    best_of,
    color_table,
    correlation,
    field_metrics,
    goals,
    modalities,
    noise_gains,
    scales,
    seeds_table,
    wide,
)
from wdualmine_book.titles import title

#: Methods that stand for the others.
FEW = (
    "average", "maximum", "laplacian-pyramid", "detail-average", "ifcnn", "sdnet",
    W_DUALMINE.name, LIGHT.name,
)  # fmt: skip

#: What a scan is called where a table has a row a task.
SCANS = {"a": "first scan", "b": "MRI"}


def render_survival(run: Run, few: bool = False, form: str = "html") -> str:
    """Print what each method shows of both scans, best first by the search of the worse kept one.

    Args:
        run: a ranking.
        few: leave out all but :data:`FEW`, the best rule and the light network's largest residual scale.
        form: "html", "md" or "latex".
    """
    gap = correlation(run)
    share, low, high = (wide(run, "search", column) for column in ("share", "share_low", "share_high"))
    columns = {
        "d′": (wide(run, "detectability", "share", "average"), ".2f"),
        "Hotelling d′": (wide(run, "hotelling", "share", "average"), ".2f"),
        "contrast": (wide(run, "recovery", "value"), ".2f"),
        "lost": (wide(run, "lost", "value"), ".1%"),
    }
    chosen = [*FEW] if few else [*RANKED, best_of(run, WINDOWS)]
    chosen += [scales()[-1], best_of(run, DETAILS)]
    rows = []
    for name in share[share.index.isin(chosen)].sort_values("worse", ascending=False).index:
        row = {"Method": title(name)}
        for source, modality in modalities(run.info.task).items():
            ends = (table[source][name] for table in (share, low, high))
            row[f"{modality}: found"] = with_interval(*ends)
        for column, (table, digits) in columns.items():
            values = (table[source][name] for source in "ab")
            row[column] = ", ".join(f"{x:{digits}}" if x == x else "–" for x in values)
        rows.append(row | {"CC": f"{gap[name] - gap['average']:+z.4f}"})
    return print_grid(pd.DataFrame(rows), form)


def render_goals(runs: Mapping[str, Run], form: str = "html") -> str:
    """Print what was asked of the light network, and what is."""
    rows = [
        {
            "Task": get_task(task).folder,
            "Asked": goal.goal,
            "Light network": goal.value,
            "": "reached" if goal.reached else "missed",
        }
        for task, run in runs.items()
        for goal in goals(run)
    ]
    return print_grid(pd.DataFrame(rows), form)


def render_seeds(runs: Mapping[str, Run], form: str = "html") -> str:
    """Print the light network seed by seed."""
    rows = [
        {
            "Task": get_task(task).folder,
            "Seed": row["seed"],
            "found": f"{row['search_a']:.2f}, {row['search_b']:.2f}",
            "d′": f"{row['d_a']:.2f}, {row['d_b']:.2f}",
            "contrast": f"{row['contrast_a']:.2f}, {row['contrast_b']:.2f}",
            "CC": f"{row['CC']:+z.4f}",
        }
        for task, run in runs.items()
        for row in seeds_table(run).to_dict("records")
    ]
    return print_grid(pd.DataFrame(rows), form)


def render_beside(runs: Mapping[str, Run], form: str = "html") -> str:
    """Print the light network's search and d' over those of the best rule at such a CC, a row a task."""
    rows = []
    for task, run in runs.items():
        cells = {"Task": get_task(task).folder, "Rule": title(best_of(run, DETAILS))}
        for name, row in beside(run, best_of(run, DETAILS)).items():
            statistic, source = name.split()
            label = {"search": "found", "detectability": "d′"}[statistic]
            cells[f"{label}, {SCANS[source]}"] = with_interval(*row)
        rows.append(cells)
    return print_grid(pd.DataFrame(rows), form)


def render_agreement(tables: Mapping[str, pd.DataFrame], form: str = "html") -> str:
    """Print how each metric's order agrees with that of search, by task."""
    rows = [
        {
            "Task": get_task(task).folder,
            "Metric": row["metric"],
            "Spearman": f"{row['correlation']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})",
            "ranks first": title(row["first"]),
        }
        for task, table in tables.items()
        for row in table.to_dict("records")
    ]
    return print_grid(pd.DataFrame(rows), form)


def render_color(runs: Mapping[str, Run], form: str = "html") -> str:
    """Print what is found of a change of uptake in luma and in color."""
    rows = [
        {
            "Task": get_task(task).folder,
            "Method": title(name),
            "in luma": f"{row['luma']:.2f}",
            "in color": f"{row['color']:.2f}",
        }
        for task, run in runs.items()
        for name, row in color_table(run).iterrows()
        if name in FEW
    ]
    return print_grid(pd.DataFrame(rows), form)


def render_field_metrics(runs: Mapping[str, Run], form: str = "html") -> str:
    """Print what the field's metrics say of a few methods, by task."""
    rows = [
        {"Task": get_task(task).folder, "Method": title(str(name))}
        | {metric: f"{row[metric]:.3f}" for metric in RANKING_METRICS}
        for task, run in runs.items()
        for name, row in field_metrics(run, FEW).iterrows()
    ]
    return print_grid(pd.DataFrame(rows), form)


def render_noise(runs: Mapping[str, Run], form: str = "html") -> str:
    """Print the gain of noise in either source."""
    table = noise_gains(runs)
    rows = [
        {"Task": get_task(task).folder, "Method": title(str(name))}
        | {scan: f"{row[task, source]:.2f}" for source, scan in SCANS.items()}
        for task in runs
        for name, row in table.iterrows()
    ]
    return print_grid(pd.DataFrame(rows), form)


def render_choices(table: pd.DataFrame, form: str = "html") -> str:
    """Print :func:`~wdualmine_book.recovery.study.choices_table`."""
    rows = [
        {
            "Choice": row["title"],
            "found": f"{row['search']:.2f}",
            "d′": f"{row['detection']:.2f}",
            "contrast": f"{row['contrast']:.2f}",
            "CC": f"{row['CC']:+z.4f}",
        }
        for row in table.to_dict("records")
    ]
    return print_grid(pd.DataFrame(rows), form)


def render_bound(table: pd.DataFrame, form: str = "html") -> str:
    """Print :func:`~wdualmine_book.recovery.study.bound_table`, d' over the average's of the same pairs."""
    rows = []
    for task, own in table.groupby("task", sort=False):
        average = own.set_index("method").loc["average"]
        for row in own[own["method"] != "average"].to_dict("records"):
            ratios = [row[f"detectability_{s}"] / average[f"detectability_{s}"] for s in "ab"]
            rows.append(
                {
                    "Task": get_task(str(task)).folder,
                    "Network": "of the pair alone" if row["method"] == OWN else "of all volumes",
                    "d′": ", ".join(f"{ratio:.2f}" for ratio in ratios),
                    "CC": f"{row['CC'] - average['CC']:+z.4f}",
                }
            )
    return print_grid(pd.DataFrame(rows), form)


def render_reader(runs: Mapping[str, Run], form: str = "html") -> str:
    """Print what a trained reader finds, as a share of what it finds in each scan alone."""
    rows = []
    for task, run in runs.items():
        table = detector_table(run)
        for name, row in table.drop(index=ALONE).iterrows():
            cells = {
                f"found, {scan}": with_interval(*(row[f"{source}{end}"] for end in ("", "_low", "_high")))
                for source, scan in SCANS.items()
            }
            rows.append({"Task": get_task(task).folder, "Method": title(str(name))} | cells)
    return print_grid(pd.DataFrame(rows), form)


def with_interval(value: float, low: float, high: float) -> str:
    """Print a share or ratio, which is at least 0, with its interval where it has one; "–" for NaN."""
    if value != value:
        return "–"
    return f"{value:.2f} ({max(low, 0):.2f}–{high:.2f})" if low == low else f"{value:.2f}"
