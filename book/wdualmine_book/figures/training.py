"""Loss curves, from the logs of training runs."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from wdualmine.errors import WdualmineError
from wdualmine.methods import W_DUALMINE
from wdualmine.records import Run
from wdualmine.report.style import COLORS, LINES, styled
from wdualmine_book.figures.style import NARROW, SEQUENTIAL

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
    figure, axes = plt.subplots(figsize=(NARROW, 3.6), layout="constrained")
    for (name, label), color, style in zip(LOG_COLUMNS.items(), colors, LINES, strict=True):
        relative = log[name] / log[name].iloc[0]
        axes.plot(log["epoch"], relative, linestyle=style, color=color, label=label, lw=2)
    axes.set(xlabel="epoch", ylabel="value relative to epoch 1")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower center")
    return figure


@styled
def plot_residuals(logs: Mapping[str, Sequence[pd.DataFrame]]) -> Figure:
    """Draw the mean residual over the epochs of several runs, a line a seed.

    Args:
        logs: a ``log.csv`` a seed, by what they have in common, such as the learning rate.

    Raises:
        WdualmineError: there is no log, one has no epoch, or one lacks a column.
    """
    if not any(logs.values()):
        raise WdualmineError("no logs to draw; give at least one")
    figure, axes = plt.subplots(figsize=(NARROW, 2.8), layout="constrained")
    for (name, seeds), color, style in zip(logs.items(), cycle(COLORS), cycle(LINES), strict=False):
        for number, log in enumerate(seeds):
            _check(name, log)
            label = name if number == 0 else None
            axes.plot(log["epoch"], log["residual"], linestyle=style, color=color, label=label)
    axes.set(xlabel="epoch", ylabel="mean |tanh R|", yscale="log")
    axes.grid(True)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower center", ncols=2)
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
