"""All systems on one protocol: every method at hand by the field's metrics and by signal recovery.

A record of kind "comparison" holds ``metrics.csv`` (a row a method and pair: the metrics of the image as it
is, not stretched, and the pair's mean recovery and visibility) and ``signals.csv`` (a row a method and
signal).
"""

from collections.abc import Sequence

import pandas as pd

from wdualmine.data import DataSource, Pair, Task
from wdualmine.evaluation import Candidate
from wdualmine.methods import CLASSICAL, load_fuse
from wdualmine.metrics import score
from wdualmine.records import write_csv
from wdualmine.recovery.scoring import RANKING_METRICS, measure
from wdualmine_book.metrics.published import published_files, published_image
from wdualmine_book.recorder import Request, limit_rows
from wdualmine_book.systems.retrained import trained_networks

KIND = "comparison"
SUFFIX = "-published"  # of a method whose rows score the images that its authors published


def comparison(request: Request) -> pd.DataFrame:
    """Measure every method on a task's test pairs, and record it as a run of kind "comparison".

    Methods: those with nothing to learn, and the networks whose weights for the task are in the repository.
    Beside the real pairs lie the images that AdaFuse and ASFE-Fusion published: they are scored as
    ``adafuse-published`` and ``asfe-fusion-published``, stretched as they are, and have no recovery, because
    nothing else can be fused by them. The rows of the method "limit" hold the limits of CC and PSNR.
    """
    pairs, task, source = request.pairs, request.task, request.source
    methods = [*CLASSICAL.values(), *trained_networks(task.key)]
    candidates = [Candidate(method.name, load_fuse(method, task.key), False) for method in methods]
    frame, signals = measure(candidates, pairs, task.key, request.progress)
    write_csv(request.output / "signals.csv", signals)
    return pd.concat([frame, limit_rows(pairs, task), *_published(pairs, task, source)], ignore_index=True)


def _published(pairs: Sequence[Pair], task: Task, source: DataSource) -> list[pd.DataFrame]:
    frames = []
    for method, files in published_files(task, source).items():
        images = [published_image(files, pair.name, method) for pair in pairs]
        scores = [
            score(p.image_a, p.image_b, image, RANKING_METRICS)
            for p, image in zip(pairs, images, strict=True)
        ]
        frames.append(
            pd.DataFrame(scores).assign(
                task=task.key,
                split="test",
                pair=[pair.name for pair in pairs],
                method=f"{method}{SUFFIX}",
                stretch=True,
            )
        )
    return frames
