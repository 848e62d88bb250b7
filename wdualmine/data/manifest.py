"""The list of every file of the data set, and whether a folder agrees with it.

The images are not part of this project: their source states no license. The manifest names each by path, size
and SHA-256 at a pinned commit of a public repository, so that a copy can be fetched and checked.
"""

import csv
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from wdualmine.data.tasks import TASKS, Task, get_task
from wdualmine.errors import WdualmineError

#: The source pairs.
HARVARD = "harvard"
#: Fused images that two of the paper's baselines published, by collection name.
PUBLISHED = ("adafuse", "asfe")
#: Weights of networks that their authors published.
NETWORKS = "networks"


@dataclass(frozen=True)
class Entry:
    """One file of the data set: a row of the manifest."""

    task: str  #: key of the task, "ct-mri"
    split: str  #: "train" or "test"
    modality: str  #: "CT", "PET", "SPECT" or "MRI"; "fused" for a published result
    name: str  #: file name without its suffix, "16009"
    path: str  #: path below the collection's folder, with forward slashes
    bytes: int  #: size of the file
    sha256: str  #: hexadecimal SHA-256 of the file
    volume: int  #: number of the volume (subject), from the name
    slice: int  #: number of the slice within the volume, from the name


@dataclass(frozen=True)
class Collection:
    """A public repository at a pinned commit, and the folder of it that holds the files."""

    repository: str
    commit: str
    folder: str

    def url(self, path: str) -> str:
        """Return the address of a file of this collection."""
        return f"https://raw.githubusercontent.com/{self.repository}/{self.commit}/{self.folder}/{path}"


@dataclass(frozen=True)
class NetworkFile:
    """A system's weights: a file at a pinned commit of a public repository, and its path here."""

    system: str  #: whose weights it holds, "ifcnn"
    path: str  #: path below the folder of all of them, with forward slashes
    repository: str  #: where it is
    commit: str  #: in hexadecimal
    file: str  #: its path there
    license: str  #: that the repository states, or "none"
    bytes: int  #: size of the file
    sha256: str  #: hexadecimal SHA-256 of the file

    @property
    def url(self) -> str:
        """Its address."""
        return f"https://raw.githubusercontent.com/{self.repository}/{self.commit}/{self.file}"


@dataclass(frozen=True)
class Report:
    """How a folder differs from the manifest: relative paths, sorted."""

    root: Path  #: the folder
    checked: int  #: number of files that the manifest asks for
    missing: tuple[str, ...]  #: listed files that are not there
    extra: tuple[str, ...]  #: files that are not listed (hidden files are passed over)
    altered: tuple[str, ...]  #: files whose size or SHA-256 differs

    @property
    def ok(self) -> bool:
        """Whether the folder holds exactly the listed files."""
        return not (self.missing or self.extra or self.altered)


def volume_and_slice(name: str) -> tuple[int, int]:
    """Split a file name into the number of its volume and of its slice, the last three digits.

    >>> volume_and_slice("16009")
    (16, 9)

    Raises:
        WdualmineError: the name is not four or more digits.
    """
    if len(name) < 4 or not (name.isascii() and name.isdigit()):
        raise WdualmineError(f"{name}: is not a volume number followed by a three-digit slice, such as 16009")
    return int(name[:-3]), int(name[-3:])


def volume_of(name: str) -> str:
    """Return the volume of a slice by its name, "16" of "16009"; a name of another kind is its own volume."""
    try:
        return str(volume_and_slice(name)[0])
    except WdualmineError:
        return name


def manifest_folder() -> Path:
    """Return the folder of the manifest: inside an installed wheel, else at the root of the repository."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_data_manifest", package.parent / "data_manifest"):
        if (folder / "sources.json").is_file():
            return folder
    raise WdualmineError(f"{package}: the data manifest is missing; install wdualmine again")


def collections() -> dict[str, Collection]:
    """Return the public source of each collection: "harvard", "adafuse", "asfe"."""
    text = (manifest_folder() / "sources.json").read_text(encoding="utf-8")
    return {name: Collection(**source) for name, source in json.loads(text).items()}


@cache
def _read(path: Path, kind: Any = Entry) -> tuple[Any, ...]:
    """Read a table whose columns are the fields of a class, all of them text or whole numbers."""
    types = [field.type for field in fields(kind)]
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows)  # the header
        return tuple(kind(*(make(cell) for make, cell in zip(types, row, strict=True))) for row in rows)  # type: ignore[operator]


def read_manifest(collection: str = HARVARD, tasks: Iterable[str | Task] | None = None) -> list[Entry]:
    """List the files of a collection, for all tasks or some; raise a WdualmineError if there is none such."""
    keys = [get_task(task).key for task in (TASKS if tasks is None else tasks)]
    folder = manifest_folder()
    if collection == HARVARD:
        return [entry for key in keys for entry in _read(folder / HARVARD / f"{key}.csv")]
    if collection not in PUBLISHED:
        known = ", ".join((HARVARD, *PUBLISHED))
        raise WdualmineError(f"{collection}: unknown collection; choose one of {known}")
    return [entry for entry in _read(folder / "published" / f"{collection}.csv") if entry.task in keys]


def read_networks() -> dict[str, NetworkFile]:
    """List the weights that authors published, by system."""
    return {file.system: file for file in _read(manifest_folder() / "networks.csv", NetworkFile)}


def manifest_hash() -> str:
    """Return one SHA-256 over the manifest of the source pairs, for run records."""
    lines = "".join(f"{entry.path}\0{entry.sha256}\n" for entry in read_manifest())
    return hashlib.sha256(lines.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Hash a file, or raise a WdualmineError; within a process an unchanged file is read once."""
    try:
        state = path.stat()
        return _sha256(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise WdualmineError(f"{path}: cannot be read ({error.strerror or error})") from error


@cache
def _sha256(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_intact(path: Path, entry: Entry | NetworkFile) -> bool:
    """Return whether a file is there with the size and hash of its entry."""
    return path.is_file() and path.stat().st_size == entry.bytes and file_sha256(path) == entry.sha256


def verify(root: str | Path, tasks: Iterable[str | Task] | None = None, collection: str = HARVARD) -> Report:
    """Compare the task folders below a root, or raise if it is none, with the manifest of a collection."""
    root = Path(root)
    if not root.is_dir():
        raise WdualmineError(f"{root}: no such folder; run `wdualmine data fetch`, or give the data's folder")
    chosen = [get_task(task) for task in (TASKS if tasks is None else tasks)]
    entries = {entry.path: entry for entry in read_manifest(collection, chosen)}
    found = {
        path.relative_to(root).as_posix(): path
        for task in chosen
        for path in (root / task.folder).rglob("*")
        if not path.is_dir() and not path.name.startswith(".")
    }
    altered = (path for path in entries.keys() & found.keys() if not is_intact(found[path], entries[path]))
    return Report(
        root=root,
        checked=len(entries),
        missing=tuple(sorted(entries.keys() - found.keys())),
        extra=tuple(sorted(found.keys() - entries.keys())),
        altered=tuple(sorted(altered)),
    )
