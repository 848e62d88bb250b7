"""The audit's figures: what the blends gain, and what the background adds to the entropy."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from wdualmine.data import get_task
from wdualmine.records import Run
from wdualmine.report.style import styled
from wdualmine_book.audit.tables import NAMES, background_table, frontier_table, paper_row
from wdualmine_book.figures.style import NARROW

#: Told apart in grey and by readers who see no red or green.
_COLORS = ("#0072b2", "#56b4e9", "#d55e00", "#e69f00")


@styled
def plot_frontier(runs: Mapping[str, Run]) -> Figure:
    """Draw each method's MI against its CC, a panel a task, with the blends from average to maximum."""
    figure, grid = plt.subplots(
        max(len(runs), 1), 1, figsize=(NARROW, 1.75 * len(runs) + 0.8), squeeze=False, layout="constrained"
    )
    markers = {"w-dualmine": "o", "untrained": "s", "adafuse": "^", "asfe-fusion": "v"}
    for axis, (task, run) in zip(grid[:, 0], runs.items(), strict=False):
        means, paper = frontier_table(run)[["CC", "MI"]], paper_row(task)
        blends = means.filter(like="blend-", axis=0)
        axis.plot(blends["CC"], blends["MI"], color="0.55", marker=".", label="blends")
        axis.annotate("average", blends.iloc[0], (6, 4), textcoords="offset points")
        rising = blends["MI"].iloc[-2] > blends["MI"].iloc[-1]
        axis.annotate("maximum", blends.iloc[-1], (0, -14 if rising else 7), textcoords="offset points")
        for color, (method, marker) in zip(_COLORS, markers.items(), strict=True):
            if method in means.index:
                axis.scatter(
                    *means.loc[method], marker=marker, color=color, zorder=3, edgecolor="black",
                    linewidth=0.5, label=NAMES[method],
                )  # fmt: skip
        axis.scatter(
            paper["CC"], paper["MI"], marker="*", s=110, color="black", zorder=2, label="W-DUALMINE, paper"
        )
        axis.margins(0.12)
        axis.set(xlabel="CC", ylabel="MI (bit)", title=get_task(task).folder)
    figure.legend(
        *grid[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        columnspacing=1,
        handlelength=1,
    )
    return figure


@styled
def plot_entropy(runs: Mapping[str, Run]) -> Figure:
    """Draw how much of a method's EN its background adds: a line a method, a mark a task."""
    table = background_table(runs)
    added = (table["EN"] - table["EN, black"]).unstack(0)[list(runs)]
    added = added.loc[list(dict.fromkeys(table.index.get_level_values(1)))[::-1]]
    figure, axis = plt.subplots(figsize=(NARROW, 3), layout="constrained")
    for (task, values), color, marker in zip(added.items(), _COLORS[::-1], "osD", strict=False):
        axis.plot(values, added.index, marker, color=color, markersize=6, label=get_task(str(task)).folder)
    axis.grid(True)
    axis.set(xlabel="bits of EN from the background", xlim=(0, None))
    axis.margins(y=0.05)
    figure.legend(loc="outside lower center", ncols=3, columnspacing=1, handletextpad=0)
    return figure
