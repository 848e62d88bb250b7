"""Ghosting in one picture: scores and recovery of every method against shift and turn of the MRI."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from wdualmine.data import get_task
from wdualmine.records import Run
from wdualmine.report.style import WIDTH, styled
from wdualmine_book.systems.figures import KINDS
from wdualmine_book.systems.ghosting import GIVEN, MOVES
from wdualmine_book.systems.ghosting_tables import UNITS, ghosting_table
from wdualmine_book.titles import title

_STYLES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 3)))
_MARKS = "osD^v<>PX*hpd8H"


@styled
def plot_ghosting(run: Run) -> Figure:
    """Draw every method: CC with the scans registered and as given, and recovery, a column a kind of move.

    Args:
        run: a record of ghosting.
    """
    table = ghosting_table(run)
    rows = {
        "CC": "CC, registered scans",
        f"CC{GIVEN}": "CC, scans as given",
        "recovery_a": f"recovery {get_task(run.info.task).a}",
        "recovery_b": "recovery MRI",
    }
    figure, grid = plt.subplots(
        len(rows), len(MOVES), figsize=(WIDTH, 9.5), layout="constrained", sharex="col", sharey="row"
    )
    for (score, words), line in zip(rows.items(), grid, strict=True):
        for move, axes in zip(MOVES, line, strict=True):
            own = table[table["move"] == move]
            for color, names in KINDS.items():
                present = [name for name in names if name in set(own["method"])]
                for number, name in enumerate(present):
                    of_method = own[own["method"] == name]
                    axes.plot(
                        of_method["amount"],
                        of_method[score],
                        color=color,
                        linestyle=_STYLES[number % len(_STYLES)],
                        marker=_MARKS[number % len(_MARKS)],
                        markersize=4,
                        label=title(name),
                    )
            axes.grid(True)
            axes.set_xticks([0, *MOVES[move]])
            if score == "recovery_b":
                axes.set(xlabel=f"{move}, {UNITS[move]}")
        line[0].set(ylabel=words)
    # One scale for both correlations: what falls above and stays below is the point of the picture.
    both = table[["CC", f"CC{GIVEN}"]]
    low, high = both.min().min(), both.max().max()
    for line in grid[:2]:
        line[0].set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    figure.legend(
        *grid[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        handlelength=2.2,
        columnspacing=0.9,
    )
    return figure
