"""TODO."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from wdualmine.data import DataSource, Pair, Task, find_data, get_task, load_pairs
from wdualmine.errors import WdualmineError
from wdualmine.methods import CLASSICAL
from wdualmine.metrics.limits import limits
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


def limit_rows(pairs: Sequence[Pair], task: Task) -> pd.DataFrame:
    """Give the closed-form limits of CC and PSNR, a row a pair, as those of the method :data:`LIMIT`."""
    bounds = [limits(p.image_a, p.image_b, (f"{p.name} ({task.a})", f"{p.name} (MRI)")) for p in pairs]
    return pd.DataFrame(bounds).assign(
        task=task.key, split="test", pair=[pair.name for pair in pairs], method=LIMIT, stretch=False
    )


def _baselines() -> list[Candidate]:
    return [Candidate(name, method.fuse) for name, method in CLASSICAL.items() if method.fuse]


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
        frame = compute(load_pairs(source, chosen, "test", limit), chosen, source)
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
