"""The ranking by signal recovery: every method at hand, beside the metrics that the field prints.

A record of kind "ranking" holds ``metrics.csv`` (a row a method and pair: the field's metrics of the image
as it is, not stretched, and the pair's mean recovery and visibility), ``signals.csv`` (a row a method and
signal) and ``robustness.csv`` (noise and shifts). One of kind "bound" holds in ``metrics.csv`` the same
metrics and the value of the objective for the best image of each pair, and for what lies on the way to it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from wdualmine.data import Pair
from wdualmine.evaluation import Candidate, evaluate
from wdualmine.fusion import Fuse, fuse_images, luma_tensor
from wdualmine.methods import (
    CLASSICAL,
    W_DUALMINE,
    W_DUALMINE_RECOVERY,
    blend,
    fuse_with,
    load_model,
    maximum,
)
from wdualmine.methods.learned import fuse_padded
from wdualmine.metrics import score
from wdualmine.progress import task_bar
from wdualmine.records import Run, write_csv
from wdualmine.recovery.measure import LOST, measure_recovery
from wdualmine.recovery.scoring import RANKING_METRICS, at_scales, measure
from wdualmine_book.recorder import Request
from wdualmine_book.recovery.bound import best_image, objective_of, objective_of_image
from wdualmine_book.recovery.noise import noise_gain

KIND = "ranking"
#: The kind of the other record, and the method whose rows in it hold the best image of each pair.
BOUND = "bound"
#: The t of the blends (1 - t) average + t maximum: the trivial front.
BLENDS = (0.2, 0.4, 0.6, 0.8)
#: Methods with nothing to learn that stand on the way to the best image of each pair.
BOUNDED = ("average", "detail-average")
#: By how many pixels the MRI is moved, down and to the right, and the methods that it is moved for.
SHIFTS = (0, 1, 2, 4)
SHIFTED = ("average", "maximum", "detail-average", W_DUALMINE_RECOVERY.name)


def ranking(request: Request) -> pd.DataFrame:
    """Measure every method on a task's test pairs, and record it as a run of kind "ranking".

    Methods: those with nothing to learn, the blends ``blend-T`` for T of :data:`BLENDS`, ``w-dualmine`` and
    ``w-dualmine-recovery`` with the package's weights; the latter also as ``w-dualmine-recovery-S`` with the
    residual scales S of :data:`SCALES`.
    """
    pairs, task = request.pairs, request.task
    candidates = [Candidate(method.name, method.fuse, False) for method in CLASSICAL.values() if method.fuse]
    candidates += [Candidate(f"blend-{t:.1f}", blend(maximum, t), False) for t in BLENDS]
    candidates.append(Candidate(W_DUALMINE.name, fuse_with(load_model(task.key)), False))
    candidates += at_scales(load_model(task.key, "recovery"))
    frame, signals = measure(candidates, pairs, task.key, request.progress)
    write_csv(request.output / "signals.csv", signals)
    chosen = {candidate.method: candidate.fuse for candidate in candidates if candidate.method in SHIFTED}
    write_csv(request.output / "robustness.csv", robustness(chosen, pairs))
    return frame


def bound(request: Request) -> pd.DataFrame:
    """Set methods beside the best image of each pair, and record it as a run of kind "bound".

    Its ``metrics.csv`` has a row a method and pair, with the field's metrics and ``objective``, what training
    for recovery minimizes. Methods: the average, the average plus details, the recovery network with the
    package's weights, and :data:`BOUND`, which keeps every signal.
    """
    pairs, task = request.pairs, request.task
    ways: dict[str, Fuse] = {
        name: method.fuse for name, method in CLASSICAL.items() if name in BOUNDED and method.fuse
    }
    network = load_model(task.key, "recovery")
    ways[W_DUALMINE_RECOVERY.name] = fuse_with(network)
    images: list[Tensor] = []

    def best(a: Tensor, b: Tensor) -> Tensor:
        images.append(best_image(a, b))
        return images[-1]

    candidates = [Candidate(name, fuse, False) for name, fuse in (ways | {BOUND: best}).items()]
    with task_bar(f"{task.key} bound", len(candidates) * len(pairs), request.progress) as advance:
        scores = evaluate(candidates, pairs, task.key, metrics=RANKING_METRICS, progress=advance)

    def unclipped(a: Tensor, b: Tensor) -> Tensor:
        return (a + b) / 2 + network.config.residual_scale * fuse_padded(network, a, b)[1]

    ways[W_DUALMINE_RECOVERY.name] = unclipped
    rows = []
    for number, (pair, image) in enumerate(zip(pairs, images, strict=True)):
        lumas = luma_tensor(pair.luma_a), luma_tensor(pair.luma_b)
        values = {name: objective_of(fuse, *lumas, seed=number) for name, fuse in ways.items()}
        values[BOUND] = objective_of_image(image, *lumas)
        rows += [{"method": name, "pair": pair.name, "objective": x} for name, x in values.items()]
    return scores.merge(pd.DataFrame(rows).round(6), on=["method", "pair"])


def load_signals(run: Run) -> pd.DataFrame:
    """Read the signals of a ranking or of a training run for recovery, one row a method and signal."""
    return run.table("signals.csv").astype({"pair": str})


def load_robustness(run: Run) -> pd.DataFrame:
    """Read what noise and shifts do, one row a method, condition and source; see :func:`robustness`."""
    return run.table("robustness.csv")


def robustness(methods: dict[str, Fuse], pairs: Sequence[Pair]) -> pd.DataFrame:
    """Ask what noise and a misregistered MRI do to a fused image.

    Args:
        methods: ways to fuse, by name.
        pairs: sources.

    Returns:
        A row a method, condition and source ("a", "b"). Condition ``noise``: ``value`` is the gain of noise
        (:func:`~wdualmine_book.recovery.noise.noise_gain`). Condition ``shift-K``: the MRI was moved by K
        pixels down and to the right; ``value`` is the mean recovery, ``lost`` the share lost, and ``CC`` the
        fused image's correlation with the sources as they were before the shift.
    """
    rows: list[dict[str, Any]] = []
    for name, fuse in methods.items():
        for source, gain in noise_gain(fuse, pairs).items():
            rows.append({"method": name, "condition": "noise", "source": source, "value": gain})
        for shift in SHIFTS:
            moved = [Pair(p.name, p.image_a, np.roll(p.image_b, (shift, shift), (0, 1))) for p in pairs]
            signals = measure_recovery(fuse, moved, signals=1)
            correlation = _correlation_with_unmoved(fuse, pairs, moved)
            for source in ("a", "b"):
                own = signals[signals["source"] == source]
                rows.append(
                    {
                        "method": name,
                        "condition": f"shift-{shift}",
                        "source": source,
                        "value": own["recovery"].mean(),
                        "lost": (own["recovery"] < LOST).mean(),
                        "CC": correlation,
                    }
                )
    return pd.DataFrame(rows).round(6)


def _correlation_with_unmoved(fuse: Fuse, pairs: Sequence[Pair], moved: Sequence[Pair]) -> float:
    values = []
    for pair, other in zip(pairs, moved, strict=True):
        fused = fuse_images(other.image_a, other.image_b, fuse, stretch=False)
        values.append(score(pair.image_a, pair.image_b, fused, ["CC"])["CC"])
    return float(np.mean(values))
