"""TODO."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from wdualmine.data import DataSource, Pair, Task
from wdualmine.methods import average
from wdualmine.progress import task_bar
from wdualmine.records import (
    Run,
)


def evaluate_baselines(
    task: str,
    output: str | Path,
    data: str | Path | None = None,
    limit: int | None = None,
    progress: bool = True,
) -> Run:
    """Score the methods with nothing to learn on a task's test pairs, and record it as a run.

    The rows of the method "limit" hold the closed-form limits of CC and PSNR, which no method passes.

    Args:
        task: "ct-mri", "pet-mri" or "spect-mri".
        output: the run's folder; a finished record there is kept if it is of the same data and code.
        data: see :func:`~wdualmine.data.find_data`.
        limit: score only the first so many pairs.
        progress: show a progress bar.
    """

    def compute(pairs: Sequence[Pair], task: Task, _: DataSource) -> pd.DataFrame:
        candidates = [*_baselines(), Candidate("average", average, stretch=False)]
        with task_bar(f"{task.key} baselines", len(candidates) * len(pairs), progress) as advance:
            scores = evaluate(candidates, pairs, task.key, progress=advance)
        return pd.concat([scores, limit_rows(pairs, task)], ignore_index=True)

    return recorded("baselines", task, output, data, limit, compute)
