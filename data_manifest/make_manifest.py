"""Make the manifest again from a copy of the data: ``python data_manifest/make_manifest.py ROOT``.

ROOT holds ``harvard/<task>/<split>/<modality>`` and ``published/<method>/<task>``.
"""

import csv
import sys
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path

from wdualmine.data.manifest import (
    HARVARD,
    PUBLISHED,
    Entry,
    file_sha256,
    manifest_folder,
    volume_and_slice,
)
from wdualmine.data.tasks import SPLITS, TASKS, Task
from wdualmine.errors import WdualmineError


def make_manifest(root: str | Path, folder: Path | None = None) -> list[Path]:
    """Write the CSV files of the manifest from the files below ``root/harvard`` and ``root/published``.

    Raises:
        WdualmineError: a collection is missing there, or a file's name is no volume and slice.
    """
    root, folder = Path(root), folder or manifest_folder()
    written = []
    for task in TASKS.values():
        entries = [
            entry
            for split in SPLITS
            for modality in task.modalities
            for entry in _entries(root / HARVARD, task, split, modality, f"{task.folder}/{split}/{modality}")
        ]
        written.append(_write(folder / HARVARD / f"{task.key}.csv", entries))
    for method in PUBLISHED:
        entries = [
            entry
            for task in TASKS.values()
            for entry in _entries(root / "published" / method, task, "test", "fused", task.folder)
        ]
        written.append(_write(folder / "published" / f"{method}.csv", entries))
    return written


def _entries(root: Path, task: Task, split: str, modality: str, below: str) -> list[Entry]:
    files = sorted((root / below).glob("*.png"), key=lambda path: volume_and_slice(path.stem))
    if not files:
        raise WdualmineError(f"{root / below}: holds no PNG files")
    return [
        Entry(
            task.key,
            split,
            modality,
            path.stem,
            f"{below}/{path.name}",
            path.stat().st_size,
            file_sha256(path),
            *volume_and_slice(path.stem),
        )
        for path in files
    ]


def _write(path: Path, entries: Sequence[Entry]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(Entry))
        writer.writerows(astuple(entry) for entry in entries)
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python data_manifest/make_manifest.py ROOT  (ROOT holds harvard/ and published/)")
    try:
        print(*make_manifest(sys.argv[1]), sep="\n")
    except WdualmineError as error:
        sys.exit(f"error: {error}")
