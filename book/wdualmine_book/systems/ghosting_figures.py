"""Ghosting in one picture: CC with the registered scans beside CC with the scans as a method got them."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from wdualmine.data import get_task
from wdualmine.methods import LIGHT, W_DUALMINE
from wdualmine.records import Run
from wdualmine.report.style import COLORS, WIDTH, styled
from wdualmine_book.systems.ghosting import GIVEN, MOVES
from wdualmine_book.systems.ghosting_tables import UNITS, ghosting_table
from wdualmine_book.titles import title

#: The methods that are drawn, by color: a rule of each kind, and a network of each.
DRAWN = {
    "average": "0.45",
    "maximum": "black",
    "ifcnn": COLORS[0],
    W_DUALMINE.name: COLORS[3],
    LIGHT.name: COLORS[2],
}


@styled
def plot_ghosting(runs: Mapping[str, Run]) -> Figure:
    """Draw the CC of a few methods, a row a task and a column a kind of move.

    Lines are CC with the scans where they lay, dashes CC with the scans as the method got them.

    Args:
        runs: records of ghosting by task.
    """
    figure, grid = plt.subplots(
        len(runs),
        len(MOVES),
        figsize=(WIDTH, 0.8 + 1.9 * len(runs)),
        layout="constrained",
        sharex="col",
        sharey="row",
        squeeze=False,
    )
    for line, (task, run) in zip(grid, runs.items(), strict=True):
        table = ghosting_table(run)
        for move, axes in zip(MOVES, line, strict=True):
            for name, color in DRAWN.items():
                own = table[(table["move"] == move) & (table["method"] == name)]
                if len(own):
                    width = 3 if name == "average" else 1.4  # W-DUALMINE may lie upon it
                    look = {"color": color, "linewidth": width}
                    axes.plot(own["amount"], own["CC"], marker="o", label=title(name), **look)
                    axes.plot(own["amount"], own[f"CC{GIVEN}"], linestyle="--", **look)
            axes.grid(True)
            axes.set_xticks([0, *MOVES[move]])
        line[0].set(ylabel=f"CC, {get_task(task).folder}")
    for move, axes in zip(MOVES, grid[-1], strict=True):
        axes.set(xlabel=f"{move} of the MRI, {UNITS[move]}")
    handles = {
        label: line
        for axes in grid.flat
        for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=3)
    return figure
