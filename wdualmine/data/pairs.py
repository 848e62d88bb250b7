"""Registered pairs of images, read from the folders of a task."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wdualmine.data.color import is_color, split_color, to_grey, to_rgb
from wdualmine.data.images import READ_SUFFIXES, read_image, size_of
from wdualmine.data.manifest import file_sha256, read_manifest
from wdualmine.data.scans import read_modality
from wdualmine.data.source import DataSource, find_data
from wdualmine.data.tasks import SPLITS, TASKS, Task, get_task
from wdualmine.errors import WdualmineError


@dataclass(frozen=True, eq=False)
class Pair:
    """Two registered images of the same size, 8 bits a channel."""

    name: str  #: file name without its suffix
    image_a: NDArray[np.uint8]  #: (H, W) for CT, (H, W, 3) for PET and SPECT, uint8
    image_b: NDArray[np.uint8]  #: the MRI, (H, W), uint8

    @cached_property
    def grey_a(self) -> NDArray[np.uint8]:
        """Image A as the metrics score it, (H, W) uint8: see :func:`~wdualmine.data.color.to_grey`."""
        return to_grey(self.image_a)

    @cached_property
    def grey_b(self) -> NDArray[np.uint8]:
        """Image B as the metrics score it, (H, W) uint8."""
        return to_grey(self.image_b)

    @cached_property
    def luma_a(self) -> NDArray[np.uint8]:
        """Image A as the methods fuse it, its luma, (H, W) uint8."""
        return split_color(self.image_a)[0]

    @cached_property
    def luma_b(self) -> NDArray[np.uint8]:
        """Image B as the methods fuse it, (H, W) uint8."""
        return split_color(self.image_b)[0]


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that takes digits as numbers, so that 2004 comes before 16009."""
    return tuple(
        (0, int(part), part) if part.isascii() and part.isdigit() else (1, 0, part)
        for part in re.findall(r"[0-9]+|[^0-9]+", name)
    )


def image_files(folder: Path) -> dict[str, Path]:
    """List the images of a folder by name without suffix, in natural order; hidden files are passed over.

    Raises:
        WdualmineError: the folder is missing or empty, or two files differ in their suffix alone.
    """
    if not folder.is_dir():
        raise WdualmineError(f"{folder}: no such folder; give a folder of images")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: natural_key(path.name)):
        if path.suffix.lower() not in READ_SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in files:
            other = files[path.stem].name
            raise WdualmineError(f"{path}: has the same name as {other}; keep one of the two in the folder")
        files[path.stem] = path
    if not files:
        raise WdualmineError(f"{folder}: holds no images ({', '.join(READ_SUFFIXES)})")
    return dict(sorted(files.items(), key=lambda item: natural_key(item[0])))


def paired_files(folder_a: Path, folder_b: Path) -> dict[str, tuple[Path, Path]]:
    """Match the images of two folders by name without suffix, in natural order; each name must be in both."""
    files_a, files_b = image_files(folder_a), image_files(folder_b)
    for name in sorted(files_a.keys() ^ files_b.keys(), key=natural_key):
        lone, other = (files_a[name], folder_b) if name in files_a else (files_b[name], folder_a)
        raise WdualmineError(f"{lone}: has no partner of that name in {other}; add it or remove this one")
    return {name: (path, files_b[name]) for name, path in files_a.items()}


def check_folder_order(a: str | Path, b: str | Path) -> None:
    """Refuse two sources, files or folders of them, that are evidently in the wrong order, the MRI first.

    What tells is the first file, if it is DICOM or the data set's, else the name of the folder or file.
    """
    first, second = _modality(Path(a)), _modality(Path(b))
    for task in TASKS.values():
        if (first, second) == (task.b, task.a):
            raise WdualmineError(f"{a} and {b}: hold {first} and {second}; give the {second} first")


def _modality(path: Path) -> str | None:
    """The modality of an image, a volume or a folder of images or slices, as far as it is known."""
    files: Iterable[Path] = (path,)
    if path.is_dir():
        suffixes = (*READ_SUFFIXES, "")
        files = (file for file in sorted(path.iterdir()) if file.suffix.lower() in suffixes)
    if image := next((file for file in files if file.is_file() and not file.name.startswith(".")), None):
        if modality := read_modality(image):
            return modality
        size = image.stat().st_size
        listed = {entry.sha256: entry.modality for entry in read_manifest() if entry.bytes == size}
        if listed and (modality := listed.get(file_sha256(image))):
            return modality
    path = path.resolve()
    names = {path.name} if path.is_dir() else {Path(path.name.removesuffix(".gz")).stem, path.parent.name}
    known = {modality.casefold(): modality for task in TASKS.values() for modality in task.modalities}
    found = {known[name.casefold()] for name in names if name.casefold() in known}
    return found.pop() if len(found) == 1 else None


def load_pairs(
    task: str | Task,
    split: str = "test",
    limit: int | None = None,
    data: DataSource | str | Path | None = None,
) -> list[Pair]:
    """Read the pairs of a task, sorted by name as numbers.

    Args:
        task: "ct-mri", "pet-mri" or "spect-mri".
        split: "train" or "test".
        limit: read only this many, the first by name.
        data: a folder that holds ``<task>/<split>/<modality>``, "phantom", or what :func:`find_data` returns,
            which is asked where it is None.

    Raises:
        WdualmineError: an argument is wrong, a name lacks its partner, sizes differ, or a file is unreadable
            or of another kind than the task's.
    """
    task = get_task(task)
    if split not in SPLITS:
        raise WdualmineError(f"{split}: unknown split; choose one of {', '.join(SPLITS)}")
    if limit is not None and not (type(limit) is int and limit >= 1):
        raise WdualmineError(f"limit {limit!r}: give an integer of at least 1")
    source = data if isinstance(data, DataSource) else find_data(data)
    folder = source.task_folder(task) / split
    files = paired_files(folder / task.a, folder / task.b)
    return [_load(name, *files[name], task) for name in list(files)[:limit]]


def _load(name: str, path_a: Path, path_b: Path, task: Task) -> Pair:
    image_a, image_b = _read(path_a, task.color), _read(path_b, color=False)
    if image_a.shape[:2] != image_b.shape[:2]:
        sizes = f"is {size_of(image_a)} but its partner {path_b} is {size_of(image_b)} (height x width)"
        raise WdualmineError(f"{path_a}: {sizes}; register them first")
    return Pair(name, image_a, image_b)


def _read(path: Path, color: bool) -> NDArray[np.uint8]:
    image = read_image(path)
    if image.dtype != np.uint8:
        raise WdualmineError(f"{path}: has pixel type {image.dtype}; save it with 8 bits a channel")
    if is_color(image) and not color:
        raise WdualmineError(f"{path}: is a color image where a grey one is needed; save it as grey")
    return to_rgb(image) if color else image
