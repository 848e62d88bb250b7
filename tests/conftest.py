"""Fixtures for all tests: where the real data is, if it is, and what all workers of a run share.

`make test` leaves out what is marked `full`, and all that builds a book; `make test-all` runs all.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browsing import open_browser
from filelock import FileLock
from hypothesis import settings

import wdualmine_book.systems.retrained  # noqa: F401 (its methods, also where the book is not installed)
from wdualmine.data import SPLITS, TASKS, find_data
from wdualmine.data.images import read_image, write_image
from wdualmine.experiments import make_experiment
from wdualmine.records import Run, load_run
from wdualmine.training import train

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"

# What a run draws: few cases, new ones each time, or many, the same each time (--hypothesis-profile).
settings.register_profile("fast", deadline=None, max_examples=10)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, database=None)
settings.load_profile("fast")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the built book and the pipeline, which take minutes, to `make test-all`."""
    for item in items:
        if {"built_book", "clone"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("full")


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Return what fills a named folder once for all workers; the first fills it, the others wait."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def fill(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                assert not folder.exists(), f"{name}: could not be made; the first test with it says why"
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return fill


@pytest.fixture(scope="session", autouse=True)
def cache(once: Once) -> Path:
    """The phantom is made once for all tests, and the user's own cache is left alone."""
    folder = once("cache", lambda _: None)
    os.environ["WDUALMINE_CACHE"] = str(folder)
    torch.set_num_threads(1)
    return folder


@pytest.fixture(scope="session")
def harvard() -> Path:
    """The real pairs: WDUALMINE_DATA, else ../shared/data/harvard."""
    folder = Path(os.environ.get("WDUALMINE_DATA") or SHARED / "harvard")
    if not (folder / "CT-MRI" / "test").is_dir():
        pytest.skip("the real pairs are not here; set WDUALMINE_DATA after `wdualmine data fetch`")
    return folder


@pytest.fixture(scope="session")
def published() -> Path:
    """The fused images that AdaFuse and ASFE-Fusion published."""
    folder = SHARED / "published"
    if not folder.is_dir():
        pytest.skip("the published images are not here; `wdualmine data fetch --published` gets them")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator, fresh for each test."""
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def small_pairs(once: Once) -> Path:
    """The phantom's first three pairs a task at half the size, where what is made of them is the subject."""

    def make(folder: Path) -> None:
        phantom = find_data("phantom").root
        for task, split in product(TASKS.values(), SPLITS):
            for modality in task.modalities:
                place = Path(task.folder, split, modality)
                for path in sorted((phantom / place).iterdir())[:3]:
                    write_image(folder / place / path.name, read_image(path)[::2, ::2])

    return once("pairs", make)


@pytest.fixture(scope="session")
def smoke_run(once: Once) -> Run:
    """A finished training run of the smoke preset on the phantom's CT-MRI pairs."""

    def make(folder: Path) -> None:
        train(make_experiment("ct-mri", "smoke"), folder / "run", "phantom", "cpu", threads=1, progress=False)

    return load_run(once("smoke", make) / "run")


@pytest.fixture(scope="session")
def light_run(once: Once) -> Run:
    """The same of the light network, on the pairs of all tasks."""

    def make(folder: Path) -> None:
        experiment = make_experiment("all", "smoke", method="light")
        train(experiment, folder / "run", "phantom", "cpu", threads=1, progress=False)

    return load_run(once("light", make) / "run")


@pytest.fixture(scope="session")
def wheels(once: Once) -> list[Path]:
    """The wheels of the library and of the book's code, built without network."""

    def make(folder: Path) -> None:
        options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder)
        subprocess.run([sys.executable, "-m", "pip", "wheel", *options, ROOT, ROOT / "book"], check=True)

    return sorted(once("wheels", make).glob("wdualmine*.whl"))


@pytest.fixture(scope="session")
def wheel(wheels: list[Path]) -> Path:
    """The library's wheel."""
    return wheels[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium with a fresh profile that reaches no host but this machine."""
    with open_browser() as context:
        yield context
