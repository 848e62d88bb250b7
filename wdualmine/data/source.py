"""Where the data is: the lookup that every command, notebook and page of the book shares.

In this order: an explicit argument; WDUALMINE_DATA; datasets attached to a Kaggle notebook; the cache that
``wdualmine data fetch`` fills; else the embedded phantom. The folder layout is that of the public repository,
``<task>/<split>/<modality>/<name>.png``.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wdualmine.data.cache import cache_folder
from wdualmine.data.images import SUFFIXES
from wdualmine.data.manifest import HARVARD, file_sha256, read_manifest, verify
from wdualmine.data.tasks import SPLITS, TASKS, Task, get_task, tasks_of
from wdualmine.errors import WdualmineError

#: Environment variable that names the data's folder, or "phantom".
DATA_VARIABLE = "WDUALMINE_DATA"
#: Environment variable that moves the folder of attached Kaggle datasets, for tests.
KAGGLE_VARIABLE = "WDUALMINE_KAGGLE_INPUT"
#: How deep below /kaggle/input the data is looked for.
KAGGLE_DEPTH = 6

Kind = Literal["argument", "environment", "kaggle", "cache", "phantom"]
_KINDS = {
    "argument": "given as argument",
    "environment": f"from {DATA_VARIABLE}",
    "kaggle": "attached to this Kaggle notebook",
    "cache": "fetched before",
    "phantom": "made here",
}
_NAMES = {
    "harvard": "the Harvard pairs (every file matches the manifest)",
    "phantom": "the embedded phantom (no patient data)",
    "custom": "your own data (it does not match the manifest)",
}


@dataclass(frozen=True)
class DataSource:
    """A folder of pairs and what is known about it."""

    kind: Kind  #: which step of the lookup found it
    root: Path  #: the folder that holds the task folders
    #: "harvard" if every file of the tasks present matches the manifest, "phantom", else "custom"
    name: Literal["harvard", "phantom", "custom"]
    tasks: tuple[str, ...] = tuple(TASKS)  #: keys of the tasks it holds
    note: str = ""  #: what was passed over on the way, for people; often empty

    def task_folder(self, task: str | Task) -> Path:
        """Return the folder of a task; raise a WdualmineError if this source does not hold it."""
        task = get_task(task)
        if task.key not in self.tasks:
            fetched = self.kind == "cache"
            remedy = f"run `wdualmine data fetch {task.key}`" if fetched else f"add the folder {task.folder}"
            raise WdualmineError(
                f"{self.root}: does not hold {task.key} (only {', '.join(self.tasks)}); "
                f"{remedy}, or use the data 'phantom'"
            )
        return self.root / task.folder

    def fingerprint(self, task: str) -> str:
        """Hash what is read for a task, or all: SHA-256 over sorted (relative path, SHA-256) of images."""
        files = {
            path.relative_to(self.root).as_posix(): path
            for folder in map(self.task_folder, tasks_of(task))
            for part in SPLITS
            for path in (folder / part).glob("*/*")
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
        }
        lines = "".join(f"{relative}\0{file_sha256(path)}\n" for relative, path in sorted(files.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    def describe(self) -> str:
        """Return in one line what the data is, where, and how it was found."""
        some = "" if len(self.tasks) == len(TASKS) else f", only {', '.join(self.tasks)}"
        note = f"; {self.note}" if self.note else ""
        return f"{_NAMES[self.name]} in {self.root}, {_KINDS[self.kind]}{some}{note}"


@dataclass(frozen=True)
class Place:
    """One step of the lookup, in words."""

    kind: Kind  #: which step
    path: Path | None  #: the folder looked at, or None where the step names none
    state: str  #: what is there
    used: bool  #: whether :func:`find_data` takes this one


def find_data(data: str | Path | None = None) -> DataSource:
    """Find the data: the argument, WDUALMINE_DATA, /kaggle/input, the fetched cache, else the phantom.

    What is named is a folder that holds task folders (or holds them in ``harvard/`` or ``MyDatasets/``), or
    the word "phantom", which is made on first use.

    Raises:
        WdualmineError: the argument or WDUALMINE_DATA names no folder or one without any task.
    """
    if data is not None and str(data):
        return _chosen("argument", str(data), "the data's folder")
    if value := os.environ.get(DATA_VARIABLE):
        return _chosen("environment", value, DATA_VARIABLE)
    if root := _kaggle_root():
        return _identify("kaggle", root, _tasks_in(root))
    complete, partial = _cached_tasks()
    todo = f"incomplete in the cache, finish with `wdualmine data fetch`: {', '.join(partial)}"
    note = todo if partial else ""
    if complete:
        return _identify("cache", cache_folder() / HARVARD, complete, note)
    return _phantom("phantom", note)


def where(data: str | Path | None = None) -> list[Place]:
    """Describe each step of the lookup and mark the one in use; nothing is made or fetched."""
    from wdualmine.data.phantom import phantom_folder

    places: list[tuple[Kind, Path | None, str, bool]] = []
    for kind, value in (("argument", str(data or "")), ("environment", os.environ.get(DATA_VARIABLE, ""))):
        path = None if value in ("", "phantom") else Path(value).expanduser()
        state = value or "not set"
        if path:
            state = ", ".join(_tasks_in(_root_in(path))) or "no pairs there"
        places.append((kind, path, state, bool(value)))  # type: ignore[arg-type]
    root = _kaggle_root()
    places.append(("kaggle", root or kaggle_input(), "found" if root else "no pairs there", bool(root)))
    complete, partial = _cached_tasks()
    parts = [f"fetched: {', '.join(complete)}"] if complete else ["nothing fetched"] if not partial else []
    parts += [f"incomplete: {', '.join(partial)}"] if partial else []
    places.append(("cache", cache_folder() / HARVARD, "; ".join(parts), bool(complete)))
    made = phantom_folder()
    places.append(("phantom", made, "made" if made.is_dir() else "made on first use", True))
    first = next(number for number, place in enumerate(places) if place[-1])
    return [Place(*place[:-1], used=number == first) for number, place in enumerate(places)]


def kaggle_input() -> Path:
    """Return the folder where Kaggle mounts attached datasets."""
    return Path(os.environ.get(KAGGLE_VARIABLE) or "/kaggle/input")


def _chosen(kind: Kind, value: str, what: str) -> DataSource:
    if value == "phantom":
        return _phantom(kind)
    folder = Path(value).expanduser().absolute()
    folders = ", ".join(task.folder for task in TASKS.values())
    if not folder.is_dir():
        remedy = f"give the folder that holds {folders}, or 'phantom'"
        raise WdualmineError(f"{value}: no such folder ({what}); {remedy}")
    root = _root_in(folder)
    if tasks := _tasks_in(root):
        return _identify(kind, root, tasks)
    raise WdualmineError(
        f"{folder}: {what} holds none of the folders {folders} (<task>/<split>/<modality>); "
        "give the folder that does, or 'phantom'"
    )


def _root_in(folder: Path) -> Path:
    """Return what holds the task folders: the folder or one in it; the folder if none does."""
    places = (folder, folder / HARVARD, folder / "MyDatasets")
    return next((place for place in places if _tasks_in(place)), folder)


def _identify(kind: Kind, root: Path, tasks: tuple[str, ...], note: str = "") -> DataSource:
    return DataSource(kind, root, "harvard" if verify(root, tasks).ok else "custom", tasks, note)


def _phantom(kind: Kind, note: str = "") -> DataSource:
    from wdualmine.data.phantom import make_phantom

    return DataSource(kind, make_phantom(), "phantom", note=note)


def _tasks_in(root: Path) -> tuple[str, ...]:
    return tuple(task.key for task in TASKS.values() if (root / task.folder).is_dir())


def _cached_tasks() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the tasks whose every listed file is in the cache, and those begun but not finished."""
    root = cache_folder() / HARVARD
    present = _tasks_in(root)
    # A fetched file is renamed into the cache after its hash was checked: its name is proof enough here.
    complete = tuple(
        key for key in present if all((root / entry.path).is_file() for entry in read_manifest(tasks=[key]))
    )
    return complete, tuple(key for key in present if key not in complete)


def _kaggle_root() -> Path | None:
    """Search /kaggle/input breadth first for the folder that holds most tasks."""
    top = kaggle_input()
    below = (folder for depth in range(1, KAGGLE_DEPTH) for folder in sorted(top.glob("*/" * depth)))
    roots = (folder for folder in (top, *below) if any(_has_pairs(folder, task) for task in TASKS.values()))
    return max(roots, key=lambda root: len(_tasks_in(root)), default=None)


def _has_pairs(root: Path, task: Task) -> bool:
    return all((root / task.folder / "test" / modality).is_dir() for modality in task.modalities)
