"""What ran where, and a single run's own scores."""

from collections.abc import Sequence
from itertools import groupby

import pandas as pd

from wdualmine.data.tasks import TASKS
from wdualmine.records import Run
from wdualmine_book.printing import anchor, html_grid


def model_card_scores(runs: Sequence[Run]) -> str:
    """Print the scores of the weights that come with the package, for their model card.

    Args:
        runs: the reference runs; those of seed 0 left the weights.

    Returns:
        Markdown: one row a task, one column a metric, mean ± population deviation over the test pairs.
    """
    rows = {
        TASKS[run.info.task].folder: {
            name: f"{mean:.4f} ± {result.std[name]:.4f}" for name, mean in result.mean.items()
        }
        for run in runs
        if run.info.kind == "training" and run.info.trained.seed == 0
        for result in run.info.results
        if result.method == "w-dualmine"
    }
    return pd.DataFrame(rows).T.rename_axis("task").to_markdown(disable_numparse=True)


def provenance_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Say for each run what ran, on what data, at which commit, on which machine and for how long."""

    def row(run: Run) -> dict[str, str]:
        info, experiment = run.info, run.info.experiment
        commit = (info.code.commit or "no commit")[:10] + (" + changes" if info.code.dirty else "")
        seconds = info.train_seconds + info.evaluation_seconds
        return {
            "Run": run.folder.name,
            "Task": info.task,
            "What": f"{experiment.preset}, {experiment.variant}" if experiment else info.kind,
            "Experiment": info.experiment_hash[:10],
            "Seed": str(experiment.seed) if experiment else "–",
            "Data": f"{info.data.name} ({info.data.fingerprint[:10]})",
            "Commit": commit,
            "Machine": "; then ".join(machines(run)),
            "Seconds": f"{seconds:.0f}",
            "Finished": info.finished,
        }

    return pd.DataFrame([row(run) for run in runs])


def machines(run: Run) -> list[str]:
    """Name what a run was computed on, one entry where a training moved from one machine to another."""
    hardware = [session["hardware"] for session in run.info.sessions] or [run.info.hardware.model_dump()]
    names = [
        f"{entry.get('gpu') or entry['processor']}, {entry['threads']} thread{'s' * (entry['threads'] != 1)}"
        for entry in hardware
    ]
    return [name for name, _ in groupby(names)]


def render_provenance(runs: Sequence[Run], column: str) -> str:
    """Print :func:`provenance_table` as HTML; each row can be linked to.

    Args:
        runs: what to list.
        column: the column of the tables that leads here: "Reference", "Length", "Studies", "Recovery" or
            "This build".
    """
    if not runs:
        return "No run was found."
    table = provenance_table(runs)
    table["Run"] = [f'<span id="{anchor(column, name)}">{name}</span>' for name in table["Run"]]
    return html_grid(table, "comparison runs")


def render_runs(runs: Sequence[Run]) -> str:
    """Print :func:`provenance_table` as HTML, for a page whose numbers do not lead to single runs."""
    return html_grid(provenance_table(runs), "comparison runs")
