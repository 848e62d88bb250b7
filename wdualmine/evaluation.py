"""Scoring methods on the pairs of a task: a tidy table with one row per method and pair."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
from numpy.typing import NDArray

from wdualmine.data import Pair, get_task
from wdualmine.fusion import Fuse, fuse_images
from wdualmine.metrics import PAPER_METRICS, score
from wdualmine.metrics.validation import is_constant

#: The method whose rows hold the closed-form limits of CC and PSNR.
LIMIT = "limit"


@dataclass(frozen=True)
class Candidate:
    """One row of a table: a method, how its result is finished, and the seed that made it, if any."""

    method: str
    fuse: Fuse
    stretch: bool = True
    seed: int | None = None


def evaluate(
    candidates: Iterable[Candidate],
    pairs: Sequence[Pair],
    task: str,
    metrics: Sequence[str] = PAPER_METRICS,
    progress: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Score methods on pairs.

    A fused image that is constant has no scores, as an untrained network may give one; its cells are empty.
    Progress is called after every fused pair.

    Returns:
        Columns of :data:`~wdualmine.records.KEYS`, then one per metric.
    """
    rows = []
    for candidate in candidates:
        for pair in pairs:
            fused = fuse_images(pair.image_a, pair.image_b, candidate.fuse, candidate.stretch)
            rows.append(
                {
                    "task": get_task(task).key,
                    "split": "test",
                    "pair": pair.name,
                    "method": candidate.method,
                    "stretch": candidate.stretch,
                    "seed": candidate.seed,
                    **_scores(pair, fused, metrics),
                }
            )
            progress()
    return pd.DataFrame(rows).astype({"seed": "Int64"})


def _scores(pair: Pair, fused: NDArray, metrics: Sequence[str]) -> dict[str, float]:
    if is_constant(fused):
        return dict.fromkeys(metrics, math.nan)
    return score(pair.image_a, pair.image_b, fused, metrics)
