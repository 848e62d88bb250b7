"""Scores of methods by the field's metrics and by signal recovery, for trainings and records alike."""

from collections.abc import Sequence

import pandas as pd

from wdualmine.data import Pair
from wdualmine.evaluation import Candidate, evaluate
from wdualmine.methods import (
    W_DUALMINE_RECOVERY,
    fuse_with,
)
from wdualmine.model import WDualMine
from wdualmine.progress import task_bar
from wdualmine.recovery.measure import measure_recovery

#: What the field prints: CC, Qabf and SSIM are in the objective of recovery, the others in no objective.
RANKING_METRICS = ("EN", "MI", "CC", "PSNR", "FMI", "Qabf", "SSIM", "VIF", "SCD", "SD", "Qcb", "Nabf")
#: Columns of a signal in ``signals.csv``.
SIGNAL_COLUMNS = (
    "shape", "size", "amplitude", "row", "column", "recovery", "visibility", "clutter",
)  # fmt: skip
#: Residual scales at which the recovery network is measured; 1 is the one that it is trained at.
SCALES = (1.0, 0.75, 0.5, 0.25)
#: Those at which a training run is scored.
SCORED_SCALES = (1.0, 0.5)
#: Signals a pair, source and shape, at most.
SIGNALS = 5


def at_scales(model: WDualMine, scales: Sequence[float] = SCALES, seed: int | None = None) -> list[Candidate]:
    """Return a recovery network as one candidate per residual scale."""
    name = W_DUALMINE_RECOVERY.name
    return [
        Candidate(name if scale == 1 else f"{name}-{scale:g}", fuse_with(model, scale), False, seed)
        for scale in scales
    ]


def measure(
    candidates: Sequence[Candidate], pairs: Sequence[Pair], task: str, progress: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure methods, one name each, by the field's metrics and by signal recovery.

    Returns:
        A frame as :func:`~wdualmine.evaluation.evaluate` gives it, with each pair's mean ``recovery_a``,
        ``recovery_b``, ``visibility_a`` and ``visibility_b``; and the signals of
        :func:`~wdualmine.recovery.measure.measure_recovery`, with a column method.
    """
    steps = 2 * len(candidates) * len(pairs)
    with task_bar(f"{task} ranking", steps, progress) as advance:
        scores = evaluate(candidates, pairs, task, metrics=RANKING_METRICS, progress=advance)
        signals = pd.concat(
            [
                measure_recovery(candidate.fuse, pairs, SIGNALS, progress=advance).assign(
                    method=candidate.method
                )
                for candidate in candidates
            ],
            ignore_index=True,
        )
    means = signals.pivot_table(index=["pair", "method"], columns="source", values=["recovery", "visibility"])
    means.columns = ["_".join(column) for column in means.columns.to_flat_index()]
    signals = signals.reindex(columns=["method", "pair", "source", *SIGNAL_COLUMNS]).round(5)
    return scores.merge(means.reset_index(), on=["pair", "method"], how="left"), signals
