"""Figure 6: per-pair scores as curves over the pairs, and their radar chart."""

import re
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from wdualmine.data.pairs import natural_key
from wdualmine.data.tasks import get_task
from wdualmine.errors import WdualmineError
from wdualmine.metrics import METRICS
from wdualmine.records import Run
from wdualmine.report.style import WIDTH, styled
from wdualmine_book.figures.methods import method_style
from wdualmine_book.metrics.published import METHODS as PUBLISHED
from wdualmine_book.printing import training_words
from wdualmine_book.records import published_scores
from wdualmine_book.results.tables import ROWS

#: The panels of the paper's Figure 6, in its order.
FIGURE_6 = ("EN", "PSNR", "MI", "CC", "FMI")
#: The methods that it compares, with the average beside them.
COMPARED = ("AdaFuse", "ASFE-Fusion", "W-DUALMINE", "Average, stretched")
LIMIT = ROWS["limit", False]
#: Kinds of records that the tables are made of.
KINDS = ("training", "baselines")
#: Name of a blend (1 - t) average + t maximum, as :mod:`wdualmine_book.audit.record` records it.
BLEND = re.compile(r"blend-(\d+(?:\.\d+)?)$")


def pair_scores(
    task: str, runs: Sequence[Run], published: bool = False, kinds: Sequence[str] = KINDS
) -> pd.DataFrame:
    """Collect per-pair scores from records.

    Args:
        task: "ct-mri", "pet-mri" or "spect-mri".
        runs: records; those of other tasks and of ablations are passed over.
        published: add our scores of the images that AdaFuse and ASFE-Fusion published, which are of the real
            pairs.
        kinds: of records to take.

    Returns:
        Columns method (as the tables print it, "blend-T" for the blends of an audit), pair, then one a
        metric; a row a method and pair, sorted by the pair's name as a number. Seeds are averaged.
    """
    parts = []
    if frames := [run.metrics for run in _chosen(runs, task, kinds)]:
        scores = pd.concat(frames, ignore_index=True)
        rows = zip(scores["method"], scores["stretch"].astype(bool), strict=True)
        scores["method"] = [name if s and BLEND.match(name) else ROWS.get((name, s)) for name, s in rows]
        parts.append(scores.dropna(subset="method"))
    if published:
        parts.append(published_scores().query("task == @task"))
    if not parts:
        return pd.DataFrame(columns=["method", "pair", *FIGURE_6])
    both = pd.concat(parts, ignore_index=True)
    both = both.drop(columns=["task", "split", "stretch", "seed"], errors="ignore")
    means = both.groupby(["method", "pair"], sort=False, as_index=False).mean()
    return means.sort_values(
        "pair", key=lambda names: names.map(natural_key), ignore_index=True, kind="stable"
    )


def records_label(runs: Sequence[Run], task: str, kinds: Sequence[str] = KINDS) -> str:
    """Say which records :func:`pair_scores` takes, with their presets and data; "none" if there are none."""
    chosen = _chosen(runs, task, kinds)
    labels = [
        ", ".join(
            filter(None, (run.label, training_words(run.info.experiment) if run.info.experiment else ""))
        )
        for run in chosen
    ]
    return "; ".join(dict.fromkeys(labels)) or "none"


def _chosen(runs: Sequence[Run], task: str, kinds: Sequence[str]) -> list[Run]:
    key = get_task(task).key
    return [
        run
        for run in runs
        if run.info.kind in kinds and run.info.task == key and run.variant in ("", "proposed")
    ]


@styled
def plot_curves(
    scores: pd.DataFrame,
    metrics: Sequence[str] = FIGURE_6,
    methods: Sequence[str] = (*COMPARED, LIMIT),
    relative_to: str | None = None,
) -> Figure:
    """Draw Figure 6: the methods as lines over the pairs, a panel a metric; a radar chart of their means.

    Args:
        scores: what :func:`pair_scores` gives.
        metrics: columns of it.
        methods: which to draw; those without scores are left out.
        relative_to: draw differences to this method, pair by pair, and no radar chart.

    Raises:
        WdualmineError: a metric is no column, or a method to draw or relate to has no scores.
    """
    tables = {metric: by_method(scores, metric) for metric in metrics}
    if relative_to is not None:
        if any(relative_to not in table for table in tables.values()):
            raise WdualmineError(f"{relative_to}: has no scores to relate to; choose a method that has")
        tables = {name: table.sub(table.pop(relative_to), axis="index") for name, table in tables.items()}
    panels = len(metrics) + (relative_to is None)
    columns = min(2, panels)
    rows = -(-panels // columns)
    figure = plt.figure(figsize=(WIDTH, 2.35 * rows + 0.4), layout="constrained")
    lines = {}
    for number, (metric, table) in enumerate(tables.items(), start=1):
        axes = figure.add_subplot(rows, columns, number)
        for method in methods:
            if method in table:
                (line,) = axes.plot(range(1, len(table) + 1), table[method], label=method, **_curve(method))
                lines[method] = line
        axes.set(title=_title(metric), xlabel="pair")
        axes.grid(True)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if not lines:
        plt.close(figure)
        raise WdualmineError(f"no scores of {', '.join(methods)}; give a frame of pair_scores with some")
    if relative_to is None:
        radar = figure.add_subplot(rows, columns, panels, projection="polar")
        _draw_radar(radar, radar_values(scores, metrics, [method for method in methods if method != LIMIT]))
    else:
        for axes in figure.axes:
            axes.axhline(0, color="0.3", linewidth=0.8)
        for number in range(panels + 1, rows * columns + 1):  # keeps the other panels' width
            figure.add_subplot(rows, columns, number).set_axis_off()
    handles = [lines[method] for method in methods if method in lines]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def radar_values(scores: pd.DataFrame, metrics: Sequence[str], methods: Sequence[str]) -> pd.DataFrame:
    """Give each method's mean over the pairs, divided by the largest of these methods: 1 is the best.

    Args:
        scores: what :func:`pair_scores` gives.
        metrics: columns of it, at least 0, for which higher is better.
        methods: which to compare.

    Returns:
        A row a method that has scores, a column a metric, in [0, 1].

    Raises:
        WdualmineError: a metric is no column, or lower is better for it.
    """
    for metric in metrics:
        if metric in METRICS and METRICS[metric].direction != "higher":
            raise WdualmineError(f"{metric}: lower is better, which a radar chart cannot show; leave it out")
    means = pd.DataFrame({metric: by_method(scores, metric).mean() for metric in metrics})
    means = means.loc[[method for method in methods if method in means.index]]
    return means / means.max()


def _draw_radar(axes: Axes, values: pd.DataFrame) -> None:
    angles = np.linspace(0, 2 * np.pi, len(values.columns), endpoint=False)
    for method, row in values.iterrows():
        closed = [*row, row.iloc[0]]
        axes.plot([*angles, angles[0]], closed, label=str(method), **_curve(str(method)))
    axes.set_xticks(angles, values.columns)
    axes.set_ylim(0, 1.05)
    axes.set_yticks([0.25, 0.5, 0.75, 1], ["", "0.5", "", "1"], fontsize=8)
    axes.set_rlabel_position(36)  # type: ignore[attr-defined]
    axes.set_title("mean / best mean")


def _curve(method: str) -> dict:
    style = method_style(method)
    if method == LIMIT:
        return style | {"marker": "", "color": "0.35", "linewidth": 1}
    return style | {"markersize": 3.2, "linewidth": 1.1}


def by_method(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return a metric's scores as (pairs, methods), in order; methods without any are left out."""
    if metric not in scores.columns:
        raise WdualmineError(f"{metric}: is not a column of the scores; score it first")
    table = scores.pivot(index="pair", columns="method", values=metric)
    return table.loc[list(dict.fromkeys(scores["pair"]))].dropna(axis="columns", how="all").astype(float)


def _title(metric: str) -> str:
    unit = METRICS[metric].unit if metric in METRICS else ""
    return f"{metric} ({unit})" if unit else metric


def curves_caption(scores: pd.DataFrame, task: str, label: str, relative_to: str | None = None) -> str:
    """Say in Markdown what :func:`plot_curves` shows; the label is that of :func:`records_label`."""
    what = f"Difference of the scores to {relative_to}" if relative_to else "Scores"
    radar = " Radar chart: mean over the pairs, divided by the largest mean of the methods; its center is 0."
    return (
        f"**Figure 6, {_pairs(scores, task)}.** {what}, pair by pair, sorted by name. "
        f"{_records(scores, label)}{'' if relative_to else radar}"
    )


def _records(scores: pd.DataFrame, label: str) -> str:
    published = [name for name in PUBLISHED.values() if name in set(scores["method"])]
    images = f" {' and '.join(published)}: the images that their authors published." if published else ""
    return f"Records: {label}.{images}"


def _pairs(scores: pd.DataFrame, task: str) -> str:
    return f"{get_task(task).folder}, {scores['pair'].nunique()} pairs"
