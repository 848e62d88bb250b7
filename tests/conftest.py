"""Fixtures for all tests: where the real data is, if it is, and runs that several tests share."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browsing import open_browser

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
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheels of the library and of the book's code, built without network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run([*command, "-w", str(folder), str(ROOT), str(ROOT / "book")], check=True)
    return sorted(folder.glob("wdualmine*.whl"))


@pytest.fixture(scope="session")
def wheel(wheels: list[Path]) -> Path:
    """The library's wheel."""
    return wheels[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium with a fresh profile that reaches no host but this machine."""
    with open_browser() as context:
        yield context
