"""Fixtures for all tests: where the real data is, if it is, and runs that several tests share."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import wdualmine_book.systems.retrained  # noqa: F401 (its methods, also where the book is not installed)
from wdualmine.experiments import make_experiment
from wdualmine.records import Run
from wdualmine.training import train

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def _one_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The phantom is made once for all tests, and the user's own cache is left alone."""
    os.environ["WDUALMINE_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    torch.set_num_threads(1)


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
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished training run of the smoke preset on the phantom's CT-MRI pairs."""
    folder = tmp_path_factory.mktemp("runs") / "smoke"
    return train(make_experiment("ct-mri", "smoke"), folder, "phantom", "cpu", threads=1, progress=False)


@pytest.fixture(scope="session")
def built_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book as `make book PRESET=smoke` builds it, on the phantom, in a copy of the repository.

    WDUALMINE_BOOK names the folder of another one, built before, such as on the real pairs.
    """
    if given := os.environ.get("WDUALMINE_BOOK"):
        return Path(given)
    copy = tmp_path_factory.mktemp("clone") / "repository"
    ignored = shutil.ignore_patterns(
        *(".venv", ".git", ".snakemake", "build", "_build", "_generated", "runs", "node_modules"),
        *("__pycache__", ".*_cache"),
    )
    shutil.copytree(ROOT, copy, ignore=ignored)
    environment = {name: value for name, value in os.environ.items() if name != "WDUALMINE_DATA"}
    result = subprocess.run(
        [
            str(Path(sys.executable).with_name("snakemake")),
            "--cores",
            "2",
            "--quiet",
            "rules",
            "--config",
            "preset=smoke",
        ],
        cwd=copy,
        env=environment | {"PYTHONPATH": os.pathsep.join((str(copy), str(copy / "book")))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-8000:]
    return copy / "book" / "_build" / "html"
