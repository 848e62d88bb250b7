"""All systems in one picture: where each stands between correlation and recovery, with the limits."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from wdualmine.data import get_task
from wdualmine.methods import CLASSICAL, W_DUALMINE, W_DUALMINE_RECOVERY
from wdualmine.records import Run
from wdualmine.report.style import COLORS, WIDTH, styled
from wdualmine_book.systems.retrained import NETWORKS
from wdualmine_book.systems.tables import limit_of, systems_table
from wdualmine_book.titles import title

_MARKS = "osD^v<>PX*hpd8H"
#: Methods by kind: those with nothing to learn, the systems that the paper names, the paper's network.
KINDS = {
    "0.45": tuple(CLASSICAL),
    COLORS[0]: tuple(name for name in NETWORKS if not name.startswith(W_DUALMINE.name)),
    COLORS[3]: (W_DUALMINE.name, W_DUALMINE_RECOVERY.name),
}


@styled
def plot_systems(runs: Mapping[str, Run]) -> Figure:
    """Draw every method between correlation and recovery, a panel a task.

    Across stands the mean CC, up the mean recovery of the source that the method keeps less of. The vertical
    line is the limit of the mean CC, the horizontal one a signal kept whole. Published images have no
    recovery and are not shown.

    Args:
        runs: comparisons by task.
    """
    figure, grid = plt.subplots(
        1, len(runs), figsize=(WIDTH, 3.6), layout="constrained", sharey=True, squeeze=False
    )
    for axes, (task, run) in zip(grid[0], runs.items(), strict=True):
        points = systems_table(run).dropna(subset="worse").set_index("method")[["CC", "worse"]]
        axes.axvline(limit_of(run, "CC"), color="0.6", linestyle=":")
        axes.axhline(1.0, color="0.6", linestyle=":")
        for color, names in KINDS.items():
            for number, name in enumerate(name for name in names if name in points.index):
                axes.plot(
                    *points.loc[name],
                    linestyle="none",
                    marker=_MARKS[number % len(_MARKS)],
                    markersize=9 if name == "average" else 6,  # W-DUALMINE lies upon it
                    color=color,
                    label=title(name),
                )
        axes.set(title=get_task(task).folder, xlabel="CC")
        axes.grid(True)
    grid[0, 0].set(ylabel="recovery, worse source", ylim=(-0.1, 1.05))
    handles = {
        label: line for axes in grid[0] for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    order = [label for name in (*CLASSICAL, *NETWORKS) if (label := title(name)) in handles]
    figure.legend([handles[t] for t in order], order, loc="outside lower center", ncols=3)
    return figure
