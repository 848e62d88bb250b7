"""The audit's figures: the trivial frontier, and what the background adds to the entropy."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from wdualmine.data import get_task
from wdualmine.records import Run
from wdualmine.report.style import WIDTH, styled
from wdualmine_book.audit.tables import NAMES, background_table, frontier_table, paper_row

#: Told apart in grey and by readers who see no red or green.
_COLORS = ("#0072b2", "#56b4e9", "#d55e00", "#e69f00")


@styled
def plot_frontier(runs: Mapping[str, Run], metrics: Sequence[str] = ("MI", "Qabf")) -> Figure:
    """Draw each method's means against CC, with the line of blends from average to maximum.

    Args:
        runs: audits by task.
        metrics: one column of panels each, a task a row. The paper's row stands where the paper prints
            the metric.
    """
    figure, axes = plt.subplots(
        len(runs), len(metrics), figsize=(WIDTH, 2.6 * len(runs) + 0.8), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    markers = {"w-dualmine": "o", "untrained": "s", "adafuse": "^", "asfe-fusion": "v"}
    for line, metric in zip(axes.T, metrics, strict=True):
        for axis, (task, run) in zip(line, runs.items(), strict=True):
            means = frontier_table(run)
            blends = means.filter(like="blend-", axis=0)
            axis.plot(blends["CC"], blends[metric], color="0.55", marker=".", label="blends, t from 0 to 1")
            rising = blends[metric].iloc[-2] > blends[metric].iloc[-1]
            for name, row, side, shift in (
                ("average", blends.iloc[0], "right", (-8, -11)),
                ("maximum", blends.iloc[-1], "left", (0, -14 if rising else 7)),
            ):
                axis.annotate(
                    name, (row["CC"], row[metric]), shift, textcoords="offset points", fontsize=8,
                    ha=side,
                )  # fmt: skip
            for color, (method, marker) in zip(_COLORS, markers.items(), strict=True):
                if method in means.index:
                    axis.scatter(
                        means["CC"][method], means[metric][method], marker=marker, color=color, zorder=3,
                        edgecolor="black", linewidth=0.5, label=NAMES[method],
                    )  # fmt: skip
            paper = paper_row(task)
            if metric in paper:
                axis.scatter(
                    paper["CC"], paper[metric], marker="*", s=110, color="black", zorder=2,
                    label="W-DUALMINE, the paper",
                )  # fmt: skip
            axis.margins(0.12)
            axis.set_xlabel("CC")
            axis.set_ylabel(metric)
            axis.set_title(get_task(task).folder)
    if axes.size:
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


@styled
def plot_entropy(runs: Mapping[str, Run]) -> Figure:
    """Draw EN as a bar a method: what is left with a black background, and what the background adds."""
    table = background_table(runs)
    figure, axes = plt.subplots(
        max(len(runs), 1), 1, figsize=(WIDTH, 2.6 * len(runs) + 0.6), sharex=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axis, task in zip(axes[:, 0], runs, strict=False):
        rows = table.loc[task].iloc[::-1]
        axis.barh(rows.index, rows["EN, black"], color=_COLORS[0], label="with a black background")
        axis.barh(
            rows.index, rows["EN"] - rows["EN, black"], left=rows["EN, black"], color=_COLORS[3], hatch="//",
            label="added by the background",
        )  # fmt: skip
        axis.set_xlabel("EN (bit)")
        axis.set_title(get_task(task).folder)
    if axes.size:
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure
