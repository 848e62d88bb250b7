"""The figures of a report: scores pair by pair, and the methods in the plane of two metrics."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from wdualmine.metrics import METRICS
from wdualmine.report.measure import LINE, REFERENCES, Findings, title
from wdualmine.report.style import COLORS, LINES, WIDTH, styled

#: Drawn pair by pair, as far as they are scored; others where none of them is.
CURVES = ("CC", "PSNR", "MI", "EN", "Qabf", "SSIM")


def _label(name: str) -> str:
    """A name as matplotlib prints it, whose dollar signs would start a formula."""
    return name.replace("$", r"\$")


def _metric(key: str) -> str:
    unit = METRICS[key].unit
    return f"{key} ({unit})" if unit else key


@styled
def plot_differences(findings: Findings) -> Figure:
    """Draw each judged method's difference to the average in its finish, pair by pair, a panel a metric."""
    keys = [key for key in CURVES if key in findings.metrics] or list(findings.metrics[: len(CURVES)])
    columns = min(2, len(keys))
    rows = -(-len(keys) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(WIDTH, 2.2 * rows + 0.4), squeeze=False, layout="constrained"
    )
    names = list(findings.files)
    for axes, key in zip(grid.flat, keys, strict=False):
        for number, method in enumerate(findings.judged):
            own = findings.rows(method.name).set_index("pair")[key]
            average = findings.rows("average", findings.stretched[method.name]).set_index("pair")[key]
            axes.plot(
                range(1, len(names) + 1), (own - average)[names], color=COLORS[number % len(COLORS)],
                linestyle=LINES[number % len(LINES)], marker="o", markersize=3, label=_label(method.name),
            )  # fmt: skip
        axes.axhline(0, color="0.3", linewidth=0.8)
        axes.set(title=_metric(key), xlabel="pair")
        axes.grid(True)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in grid.flat[len(keys) :]:
        axes.set_axis_off()
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


@styled
def plot_plane(findings: Findings, keys: Sequence[str], x: str = "CC") -> Figure:
    """Draw the methods' means in the plane of CC and each of some metrics, with the line of blends."""
    figure, grid = plt.subplots(1, len(keys), figsize=(WIDTH, 3.4), squeeze=False, layout="constrained")
    for axes, key in zip(grid.flat, keys, strict=True):
        for stretch, color in ((True, "0.55"), (False, "0.75")):
            if stretch not in findings.stretched.values():
                continue
            means = np.array([findings.means(name, stretch)[[x, key]] for name in LINE])
            finish = "stretched" if stretch else "not stretched"
            axes.plot(*means.T, color=color, marker=".", label=f"blends, average to maximum, {finish}")
            pyramid = findings.means(REFERENCES[2], stretch)[[x, key]]
            axes.scatter(*pyramid, marker="s", color=color, label=f"{title(REFERENCES[2])}, {finish}")
        for number, method in enumerate(findings.judged):
            axes.scatter(
                *findings.means(method.name)[[x, key]], color=COLORS[number % len(COLORS)], s=48,
                marker="o^vDP*X"[number % 7], edgecolor="black", linewidth=0.5, zorder=3,
                label=_label(method.name),
            )  # fmt: skip
        limit = findings.limits[x].mean()
        axes.axvline(limit, color="0.3", linestyle="--", linewidth=1, label=f"limit of {x}")
        axes.set(xlabel=f"{_metric(x)}, mean", ylabel=f"{_metric(key)}, mean")
        axes.grid(True)
        axes.margins(0.1)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure
