"""The reference of metrics, and what their conventions change."""

import re
from collections.abc import Sequence

import pandas as pd
from scipy.stats import kendalltau

from wdualmine.errors import WdualmineError
from wdualmine.methods import CLASSICAL
from wdualmine.metrics import METRICS
from wdualmine.metrics.metric import Metric
from wdualmine.records import Run
from wdualmine_book.printing import print_grid
from wdualmine_book.results.tables import ROWS


def metric_reference() -> pd.DataFrame:
    """Give the metrics as a reader meets them: name, direction, range and unit, from the registry."""

    def bound(value: float) -> str:
        return f"{value:g}".replace("inf", "∞").replace("-", "−")

    return pd.DataFrame(
        [
            {
                "Metric": metric.key,
                "Name": metric.name,
                "Better": metric.direction,
                "Range": " to ".join(map(bound, metric.range)),
                "Unit": metric.unit or "–",
                "Scored on": "RGB" if metric.color else "grey",
            }
            for metric in METRICS.values()
        ]
    )


def describe_metric(metric: Metric) -> str:
    """Say in Markdown where a metric is from, and each convention with its formula, the default first.

    A formula of several parts is printed as several, so that a line can break between them. An empty line at
    both ends keeps it Markdown within HTML.
    """
    lines = ["", metric.source, ""]
    for convention in metric.conventions:
        parts = ", ".join(f"${part}$" for part in re.split(r", \\(?:quad|;) ", convention.formula))
        lines.append(f"- `{convention.name}` ({convention.used_by}): {parts}")
    return "\n".join([*lines, ""])


def convention_table(runs: Sequence[Run], task: str) -> pd.DataFrame:
    """Show how the numbers and the ranking of methods move between the conventions of one metric.

    Args:
        runs: runs of kind "conventions".
        task: whose run to show.

    Returns:
        One row a metric and convention that is recorded, for the metrics with more than one: columns metric,
        convention, tau (Kendall's rank correlation of the methods' means with those under the default
        convention), order ("default", "same" or "changes") and one a method (means over the pairs).

    Raises:
        WdualmineError: no such run is among them.
    """
    found = [run for run in runs if run.info.kind == "conventions" and run.info.task == task]
    if not found:
        raise WdualmineError(
            f"no conventions record of {task}; make one with `wdualmine-book record conventions {task}`"
        )
    means = found[0].metrics.drop(columns=["task", "split", "pair", "stretch", "seed"], errors="ignore")
    means = means.groupby("method", sort=False).mean()
    titles = {method.name: method.title for method in CLASSICAL.values()}
    means.index = [
        ROWS.get((name, True), titles.get(name, str(name))).removesuffix(", stretched")
        for name in means.index
    ]
    rows = []
    for metric in METRICS.values():
        names = [convention.name for convention in metric.conventions]
        for number, name in enumerate(names if len(names) > 1 else ()):
            if (metric.key if number == 0 else f"{metric.key}[{name}]") not in means:
                continue  # added after the record was made
            values = means[metric.key if number == 0 else f"{metric.key}[{name}]"]
            tau = kendalltau(means[metric.key].round(8), values.round(8)).statistic
            order = "default" if number == 0 else "same" if tau > 1 - 1e-9 else "changes"
            rows.append({"metric": metric.key, "convention": name, "tau": tau, "order": order, **values})
    return pd.DataFrame(rows)


def render_conventions(table: pd.DataFrame) -> str:
    """Print :func:`convention_table` as HTML."""
    shown = table.rename(columns={"metric": "Metric", "convention": "Convention", "order": "Ranking"})
    for column in shown.columns[4:]:
        shown[column] = [f"{value:.4f}" for value in shown[column]]
    return print_grid(shown.assign(tau=[f"{tau:.2f}" for tau in shown["tau"]]), "html")


def ranking_changes(table: pd.DataFrame) -> dict[str, str]:
    """Return the metrics of a :func:`convention_table` whose ranking changes, and under which conventions."""
    changed = table[table["order"] == "changes"]
    names = changed.groupby("metric", sort=False)["convention"].agg(", ".join)
    return {str(metric): str(conventions) for metric, conventions in names.items()}
