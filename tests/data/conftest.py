"""A tiny data set of the real layout with its own manifest, and an environment in which nothing is found."""

from pathlib import Path

import numpy as np
import pytest

from make_manifest import make_manifest
from wdualmine.data.images import write_image
from wdualmine.data.manifest import PUBLISHED
from wdualmine.data.tasks import SPLITS, TASKS

NAMES = {"train": ("2004", "16009"), "test": ("2010", "16011", "41002")}


@pytest.fixture(autouse=True)
def bare_environment(tmp_path, monkeypatch):
    for name in ("WDUALMINE_DATA", "WDUALMINE_DATA_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WDUALMINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WDUALMINE_KAGGLE_INPUT", str(tmp_path / "kaggle"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> Path:
    """A folder with harvard/ and published/ whose files the manifest, for this test, lists."""
    root, rng = tmp_path / "tiny", np.random.default_rng(0)

    def image(*shape: int) -> np.ndarray:
        return rng.integers(0, 256, shape, dtype=np.uint8)

    for task in TASKS.values():
        for split in SPLITS:
            for name in NAMES[split]:
                shape = (8, 9, 3) if task.color else (8, 9)
                folder = root / "harvard" / task.folder / split
                write_image(folder / task.a / f"{name}.png", image(*shape))
                write_image(folder / task.b / f"{name}.png", image(8, 9))
        for method in PUBLISHED:
            for name in NAMES["test"]:
                write_image(root / "published" / method / task.folder / f"{name}.png", image(8, 9))
    manifest = tmp_path / "manifest"
    manifest.mkdir()
    committed = Path(__file__).resolve().parents[2] / "data_manifest" / "sources.json"
    (manifest / "sources.json").write_bytes(committed.read_bytes())
    make_manifest(root, manifest)
    monkeypatch.setattr("wdualmine.data.manifest.manifest_folder", lambda: manifest)
    return root


@pytest.fixture(scope="session")
def phantom(cache: Path) -> Path:
    """The phantom of all tests, which the tests here would not find by themselves."""
    from wdualmine.data.phantom import make_phantom

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WDUALMINE_CACHE", str(cache))
        return make_phantom()
