"""All systems in one picture: correlation against what an observer finds of the worse-kept source."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from wdualmine.data import get_task
from wdualmine.methods import CLASSICAL, LIGHT, W_DUALMINE
from wdualmine.records import Run
from wdualmine.report.style import COLORS, WIDTH, styled
from wdualmine_book.systems.tables import OTHERS, limit_of, systems_table
from wdualmine_book.titles import title

_MARKS = "osD^v<>PX*hpd8H"
#: Methods by kind: those with nothing to learn, the authors' networks, the paper's network, the light one.
KINDS = {
    "0.45": tuple(CLASSICAL),
    COLORS[0]: OTHERS,
    COLORS[3]: (W_DUALMINE.name,),
    COLORS[2]: (LIGHT.name,),
}


@styled
def plot_systems(runs: Mapping[str, Run]) -> Figure:
    """Draw every method, a panel a task: its CC, and the share found of the source that it keeps less of.

    The vertical line is the limit of the mean CC, the horizontal one the source alone.

    Args:
        runs: rankings by task.
    """
    figure, grid = plt.subplots(
        1, len(runs), figsize=(WIDTH, 3.9), layout="constrained", sharey=True, squeeze=False
    )
    for axes, (task, run) in zip(grid[0], runs.items(), strict=True):
        points = systems_table(run).set_index("method")[["CC", "worse"]].dropna()
        axes.axvline(limit_of(run, "CC"), color="0.6", linestyle=":")
        axes.axhline(1.0, color="0.6", linestyle=":")
        for color, names in KINDS.items():
            for number, name in enumerate(names):
                if name in points.index:
                    axes.plot(
                        *points.loc[name],
                        linestyle="none",
                        marker=_MARKS[number % len(_MARKS)],
                        markersize=9 if name == "average" else 6,  # W-DUALMINE may lie upon it
                        color=color,
                        label=title(name),
                    )
        axes.set(title=get_task(task).folder, xlabel="CC")
        axes.grid(True)
    grid[0, 0].set(ylabel="found, in the worse-kept scan", ylim=(0, None))
    handles = {
        label: line for axes in grid[0] for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    order = [label for names in KINDS.values() for name in names if (label := title(name)) in handles]
    figure.legend([handles[label] for label in order], order, loc="outside lower center", ncols=3)
    return figure
