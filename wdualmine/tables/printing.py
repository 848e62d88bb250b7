"""Frames of strings as Markdown, LaTeX or HTML."""

import pandas as pd

from wdualmine.errors import WdualmineError
from wdualmine.metrics import get_metric


def print_grid(grid: pd.DataFrame, form: str) -> str:
    """Print a frame of strings; a first column that repeats is printed once a group."""
    first = grid.columns[0]
    grid = grid.assign(**{first: grid[first].where(grid[first] != grid[first].shift(), "")})
    if form == "latex":
        return grid.to_latex(index=False, escape=False).rstrip("\n")
    if form == "html":
        return grid.to_html(index=False, escape=False, border=0, classes="comparison")
    if form != "md":
        raise WdualmineError(f"unknown form {form!r}; choose one of md, latex, html, csv")
    return grid.to_markdown(index=False, disable_numparse=True)


def anchor(column: str, run: str) -> str:
    """Name the place of a run on the page of provenance; column is "Reference", "Studies" or "This build"."""
    return f"{column}-{run}".lower().replace(" ", "-")


def arrow(metric: str, form: str) -> str:
    """Say which direction of a metric is better."""
    higher = get_metric(metric).direction == "higher"
    if form == "latex":
        return r"$\uparrow$" if higher else r"$\downarrow$"
    return "↑" if higher else "↓"
