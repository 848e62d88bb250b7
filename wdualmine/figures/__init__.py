"""Figures, drawn from records and networks when the book is built; none is stored in the repository."""

from wdualmine.figures.architecture import architecture_caption, plot_architecture
from wdualmine.figures.audit import plot_entropy, plot_frontier
from wdualmine.figures.objective import parts_of, plot_training, training_caption
from wdualmine.figures.parts import inspect_network
from wdualmine.figures.qualitative import (
    Comparison,
    Window,
    compare_pair,
    comparison_caption,
    find_window,
    internals_caption,
    network_of,
    plot_comparison,
    plot_internals,
    plot_pair,
    typical_pair,
)
from wdualmine.figures.scores import (
    curves_caption,
    distributions_caption,
    front_caption,
    pair_scores,
    plot_curves,
    plot_distributions,
    plot_front,
    radar_values,
    records_label,
    scores_conclusion,
)
from wdualmine.figures.steps import STEPS, as_html, losses_html, losses_table, plot_steps
from wdualmine.figures.style import render_figure, show
from wdualmine.figures.training import group_logs, plot_log, plot_logs

__all__ = [
    "STEPS",
    "Comparison",
    "Window",
    "architecture_caption",
    "as_html",
    "compare_pair",
    "comparison_caption",
    "curves_caption",
    "distributions_caption",
    "find_window",
    "front_caption",
    "group_logs",
    "inspect_network",
    "internals_caption",
    "losses_html",
    "losses_table",
    "network_of",
    "pair_scores",
    "parts_of",
    "plot_architecture",
    "plot_comparison",
    "plot_curves",
    "plot_distributions",
    "plot_entropy",
    "plot_front",
    "plot_frontier",
    "plot_internals",
    "plot_log",
    "plot_logs",
    "plot_pair",
    "plot_steps",
    "plot_training",
    "radar_values",
    "records_label",
    "render_figure",
    "scores_conclusion",
    "show",
    "training_caption",
    "typical_pair",
]
