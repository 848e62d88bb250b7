"""What is committed: the paper's numbers, reference runs, studies, and scores of published images."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pandas as pd

from wdualmine.data.manifest import manifest_folder
from wdualmine.data.tasks import TASKS
from wdualmine.records import Run, find_runs

#: Grey levels in the full range.
LEVELS = 255


@cache
def paper_values() -> pd.DataFrame:
    """Give the numbers that the paper prints: columns table, task, row, metric, mean, std."""
    return pd.read_csv(manifest_folder() / "paper_tables.csv")


def results_folder() -> Path:
    """Return the folder of the committed records: inside an installed wheel, else in the repository."""
    packed = Path(__file__).with_name("_results")
    return packed if packed.is_dir() else Path(__file__).parents[2] / "results"


def committed_runs(folder: str) -> list[Run]:
    """Give the committed runs in a folder of the results."""
    return find_runs([results_folder() / folder])


def reference_runs() -> list[Run]:
    """Give the committed runs: those in ``results/reference``."""
    return committed_runs("reference")


def study_runs() -> list[Run]:
    """Give the committed runs of the studies: those in ``results/studies``."""
    return committed_runs("studies")


def training_length_runs() -> list[Run]:
    """Give the committed runs of a schedule shorter than the reference's: those in ``results/length``."""
    return committed_runs("length")


def full_length_runs() -> list[Run]:
    """Give the committed runs of the paper's length beside the reference: ``results/full-length``."""
    return committed_runs("full-length")


def records_by_task(runs: Iterable[Run], kind: str) -> dict[str, Run]:
    """Pick a kind of record of each task, in the paper's order; the first one where there are several."""
    found: dict[str, Run] = {}
    for run in runs:
        if run.info.kind == kind:
            found.setdefault(run.info.task, run)
    return {task: found[task] for task in TASKS if task in found}


def average_moved(run: Run) -> float:
    """Return by how much of the full range a network moves the average (Eq. 11), in the last epoch."""
    return float(run.log["residual"].iloc[-1]) * run.info.trained.model["residual_scale"]


@cache
def published_scores() -> pd.DataFrame:
    """Give our scores of the fused images that AdaFuse and ASFE-Fusion published, one row a pair."""
    return pd.read_csv(results_folder() / "published" / "metrics.csv", dtype={"pair": str})
