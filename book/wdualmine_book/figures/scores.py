"""Figure 6: per-pair scores as curves over the pairs."""

import re
from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from wdualmine.data.pairs import natural_key
from wdualmine.data.tasks import get_task
from wdualmine.errors import WdualmineError
from wdualmine.metrics import METRICS
from wdualmine.records import Run
from wdualmine.report.style import styled
from wdualmine_book.figures.methods import method_style
from wdualmine_book.figures.style import NARROW
from wdualmine_book.metrics.published import METHODS as PUBLISHED
from wdualmine_book.printing import training_words
from wdualmine_book.records import published_scores
from wdualmine_book.results.tables import ROWS

#: The panels of the paper's Figure 6, in its order.
FIGURE_6 = ("EN", "PSNR", "MI", "CC", "FMI")
#: The methods that it compares.
COMPARED = ("AdaFuse", "ASFE-Fusion", "W-DUALMINE")
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
    relative_to: str,
    metrics: Sequence[str] = FIGURE_6,
    methods: Sequence[str] = COMPARED,
) -> Figure:
    """Draw Figure 6: each method's scores less those of one method, pair by pair, a panel a metric.

    Args:
        scores: what :func:`pair_scores` gives.
        relative_to: the method that is the line at 0.
        metrics: columns of it.
        methods: which to draw; those without scores are left out.

    Raises:
        WdualmineError: a metric is no column, or a method to draw or relate to has no scores.
    """
    tables = {metric: by_method(scores, metric) for metric in metrics}
    if any(relative_to not in table for table in tables.values()):
        raise WdualmineError(f"{relative_to}: has no scores to relate to; choose a method that has")
    drawn = [name for name in methods if name in set(scores["method"])]
    if not drawn:
        raise WdualmineError(f"no scores of {', '.join(methods)}; give a frame of pair_scores with some")
    figure, grid = plt.subplots(
        len(metrics), 1, figsize=(NARROW, 1.25 * len(metrics) + 0.6), layout="constrained", squeeze=False
    )
    for axes, (metric, table) in zip(grid[:, 0], tables.items(), strict=True):
        axes.axhline(0, color="0.3", linewidth=0.8)
        for method in drawn:
            difference = table[method] - table[relative_to]
            axes.plot(range(1, len(table) + 1), difference, label=method, **_curve(method))
        axes.set(title=_title(metric))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="pair")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, columnspacing=1)
    return figure


def _curve(method: str) -> dict:
    return method_style(method) | {"markersize": 3.2, "linewidth": 1.1}


def by_method(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return a metric's scores as (pairs, methods), in order; methods without any are left out."""
    if metric not in scores.columns:
        raise WdualmineError(f"{metric}: is not a column of the scores; score it first")
    table = scores.pivot(index="pair", columns="method", values=metric)
    return table.loc[list(dict.fromkeys(scores["pair"]))].dropna(axis="columns", how="all").astype(float)


def _title(metric: str) -> str:
    unit = METRICS[metric].unit if metric in METRICS else ""
    return f"{metric} ({unit})" if unit else metric


def curves_caption(scores: pd.DataFrame, task: str, label: str, relative_to: str) -> str:
    """Say in Markdown what :func:`plot_curves` shows; the label is that of :func:`records_label`."""
    return (
        f"**Figure 6, {_pairs(scores, task)}.** Each score minus *{relative_to}*, pair by pair, sorted by "
        f"name. {_records(scores, label)}"
    )


def _records(scores: pd.DataFrame, label: str) -> str:
    published = [name for name in PUBLISHED.values() if name in set(scores["method"])]
    images = f" {' and '.join(published)}: the images that their authors published." if published else ""
    return f"Records: {label}.{images}"


def _pairs(scores: pd.DataFrame, task: str) -> str:
    return f"{get_task(task).folder}, {scores['pair'].nunique()} pairs"
