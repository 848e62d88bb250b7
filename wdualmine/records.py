"""Run folders: what a run leaves behind, written whole or not at all.

A finished run holds ``run.json`` (what ran, on what, where, how long, with what result), ``metrics.csv`` (one
row a method and pair) and, for a training run, ``log.csv`` (one row an epoch) and ``model.safetensors``.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from wdualmine.data import DataSource, get_task
from wdualmine.data.manifest import manifest_hash
from wdualmine.errors import WdualmineError
from wdualmine.runtime import code_state, environment, hardware

SCHEMA = 1
#: Columns of ``metrics.csv`` that are not metrics.
KEYS = ["task", "split", "pair", "method", "stretch", "seed"]


def now() -> str:
    """Give the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: to a temporary file on the same disk, flushed, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file atomically."""
    write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a CSV file atomically; ten significant digits, so that it can be compared across machines."""
    write_bytes(path, frame.to_csv(index=False, float_format="%.10g").encode())


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write a safetensors file atomically, from tensors on any device and in any memory layout.

    The metadata goes into one key, as JSON: safetensors writes several keys in random order, and equal
    content should be equal bytes.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(plain, {"wdualmine": json.dumps(metadata)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`write_tensors` wrote: tensors on the CPU, and the metadata.

    Raises:
        WdualmineError: the file is not of that kind, or not whole.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})["wdualmine"])
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise WdualmineError(
            f"{path}: not a file of this package ({error}); fetch or make it again"
        ) from error


def describe_data(source: DataSource, task: str) -> dict[str, Any]:
    """Say which data a run used: where it was found, a hash over its files, the manifest's hash."""
    return {
        "name": source.name,
        "found": source.kind,
        "fingerprint": source.fingerprint(get_task(task)),
        "manifest": manifest_hash(),
    }


def describe_run(kind: str, source: DataSource, task: str, device: torch.device) -> dict[str, Any]:
    """Give the provenance that every ``run.json`` begins with."""
    return {
        "schema": SCHEMA,
        "kind": kind,
        "task": task,
        "data": describe_data(source, task),
        "code": code_state(),
        "environment": environment(),
        "hardware": hardware(device),
    }


def summarize(metrics: pd.DataFrame) -> list[dict[str, Any]]:
    """Give mean and population standard deviation over the pairs, one entry a method and metric."""
    names = [name for name in metrics.columns if name not in KEYS]
    groups = metrics.groupby(["method", "stretch"], sort=False)
    return [
        {
            "method": method,
            "stretch": bool(stretch),
            "pairs": len(group),
            "mean": {name: float(group[name].mean()) for name in names if group[name].notna().all()},
            "std": {name: float(group[name].std(ddof=0)) for name in names if group[name].notna().all()},
        }
        for (method, stretch), group in groups
    ]


@dataclass(frozen=True)
class Run:
    """A finished run, read from its folder."""

    folder: Path

    @cached_property
    def info(self) -> dict[str, Any]:
        """The content of ``run.json``."""
        return read_json(self.folder / "run.json")

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row a method and pair: the columns of :data:`KEYS`, then one a metric."""
        return read_csv(self.folder / "metrics.csv").astype({"pair": str})

    @cached_property
    def log(self) -> pd.DataFrame:
        """One row an epoch: mean of the total loss and of each unweighted term, learning rate, seconds."""
        return read_csv(self.folder / "log.csv")

    @property
    def label(self) -> str:
        """A short description for tables: the preset and the data."""
        preset = self.info.get("experiment", {}).get("preset", self.info["kind"])
        return f"{preset}, {self.info['data']['name']}"


def load_run(folder: str | Path) -> Run:
    """Open the folder of a finished run.

    Raises:
        WdualmineError: the folder holds no finished run, or one of another schema.
    """
    run = Run(Path(folder))
    if run.info.get("schema") != SCHEMA:
        raise WdualmineError(
            f"{folder}: run.json has schema {run.info.get('schema')}, not {SCHEMA}; run it again"
        )
    return run


def find_runs(folders: Iterable[str | Path]) -> list[Run]:
    """Open every finished run at or directly below the given folders, sorted by path."""
    found = {path.parent for folder in folders for path in Path(folder).glob("run.json")}
    found |= {path.parent for folder in folders for path in Path(folder).glob("*/run.json")}
    return [load_run(folder) for folder in sorted(found)]


def largest_differences(first: Run, second: Run) -> pd.Series:
    """Give the largest absolute difference of each metric over the rows of two runs.

    Raises:
        WdualmineError: the runs scored other methods, pairs or seeds.
    """
    frames = [run.metrics.set_index(KEYS).sort_index() for run in (first, second)]
    if not frames[0].index.equals(frames[1].index):
        raise WdualmineError(f"{first.folder} and {second.folder}: score other methods, pairs or seeds")
    return (frames[0] - frames[1]).abs().max()


def read_json(path: Path) -> dict[str, Any]:
    """Read a record.

    Raises:
        WdualmineError: it is missing or no JSON.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        return content
    except FileNotFoundError:
        raise WdualmineError(f"{path}: no such record; the run has not finished, start it again") from None
    except ValueError as error:
        raise WdualmineError(f"{path}: not a record ({error}); delete the folder and run it again") from error


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table of a record.

    Raises:
        WdualmineError: it is missing.
    """
    try:
        return pd.read_csv(path)
    except FileNotFoundError:
        raise WdualmineError(f"{path}: missing from the record; run it again") from None
