"""The record of every metric in every convention."""

import pandas as pd
from numpy.typing import NDArray

from wdualmine.data import Pair
from wdualmine.errors import WdualmineError
from wdualmine.evaluation import Candidate
from wdualmine.fusion import fuse_images
from wdualmine.methods import W_DUALMINE, fuse_with, load_model
from wdualmine.metrics import METRICS, score
from wdualmine.progress import task_bar
from wdualmine_book.metrics.published import published_files, published_image
from wdualmine_book.recorder import Request, classical_candidates


def conventions(request: Request) -> pd.DataFrame:
    """Score methods on a task's test pairs with every metric in every convention, and record it as a run.

    The methods are those with nothing to learn, the network with the package's weights and, beside the real
    pairs, the published images of AdaFuse and ASFE-Fusion. Columns are named by the metric for its default
    convention and ``METRIC[convention]`` for the others; a score that is undefined on a pair is left empty.
    """
    pairs, task, source = request.pairs, request.task, request.source
    candidates = [*classical_candidates(), Candidate(W_DUALMINE.name, fuse_with(load_model(task.key)))]
    fused = {
        (candidate.method, pair.name): fuse_images(pair.image_a, pair.image_b, candidate.fuse)
        for candidate in candidates
        for pair in pairs
    }
    for method, files in published_files(task, source).items():
        fused |= {(method, pair.name): published_image(files, pair.name, method) for pair in pairs}
    by_name = {pair.name: pair for pair in pairs}
    rows = []
    with task_bar(f"{task.key} conventions", len(fused), request.progress) as advance:
        for (method, name), image in fused.items():
            row = {"task": task.key, "split": "test", "pair": name, "method": method, "stretch": True}
            rows.append(row | _score_conventions(by_name[name], image))
            advance()
    return pd.DataFrame(rows)


def _score_conventions(pair: Pair, fused: NDArray) -> dict[str, float]:
    scores = {}
    for metric in METRICS.values():
        for number, convention in enumerate(metric.conventions):
            column = metric.key if number == 0 else f"{metric.key}[{convention.name}]"
            try:
                values = score(pair.image_a, pair.image_b, fused, [metric.key], convention.name)
            except WdualmineError:  # undefined for this image, such as SCD where the result is a source
                continue
            scores[column] = values[metric.key]
    return scores
