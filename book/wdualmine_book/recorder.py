"""One recorder for all records of the book: scores on a task's test pairs, in a folder sealed by hashes."""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from shutil import rmtree
from typing import Any

import pandas as pd

import wdualmine_book
from wdualmine.data import DataSource, Pair, Task, find_data, get_task, load_pairs
from wdualmine.errors import WdualmineError
from wdualmine.evaluation import LIMIT, Candidate
from wdualmine.methods import CLASSICAL
from wdualmine.metrics.limits import limits
from wdualmine.records import (
    Run,
    describe_run,
    load_run,
    lock_folder,
    now,
    seal,
    summarize,
    write_csv,
    write_json,
)
from wdualmine.runtime import pick_device


@dataclass(frozen=True)
class Request:
    """What a record is made from.

    Attributes:
        pairs: the task's test pairs, or the first so many.
        task: of them.
        source: where they come from.
        output: the record's folder, for tables beside ``metrics.csv``.
        progress: whether to show a progress bar.
        identity: of the code and data, SHA-256; parts of a record that was interrupted belong to one.
        only: the methods to measure, each with those whose names go on after a hyphen; () for all.
    """

    pairs: Sequence[Pair]
    task: Task
    source: DataSource
    output: Path
    progress: bool
    identity: str
    only: tuple[str, ...] = ()

    def wants(self, method: str) -> bool:
        """Say whether a method is to be measured."""
        return not self.only or any(f"{method}-".startswith(f"{name}-") for name in self.only)

    def wanted(self, methods: Iterable[str]) -> list[str]:
        """Return those of some methods that are to be measured.

        Raises:
            WdualmineError: none of them is.
        """
        known = list(methods)
        if found := [method for method in known if self.wants(method)]:
            return found
        raise WdualmineError(f"--method {', '.join(self.only)}: unknown here; choose from {', '.join(known)}")


class Parts:
    """Tables that are finished while a record is made, so that making it again goes on where it stopped."""

    def __init__(self, request: Request) -> None:
        self.folder = request.output / f"parts-{request.identity[:16]}"
        for other in request.output.glob("parts-*"):
            if other != self.folder:  # of other code or data
                rmtree(other)

    def __call__(self, name: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Read a table that is there, else make and keep it."""
        path = self.folder / f"{name}.csv"
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_csv(path, make())
        table = pd.read_csv(path, dtype={"pair": str, "without": str})
        return table.fillna({"without": ""})

    def clear(self) -> None:
        """Delete them."""
        rmtree(self.folder, ignore_errors=True)


#: Makes the rows of ``metrics.csv``: a row per method and pair.
Compute = Callable[[Request], pd.DataFrame]
#: The kinds of record and the function that makes each, in its page's folder.
KINDS = {
    "baselines": "results.record:baselines",
    "conventions": "metrics.record:conventions",
    "audit": "audit.record:audit",
    "ranking": "recovery.record:ranking",
    "ghosting": "systems.ghosting:ghosting",
    "nearness": "systems.nearness:nearness",
    "choices": "recovery.study:choices",
    "detector": "recovery.detector:detector",
    "volumes": "scans.volume_record:volumes",
    "registration": "scans.registration_record:registration",
}
#: Those of which some methods can be measured again.
BY_METHOD = ("ranking", "ghosting", "detector")


def record(
    kind: str,
    task: str,
    output: str | Path,
    data: str | Path | None = None,
    limit: int | None = None,
    progress: bool = True,
    only: Sequence[str] = (),
) -> Run:
    """Make a record of a kind and write it as a run, unless the folder holds the same one already.

    With ``only``, a record that is there gets new rows of some methods; ``kept`` in its ``run.json`` names
    the others by the code that measured them.

    Args:
        kind: one of :data:`KINDS`.
        task: "ct-mri", "pet-mri" or "spect-mri".
        output: the run's folder; a finished record there is kept if it is of the same data and code.
        data: see :func:`~wdualmine.data.find_data`.
        limit: use only the first so many test pairs.
        progress: show a progress bar.
        only: see :class:`Request`.

    Raises:
        WdualmineError: there is no such kind, the folder holds a run of another one, another process writes
            to it, the data cannot be read, or some methods are asked for that are unknown or where no record
            of the same data is.
    """
    compute = function_of(kind)
    output, source, chosen = Path(output), find_data(data), get_task(task)
    description = describe_run(kind, source, chosen.key, pick_device("cpu"), compute.__module__)
    description["limit"] = limit
    asked = (chosen.key, limit, description["code"]["source"], description["data"]["fingerprint"])
    if only and kind not in BY_METHOD:
        raise WdualmineError(f"--method: {kind} records are made whole; leave it out")
    with lock_folder(output):
        before: Run | None = None
        if (output / "run.json").is_file():
            before = load_run(output)
            require_kind(before, kind)
            info = before.info
            made_of = (info.task, info.limit, info.code.source, info.data.fingerprint)
            if asked == made_of and not before.altered() and not only:
                return before
        if only and not (before and (info.task, info.limit, info.data.fingerprint) == (*asked[:2], asked[3])):
            raise WdualmineError(
                f"{output}: holds no {kind} record of this task and data whose other methods could stay; "
                "leave out --method to make a whole one"
            )
        started = time.perf_counter()
        pairs = load_pairs(chosen, "test", limit, data=source)
        identity = hashlib.sha256(str((kind, *asked)).encode()).hexdigest()
        made = output / "some" if only else output  # a record stays whole until its new rows are there
        made.mkdir(exist_ok=True)
        request = Request(pairs, chosen, source, made, progress, identity, tuple(only))
        frame = compute(request)
        write_csv(made / "metrics.csv", frame)
        if only and before:
            description["kept"] = kept_by(before, _join(before, request))
            frame = pd.read_csv(output / "metrics.csv", dtype={"pair": str})
            rmtree(made)
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


def _join(before: Run, request: Request) -> set[str]:
    """Write the new rows of some methods beside a record's rows of the others, whose names are returned.

    Rows that stay are read as text, so that they are written as they were.
    """
    if before.altered():
        raise WdualmineError(f"{before.folder}: was altered after it was made; make a whole record")
    kept: set[str] = set()
    for path in sorted(request.output.glob("*.csv")):
        old, new = (
            pd.read_csv(folder / path.name, dtype=str, keep_default_na=False)
            for folder in (before.folder, request.output)
        )
        new = new[new["method"].map(request.wants)]
        stays = old[~old["method"].isin(new["method"])]
        joined = pd.concat([stays, new])
        write_csv(before.folder / path.name, joined[list(old)])
        kept |= set(stays["method"])
    return kept


def kept_by(before: Run, methods: set[str]) -> list[dict[str, Any]]:
    """Name the methods of a record that stay, by the code that measured them, oldest first."""
    last = {"methods": methods, "code": before.info.code.model_dump()}
    kept = []
    for entry in [*getattr(before.info, "kept", []), last]:
        if own := methods & set(entry["methods"]):
            kept.append({"methods": sorted(own), "code": entry["code"]})
            methods = methods - own
    return kept


def function_of(kind: str) -> Compute:
    """Return the function that makes a kind of record.

    Raises:
        WdualmineError: there is no such kind.
    """
    if kind not in KINDS:
        raise WdualmineError(f"unknown kind of record {kind!r}; choose one of {', '.join(KINDS)}")
    module, name = KINDS[kind].split(":")
    function: Compute = getattr(import_module(f"{wdualmine_book.__name__}.{module}"), name)
    return function


def require_kind(run: Run, kind: str) -> None:
    """Refuse to replace a record by one of another kind.

    Raises:
        WdualmineError: it is of another.
    """
    if run.info.kind != kind:
        raise WdualmineError(f"{run.folder}: holds a run of kind {run.info.kind}; choose another folder")


def limit_rows(pairs: Sequence[Pair], task: Task) -> pd.DataFrame:
    """Compute the closed-form limits of CC and PSNR, a row per pair, as those of the method "limit"."""
    bounds = [limits(p.image_a, p.image_b, (f"{p.name} ({task.a})", f"{p.name} (MRI)")) for p in pairs]
    return pd.DataFrame(bounds).assign(
        task=task.key, split="test", pair=[pair.name for pair in pairs], method=LIMIT, stretch=False
    )


def classical_candidates(stretch: bool = True) -> list[Candidate]:
    """Return the methods with nothing to learn, to be scored."""
    return [Candidate(name, method.fuse, stretch) for name, method in CLASSICAL.items() if method.fuse]
