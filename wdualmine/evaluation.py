"""Scoring methods on the pairs of a task: a tidy table with one row a method and pair."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from numpy.typing import NDArray

from wdualmine.data import DataSource, Pair, Task, find_data, get_task, load_pairs, published_folder
from wdualmine.data.images import read_image
from wdualmine.data.pairs import image_files
from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse, fuse_images
from wdualmine.methods import CLASSICAL, W_DUALMINE, average, fuse_with, load_model
from wdualmine.metrics import METRICS, PAPER_METRICS, score
from wdualmine.metrics.limits import limits
from wdualmine.metrics.published import METHODS as PUBLISHED
from wdualmine.metrics.validation import is_constant
from wdualmine.progress import task_bar
from wdualmine.records import (
    Run,
    describe_run,
    held,
    load_run,
    now,
    seal,
    summarize,
    write_csv,
    write_json,
)
from wdualmine.runtime import pick_device

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
    split: str = "test",
    metrics: Sequence[str] = PAPER_METRICS,
    progress: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Score methods on pairs.

    A fused image that is constant has no scores, as an untrained network may give one; its cells are empty.

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
                    **_scores(pair, fused, metrics),
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

    def compute(pairs: Sequence[Pair], task: Task, _: DataSource) -> pd.DataFrame:
        candidates = [*_baselines(), Candidate("average", average, stretch=False)]
        with task_bar(f"{task.key} baselines", len(candidates) * len(pairs), progress) as advance:
            scores = evaluate(candidates, pairs, task.key, progress=advance)
        return pd.concat([scores, limit_rows(pairs, task)], ignore_index=True)

    return recorded("baselines", task, output, data, limit, compute)


def evaluate_conventions(
    task: str,
    output: str | Path,
    data: str | Path | None = None,
    limit: int | None = None,
    progress: bool = True,
) -> Run:
    """Score methods on a task's test pairs with every metric in every convention, and record it as a run.

    The methods are those with nothing to learn, the network with the package's weights and, beside the real
    pairs, the published images of AdaFuse and ASFE-Fusion. Columns are named by the metric for its default
    convention and ``METRIC[convention]`` for the others; a score that is undefined on a pair is left empty.

    Args:
        task: "ct-mri", "pet-mri" or "spect-mri".
        output: the run's folder; a finished record there is kept if it is of the same data and code.
        data: see :func:`~wdualmine.data.find_data`.
        limit: score only the first so many pairs.
        progress: show a progress bar.
    """

    def compute(pairs: Sequence[Pair], task: Task, source: DataSource) -> pd.DataFrame:
        candidates = [*_baselines(), Candidate(W_DUALMINE.name, fuse_with(load_model(task.key)))]
        fused = {
            (candidate.method, pair.name): fuse_images(pair.image_a, pair.image_b, candidate.fuse)
            for candidate in candidates
            for pair in pairs
        }
        for method, files in published_files(task, source).items():
            fused |= {(method, pair.name): published_image(files, pair.name, method) for pair in pairs}
        by_name = {pair.name: pair for pair in pairs}
        rows = []
        with task_bar(f"{task.key} conventions", len(fused), progress) as advance:
            for (method, name), image in fused.items():
                row = {"task": task.key, "split": "test", "pair": name, "method": method, "stretch": True}
                rows.append(row | _score_conventions(by_name[name], image))
                advance()
        return pd.DataFrame(rows)

    return recorded("conventions", task, output, data, limit, compute)


def limit_rows(pairs: Sequence[Pair], task: Task) -> pd.DataFrame:
    """Give the closed-form limits of CC and PSNR, a row a pair, as those of the method :data:`LIMIT`."""
    bounds = [limits(p.image_a, p.image_b, (f"{p.name} ({task.a})", f"{p.name} (MRI)")) for p in pairs]
    return pd.DataFrame(bounds).assign(
        task=task.key, split="test", pair=[pair.name for pair in pairs], method=LIMIT, stretch=False
    )


def published_files(task: Task, source: DataSource) -> dict[str, dict[str, Path]]:
    """Find the published fused images by method and pair; empty where they are not at hand."""
    folder = published_folder(source)
    if folder is None:
        return {}
    return {title.lower(): image_files(folder / name / task.folder) for name, title in PUBLISHED.items()}


def published_image(files: dict[str, Path], pair: str, method: str) -> NDArray:
    """Read one of :func:`published_files`.

    Raises:
        WdualmineError: there is none of this pair, or it cannot be read.
    """
    if pair not in files:
        raise WdualmineError(f"{method}: its published images lack pair {pair}; fetch them again")
    return read_image(files[pair])


def _scores(pair: Pair, fused: NDArray, metrics: Sequence[str]) -> dict[str, float]:
    if is_constant(fused):
        return dict.fromkeys(metrics, math.nan)
    return score(pair.image_a, pair.image_b, fused, metrics)


def _baselines() -> list[Candidate]:
    return [Candidate(name, method.fuse) for name, method in CLASSICAL.items() if method.fuse]


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


def require_kind(run: Run, kind: str) -> None:
    """Refuse to replace a record by one of another kind.

    Raises:
        WdualmineError: it is of another.
    """
    if run.info["kind"] != kind:
        raise WdualmineError(f"{run.folder}: holds a run of kind {run.info['kind']}; choose another folder")


def recorded(
    kind: str,
    task: str,
    output: str | Path,
    data: str | Path | None,
    limit: int | None,
    compute: Callable[[Sequence[Pair], Task, DataSource], pd.DataFrame],
) -> Run:
    """Compute a table of scores and write it as a run, unless the folder holds the same one already.

    Args:
        kind: what the record calls itself.
        task: "ct-mri", "pet-mri" or "spect-mri".
        output: the run's folder.
        data: see :func:`~wdualmine.data.find_data`.
        limit: give `compute` only the first so many test pairs.
        compute: makes the table from pairs, task and source.

    Raises:
        WdualmineError: the folder holds a run of another kind, or another process writes to it.
    """
    output, source, chosen = Path(output), find_data(data), get_task(task)
    description = describe_run(kind, source, chosen.key, pick_device("cpu")) | {"limit": limit}
    with held(output):
        if (output / "run.json").is_file():
            run = load_run(output)
            require_kind(run, kind)
            same = all(run.info.get(name) == description[name] for name in ("task", "data", "limit"))
            same = same and run.info["code"].get("source") == description["code"]["source"]
            if same and not run.altered(["metrics.csv"]):
                return run
        started = time.perf_counter()
        frame = compute(load_pairs(chosen, "test", limit, data=source), chosen, source)
        write_csv(output / "metrics.csv", frame)
        write_json(
            output / "run.json",
            description
            | {
                "files": seal(output, sorted(path.name for path in output.glob("*.csv"))),
                "finished": now(),
                "evaluation_seconds": round(time.perf_counter() - started, 2),
                "results": summarize(frame),
            },
        )
        return load_run(output)
