"""All systems in one picture: correlation against what an observer finds of the worse-kept source."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from wdualmine.data import get_task
from wdualmine.methods import CLASSICAL, LIGHT, W_DUALMINE
from wdualmine.records import Run
from wdualmine.report.style import COLORS, styled
from wdualmine_book.figures.style import NARROW
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
def plot_systems(run: Run) -> Figure:
    """Draw every method of a task: its CC, and the share found of the source that it keeps less of.

    The vertical line is the limit of the mean CC, the horizontal one the source alone.
    """
    figure, axes = plt.subplots(figsize=(NARROW, 4.5), layout="constrained")
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
    axes.set(
        title=get_task(run.info.task).folder,
        xlabel="CC",
        ylabel="found, relative to the worse-kept scan",
        ylim=(0, None),
    )
    axes.grid(True)
    figure.legend(loc="outside lower center", ncols=2, columnspacing=1, handlelength=1.5)
    return figure
