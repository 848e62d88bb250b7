"""Run folders: what a run leaves behind, written whole or not at all.

A finished run holds ``run.json`` (what ran, on what, where, how long, with what result), ``metrics.csv`` (one
row per method and pair) and, for a training run, ``log.csv`` (one row per epoch) and ``model.safetensors``.
``run.json`` is written last and seals the others by their SHA-256.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from io import StringIO
from math import isclose, nan
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from wdualmine.data import DataSource
from wdualmine.data.manifest import file_sha256, manifest_hash
from wdualmine.errors import WdualmineError, one_line
from wdualmine.files import unwritable, write_bytes
from wdualmine.runtime import code_state, environment, hardware

SCHEMA = 1
#: Columns of ``metrics.csv`` that are not metrics.
KEYS = ["task", "split", "pair", "method", "stretch", "seed"]


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keep other processes out of a run's folder, and remove what a killed one left half-written.

    The lock ends with its process, however that ends; a finished record keeps no lock file.

    Raises:
        WdualmineError: another process writes to the folder, or it cannot be made.
    """
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        text = f"{folder}: another process writes to this folder; wait for it or choose another folder"
        raise WdualmineError(text) from None
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        for stale in folder.glob(".*.tmp*"):
            stale.unlink(missing_ok=True)
        yield
    finally:
        if (folder / "run.json").exists():
            with suppress(OSError):  # where an open file cannot be removed, it stays and does no harm
                (folder / ".lock").unlink(missing_ok=True)
        lock.release()


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file atomically."""
    write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a CSV file atomically; ten significant digits, so that it can be compared across machines."""
    write_bytes(path, frame.to_csv(index=False, float_format="%.10g").encode())


def describe_run(
    kind: str, source: DataSource, task: str, device: torch.device, module: str = "wdualmine.training"
) -> dict[str, Any]:
    """Return the provenance that every ``run.json`` begins with; module is the one that computes it."""
    return {
        "schema": SCHEMA,
        "kind": kind,
        "task": task,
        "data": {
            "name": source.name,
            "found": source.kind,  # where
            "fingerprint": source.fingerprint(task),  # over its files
            "manifest": manifest_hash(),
        },
        "code": code_state(module),
        "environment": environment(),
        "hardware": hardware(device),
    }


def summarize(metrics: pd.DataFrame) -> list[dict[str, Any]]:
    """Return mean and population standard deviation over the pairs, one entry per method and metric."""
    results = []
    for (method, stretch), group in metrics.groupby(["method", "stretch"], sort=False):
        scores = group.drop(columns=KEYS, errors="ignore").dropna(axis="columns")
        mean = {name: float(values.mean()) for name, values in scores.items()}
        std = {name: float(values.std(ddof=0)) for name, values in scores.items()}
        own = {"method": method, "stretch": bool(stretch), "pairs": len(group)}
        results.append({**own, "mean": mean, "std": std})
    return results


class Part(BaseModel):
    """A part of ``run.json``: the keys that readers rely on, with their types; others may be there, too."""

    model_config = ConfigDict(strict=True, extra="allow")


class RecordedData(Part):
    """The data that a run used: its name and a hash over its files."""

    name: str
    fingerprint: str


class RecordedCode(Part):
    """The code that computed a run: hash of its sources, and the commit where there was one."""

    source: str
    commit: str | None
    dirty: bool | None


class RecordedHardware(Part):
    """Where a run was computed."""

    processor: str
    threads: int
    gpu: str | None = None


class RecordedSchedule(Part):
    """How long a network was trained; see :class:`wdualmine.experiments.Schedule`."""

    epochs: int
    batch_size: int
    learning_rate: float
    patch_size: int | None
    epoch_pairs: int | None


class RecordedExperiment(Part):
    """What was trained; see :class:`wdualmine.experiments.Experiment`."""

    task: str
    preset: str
    variant: str
    seed: int
    model: dict[str, Any]
    loss: dict[str, float]
    schedule: RecordedSchedule
    fold: int | None
    objective: str
    method: str


class Result(Part):
    """Mean and population standard deviation of a method's scores over the pairs, by metric."""

    method: str
    stretch: bool
    pairs: int
    mean: dict[str, float]
    std: dict[str, float]


class Info(Part):
    """The content of ``run.json``."""

    kind: str
    task: str
    data: RecordedData
    code: RecordedCode
    environment: dict[str, str]
    hardware: RecordedHardware
    finished: str
    evaluation_seconds: float
    files: dict[str, str]
    results: list[Result] = []
    limit: int | None = None
    device: str = "cpu"
    experiment: RecordedExperiment | None = None
    sessions: list[dict[str, Any]] = []
    experiment_hash: str = "–"
    parameters: int = 0
    train_seconds: float = 0.0

    @property
    def trained(self) -> RecordedExperiment:
        """What was trained; of a run that is no training, a WdualmineError."""
        if self.experiment is None:
            raise WdualmineError(f"a run of kind {self.kind} trained nothing; give a training run")
        return self.experiment


@dataclass(frozen=True)
class Run:
    """A finished run, read from its folder.

    What is read is checked first: that ``run.json`` has what its readers rely on, and that a table is the one
    that the run wrote; else a :class:`~wdualmine.errors.WdualmineError` says so.
    """

    folder: Path

    @cached_property
    def info(self) -> Info:
        """The content of ``run.json``."""
        path = self.folder / "run.json"
        content = read_json(path)
        if content.get("schema") != SCHEMA:
            raise WdualmineError(f"{path}: has schema {content.get('schema')}, not {SCHEMA}; run it again")
        try:
            info = Info.model_validate(content)
            if info.kind == "training" and info.experiment is None:
                raise ValueError("experiment: missing from a training")
        except ValueError as error:  # pydantic's is one
            remedy = "restore it, or delete the folder and run it again"
            raise WdualmineError(f"{path}: not a record ({first_reason(error)}); {remedy}") from error
        return info

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row per method and pair: the columns of :data:`KEYS`, then one per metric."""
        frame, path = self.table("metrics.csv"), self.folder / "metrics.csv"
        try:
            found = {(own["method"], own["stretch"]): own for own in summarize(frame)}
            frame = frame.astype({"pair": str})
        except (KeyError, TypeError, ValueError) as error:
            raise WdualmineError(f"{path}: no table of scores ({one_line(error)}); run it again") from error
        for said in self.info.results:
            own = found.get((said.method, said.stretch), {"pairs": 0, "mean": {}})
            means = ((own["mean"].get(name, nan), mean) for name, mean in said.mean.items())
            alike = all(isclose(*both, rel_tol=1e-6, abs_tol=1e-8) for both in means)
            if own["pairs"] != said.pairs or not alike:
                raise WdualmineError(f"{path}: has other scores of {said.method} than run.json; run it again")
        return frame

    @cached_property
    def log(self) -> pd.DataFrame:
        """One row per epoch: mean of the total loss and of each unweighted term, learning rate, seconds."""
        return self.table("log.csv")

    def table(self, name: str, text: str = "") -> pd.DataFrame:
        """Read one of the run's tables by its file name; a column of text may hold digits and nothing."""
        path = self.folder / name
        frame = read_csv(path, text)
        if self._is_altered(name):
            raise WdualmineError(f"{path}: is not the file that the run wrote; restore it, or run it again")
        return frame

    def altered(self) -> list[str]:
        """Name the files that are missing, or not those that the run wrote."""
        return [name for name in self.info.files if self._is_altered(name)]

    def _is_altered(self, name: str) -> bool:
        path = self.folder / name
        return not path.is_file() or file_sha256(path) != self.info.files.get(name)

    @property
    def variant(self) -> str:
        """The variant that was trained, "" if the run is no training."""
        return self.info.experiment.variant if self.info.experiment else ""

    @property
    def label(self) -> str:
        """A short description for tables: the preset and the data."""
        preset = self.info.experiment.preset if self.info.experiment else self.info.kind
        return f"{preset}, {self.info.data.name}"


def seal(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of a run's files by name, for the key "files" of its ``run.json``."""
    return {name: file_sha256(folder / name) for name in names}


def first_reason(error: Exception) -> str:
    """Return in one line what an exception found wrong first; pydantic's with the place."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}".lstrip(": ")
    return one_line(error)


def load_run(folder: str | Path) -> Run:
    """Open the folder of a finished run, or raise a WdualmineError where it is none."""
    run = Run(Path(folder))
    _ = run.info  # is checked where it is read
    return run


def find_runs(folders: Iterable[str | Path]) -> list[Run]:
    """Open every finished run at or directly below the given folders, sorted by path."""
    names = ("run.json", "*/run.json")
    found = {path.parent for folder in folders for name in names for path in Path(folder).glob(name)}
    return [load_run(folder) for folder in sorted(found)]


def scores_table(run: Run) -> pd.DataFrame:
    """Return a run's own scores for reading: a row per method, mean ± population deviation over the pairs."""
    return pd.DataFrame(
        {
            result.method + (", stretched" if result.stretch else ""): {
                name: f"{mean:.4f} ± {result.std[name]:.4f}" for name, mean in result.mean.items()
            }
            for result in run.info.results
        }
    ).T.fillna("–")


def largest_differences(first: Run, second: Run) -> pd.Series:
    """Return the largest absolute difference of each metric over the rows of two runs, which must match."""
    frames = [run.metrics.set_index(KEYS).sort_index() for run in (first, second)]
    if not frames[0].index.equals(frames[1].index):
        raise WdualmineError(f"{first.folder} and {second.folder}: score other methods, pairs or seeds")
    return (frames[0] - frames[1]).abs().max()


def read_json(path: Path) -> dict[str, Any]:
    """Read a record, or raise a WdualmineError if it is missing, cannot be read or is no JSON object."""
    if not path.parent.is_dir():
        raise WdualmineError(f"{path.parent}: no such folder; give the folder of a run")
    if not path.exists():
        raise WdualmineError(f"{path}: no such record; the run has not finished, start it again")
    try:
        content = json.loads(_read_text(path))
        if not isinstance(content, dict):
            raise ValueError("no JSON object")
        return content
    except (OSError, ValueError, RecursionError) as error:
        text = f"{path}: not a record ({one_line(error)}); delete the folder and run it again"
        raise WdualmineError(text) from error


def read_csv(path: Path, text: str = "") -> pd.DataFrame:
    """Read a table of a record, or raise a WdualmineError if it is missing, cannot be read or is no CSV."""
    if not path.exists():
        raise WdualmineError(f"{path}: missing from the record; run it again")
    try:
        return pd.read_csv(StringIO(_read_text(path)), dtype={text: str} if text else None)
    except (OSError, ValueError) as error:  # pandas' errors of empty and ragged files are ValueErrors
        raise WdualmineError(f"{path}: not a table ({one_line(error)}); run it again") from error


def _read_text(path: Path) -> str:
    if not path.is_file():  # to read a named pipe would wait for ever
        raise ValueError("no plain file")
    return path.read_text(encoding="utf-8")
