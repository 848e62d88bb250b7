"""The paper's tables as functions from records to data frames, and their printed forms.

Three columns of numbers, never mixed: what the paper prints, the committed reference record, and the runs of
this build.
"""

from wdualmine.tables.committed import (
    length_runs,
    paper_values,
    published_scores,
    reference_runs,
    results_folder,
    study_runs,
)
from wdualmine.tables.comparison import (
    column_titles,
    comparison_table,
    comparison_with_average,
    networks_table,
    render,
    render_comparison,
    render_networks,
    render_summary,
    summary_table,
)
from wdualmine.tables.conclusions import (
    ablations_conclusion,
    audit_conclusion,
    metrics_conclusion,
    results_conclusion,
    studies_conclusion,
    training_conclusion,
)
from wdualmine.tables.conventions import (
    convention_table,
    describe_metric,
    metric_reference,
    ranking_changes,
    render_conventions,
)
from wdualmine.tables.length import length_sentence, length_table, render_length
from wdualmine.tables.provenance import (
    model_card_scores,
    provenance_table,
    render_provenance,
    render_runs,
    scores_table,
)
from wdualmine.tables.studies import (
    ABLATIONS,
    ablation_table,
    ablation_title,
    choices_table,
    difference_sentences,
    leakage_sentence,
    leakage_table,
    paper_noise_sentence,
    rates_sentence,
    rates_table,
    render_differences,
    render_rates,
    study_logs,
)

__all__ = [
    "ABLATIONS",
    "ablation_table",
    "ablation_title",
    "ablations_conclusion",
    "audit_conclusion",
    "choices_table",
    "column_titles",
    "comparison_table",
    "comparison_with_average",
    "convention_table",
    "describe_metric",
    "difference_sentences",
    "leakage_sentence",
    "leakage_table",
    "length_runs",
    "length_sentence",
    "length_table",
    "metric_reference",
    "metrics_conclusion",
    "model_card_scores",
    "networks_table",
    "paper_noise_sentence",
    "paper_values",
    "provenance_table",
    "published_scores",
    "ranking_changes",
    "rates_sentence",
    "rates_table",
    "reference_runs",
    "render",
    "render_comparison",
    "render_conventions",
    "render_differences",
    "render_length",
    "render_networks",
    "render_provenance",
    "render_rates",
    "render_runs",
    "render_summary",
    "results_conclusion",
    "results_folder",
    "scores_table",
    "studies_conclusion",
    "study_logs",
    "study_runs",
    "summary_table",
    "training_conclusion",
]
