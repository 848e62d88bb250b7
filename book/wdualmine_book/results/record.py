"""The record of the methods with nothing to learn, under the paper's protocol."""

import pandas as pd

from wdualmine.evaluation import Candidate, evaluate
from wdualmine.methods import average
from wdualmine.progress import task_bar
from wdualmine_book.recorder import Request, classical_candidates, limit_rows


def baselines(request: Request) -> pd.DataFrame:
    """Score them stretched, and the average as it is, too; "limit" holds the closed-form limits."""
    candidates = [*classical_candidates(), Candidate("average", average, stretch=False)]
    task, pairs = request.task, request.pairs
    with task_bar(f"{task.key} baselines", len(candidates) * len(pairs), request.progress) as advance:
        scores = evaluate(candidates, pairs, task.key, progress=advance)
    return pd.concat([scores, limit_rows(pairs, task)], ignore_index=True)
