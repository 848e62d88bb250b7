"""Scoring methods on the pairs of a task: a tidy table with one row a method and pair."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from wdualmine.data import Pair, find_data, get_task, load_pairs
from wdualmine.fusion import Fuse, fuse_images
from wdualmine.methods import CLASSICAL, average
from wdualmine.metrics import PAPER_METRICS, score
from wdualmine.metrics.limits import limits
from wdualmine.progress import task_bar
from wdualmine.records import Run, describe_run, load_run, now, summarize, write_csv, write_json
from wdualmine.runtime import pick_device


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
    split: str = "test",
    metrics: Sequence[str] = PAPER_METRICS,
    progress: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Score methods on pairs.

    Args:
        candidates: what to score.
        pairs: as :func:`~wdualmine.data.load_pairs` gives them.
        task: goes into the table.
        split: goes into the table.
        metrics: names from the metrics registry.
        progress: called after every fused pair.

    Returns:
        Columns of :data:`~wdualmine.records.KEYS`, then one a metric.
    """
    rows = []
    for candidate in candidates:
        for pair in pairs:
            fused = fuse_images(pair.image_a, pair.image_b, candidate.fuse, candidate.stretch)
            rows.append(
                {
                    "task": get_task(task).key,
                    "split": split,
                    "pair": pair.name,
                    "method": candidate.method,
                    "stretch": candidate.stretch,
                    "seed": candidate.seed,
                    **score(pair.image_a, pair.image_b, fused, metrics),
                }
            )
            progress()
    return pd.DataFrame(rows).astype({"seed": "Int64"})


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
    output, source, key = Path(output), find_data(data), get_task(task).key
    description = describe_run("baselines", source, key, pick_device("cpu"))
    description["limit"] = limit
    if (output / "run.json").is_file():
        run = load_run(output)
        same = all(run.info.get(name) == description[name] for name in ("kind", "task", "data", "limit"))
        if same and run.info["code"]["source"] == description["code"]["source"]:
            return run
    pairs = load_pairs(source, key, "test", limit)
    candidates = [Candidate(name, method.fuse) for name, method in CLASSICAL.items() if method.fuse]
    candidates.append(Candidate("average", average, stretch=False))
    started = time.perf_counter()
    with task_bar(f"{key} baselines", len(candidates) * len(pairs), progress) as advance:
        scores = evaluate(candidates, pairs, key, progress=advance)
    bounds = [{"task": key, "split": "test", "pair": p.name} | limits(p.image_a, p.image_b) for p in pairs]
    frame = pd.concat([scores, pd.DataFrame(bounds).assign(method="limit", stretch=False)], ignore_index=True)
    write_csv(output / "metrics.csv", frame)
    timing = {"finished": now(), "wall_seconds": round(time.perf_counter() - started, 2)}
    write_json(output / "run.json", description | timing | {"results": summarize(frame)})
    return load_run(output)
