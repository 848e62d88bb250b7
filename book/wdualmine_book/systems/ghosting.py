"""Ghosting: what every method does to scans that are not registered, as the paper's limitation has it.

A record of kind "ghosting" holds ``ghosting.csv``, a row a method, pair and movement of the MRI, and in
``metrics.csv`` the rows of the MRI where it lay.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from wdualmine.data import Pair
from wdualmine.evaluation import Candidate
from wdualmine.fusion import fuse_images
from wdualmine.methods import CLASSICAL, load_fuse
from wdualmine.metrics import score
from wdualmine.progress import task_bar
from wdualmine.records import write_csv
from wdualmine_book.recorder import Parts, Request
from wdualmine_book.systems.retrained import trained_networks

KIND = "ghosting"
#: How the MRI is moved: by so many pixels down and to the right, or turned by so many degrees to the left.
MOVES: dict[str, tuple[int, ...]] = {"shift": (2, 4, 8), "turn": (2, 5, 10)}
#: The MRI where it lay.
STILL = ("shift", 0)
GHOSTING_METRICS = ("CC", "Qabf", "SSIM")
#: Scores against the sources as the method got them; those without it are against registered ones.
GIVEN = "_given"
#: Pairs of a task, spread over its test pairs.
PAIRS = 6


def ghosting(request: Request) -> pd.DataFrame:
    """Fuse with an MRI that is moved, by every method, and record it as a run of kind "ghosting".

    The networks are those whose weights are here: the authors', W-DUALMINE and the light network, whose
    weights of the package were trained on slices of the same volumes.

    Columns of its ``ghosting.csv``: method, move, amount (of :data:`MOVES`, or 0), pair;
    :data:`GHOSTING_METRICS` of the fused image with the sources where they lay, and, named ``METRIC_given``,
    with those that the method got. Images are not stretched.
    """
    pairs, task = request.pairs, request.task
    chosen = [pairs[k] for k in np.unique(np.linspace(0, len(pairs) - 1, PAIRS).round().astype(int))]
    every = {method.name: method for method in (*CLASSICAL.values(), *trained_networks(task.key))}
    methods = [every[name] for name in request.wanted(every)]
    parts, frames = Parts(request), []
    for method in methods:
        own = [Candidate(method.name, load_fuse(method, task.key), False)]
        measure = partial(measure_ghosting, own, chosen, request.progress, f"{task.key} {method.name}")
        frames.append(parts(method.name, measure))
    frame = pd.concat(frames, ignore_index=True)
    write_csv(request.output / "ghosting.csv", frame)
    still = frame[(frame["move"] == STILL[0]) & (frame["amount"] == STILL[1])]
    columns = ["pair", "method", *GHOSTING_METRICS]
    parts.clear()
    return still[columns].assign(task=task.key, split="test", stretch=False)


def measure_ghosting(
    candidates: Sequence[Candidate], pairs: Sequence[Pair], progress: bool = False, task: str = ""
) -> pd.DataFrame:
    """Measure methods on pairs whose second source is moved; see :func:`ghosting` for the columns."""
    conditions = [STILL, *((move, amount) for move, amounts in MOVES.items() for amount in amounts)]
    rows: list[dict[str, Any]] = []
    with task_bar(f"{task} ghosting", len(candidates) * len(conditions), progress) as advance:
        for candidate in candidates:
            for move, amount in conditions:
                for pair in pairs:
                    given = Pair(pair.name, pair.image_a, moved(pair.image_b, move, amount))
                    fused = fuse_images(given.image_a, given.image_b, candidate.fuse, stretch=False)
                    scores = score(given.image_a, given.image_b, fused, GHOSTING_METRICS)
                    rows.append(
                        {
                            "method": candidate.method,
                            "move": move,
                            "amount": amount,
                            "pair": pair.name,
                            **score(pair.image_a, pair.image_b, fused, GHOSTING_METRICS),
                            **{f"{name}{GIVEN}": value for name, value in scores.items()},
                        }
                    )
                advance()
    return pd.DataFrame(rows).round(6)


def moved(image: NDArray, move: str, amount: float) -> NDArray:
    """Move an image (H, W) or (H, W, 3), uint8; what comes in from outside is 0.

    Args:
        image: the image.
        move: "shift", down and to the right, or "turn", about its center to the left.
        amount: in pixels or degrees.
    """
    if not amount:
        return image
    if move == "shift":
        return ndimage.shift(image, (amount, amount, 0)[: image.ndim], order=1)
    return ndimage.rotate(image, amount, reshape=False, order=1)
