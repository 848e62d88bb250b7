"""Loss curves, from the logs of training runs."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from wdualmine.errors import WdualmineError
from wdualmine.methods import W_DUALMINE
from wdualmine.records import Run
from wdualmine.report.style import COLORS, LINES, WIDTH, styled
from wdualmine_book.figures.style import SEQUENTIAL

#: Columns of ``log.csv`` and what they are; the terms unweighted.
LOG_COLUMNS = {
    "average": "average content, Eq. 13",
    "gradient": "gradient maximum, Eq. 14",
    "correlation": "correlation, Eq. 15",
    "mutual_information": "mutual information, Eq. 16",
    "reconstruction": "reconstruction, Eq. 17",
    "residual": "mean |tanh R|, Eq. 11",
}


@styled
def plot_log(log: pd.DataFrame) -> Figure:
    """Draw each loss term and the residual over the epochs, relative to the first epoch.

    Args:
        log: a run's ``log.csv``.

    Raises:
        WdualmineError: it has no epoch, or lacks a column.
    """
    _check("the log", log)
    colors = plt.get_cmap(SEQUENTIAL)(np.linspace(0, 0.9, len(LOG_COLUMNS)))
    figure, axes = plt.subplots(figsize=(WIDTH, 3.2), layout="constrained")
    for (name, label), color, style in zip(LOG_COLUMNS.items(), colors, LINES, strict=True):
        relative = log[name] / log[name].iloc[0]
        axes.plot(log["epoch"], relative, linestyle=style, color=color, label=label, lw=2)
    axes.set(xlabel="epoch", ylabel="value relative to epoch 1")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


@styled
def plot_logs(logs: Mapping[str, Sequence[pd.DataFrame]]) -> Figure:
    """Draw the logs of several runs over each other, a panel a loss term, in absolute values.

    Every seed is a line; those of one name look alike and have one entry in the legend.

    The scale is logarithmic where a term spans more than a factor of ten; elsewhere it spans at least a
    hundredth of the values, so that a term that stays the same looks it.

    Args:
        logs: a ``log.csv`` a seed, by what they have in common, such as the learning rate.

    Raises:
        WdualmineError: there is no log, one has no epoch, or one lacks a column.
    """
    every = [log for seeds in logs.values() for log in seeds]
    if not every:
        raise WdualmineError("no logs to draw; give at least one")
    for name, seeds in logs.items():
        for log in seeds:
            _check(name, log)
    figure, grid = plt.subplots(3, 2, figsize=(WIDTH, 7.2), layout="constrained", sharex=True)
    for axes, (term, title) in zip(grid.flat, LOG_COLUMNS.items(), strict=True):
        for (name, seeds), color, style in zip(logs.items(), cycle(COLORS), cycle(LINES), strict=False):
            for number, log in enumerate(seeds):
                marker = "o" if len(log) == 1 else None  # a line needs two points
                label = name if number == 0 else None
                axes.plot(log["epoch"], log[term], linestyle=style, color=color, label=label, marker=marker)
        low = min(log[term].min() for log in every)
        high = max(log[term].max() for log in every)
        if low > 0 and high > 10 * low:
            axes.set_yscale("log")
            axes.yaxis.set_minor_formatter(NullFormatter())
        elif high - low < 0.01 * abs(high):
            axes.set_ylim(low - 0.005 * abs(high), high + 0.005 * abs(high))
        axes.set_title(title)
        axes.grid(True)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    columns = max(90 // (max(map(len, logs)) + 8), 1)
    handles, names = grid[0, 0].get_legend_handles_labels()  # without the lines that have no label
    figure.legend(handles, names, loc="outside lower center", ncols=columns)
    return figure


def _check(name: str, log: pd.DataFrame) -> None:
    missing = [column for column in ("epoch", *LOG_COLUMNS) if column not in log.columns]
    if missing:
        raise WdualmineError(f"{name}: no column {', '.join(missing)}; give the log.csv of a training run")
    if log.empty:
        raise WdualmineError(f"{name}: no epoch yet; train first")


def score_changes(run: Run) -> pd.Series:
    """Return by how much training changed each mean score of a network, against itself untrained."""
    means = {result.method: pd.Series(result.mean) for result in run.info.results}
    return means[W_DUALMINE.name] - means["untrained"]
