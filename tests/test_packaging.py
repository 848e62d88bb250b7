"""The package that others build on: what it needs, what it carries, and that it works by itself."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import yaml
from environments import bare_environment

import wdualmine
from wdualmine.cli.common import missing_extra
from wdualmine.data import load_pairs
from wdualmine.data.images import write_image

ROOT = Path(__file__).resolve().parents[1]
CORE = {
    "filelock", "numpy", "pandas", "pillow", "pydantic", "pywavelets", "rich", "safetensors", "scikit-image",
    "scipy", "tifffile", "torch", "typer",
}  # fmt: skip


def requirements() -> dict[str, set[str]]:
    """Names of what is required, by extra; "" is what always is."""
    found: dict[str, set[str]] = {}
    for line in metadata.requires("wdualmine") or []:
        extra = re.search(r"extra == ['\"](\w+)", line)
        name = re.match(r"[\w.-]+", line)
        assert name
        found.setdefault(extra[1] if extra else "", set()).add(name[0].lower())
    return found


def contents(archive: Path) -> dict[str, int]:
    """Files of a wheel with their checksums, but for its own lists of them."""
    with zipfile.ZipFile(archive) as opened:
        return {i.filename: i.CRC for i in opened.infolist() if not i.filename.endswith(("RECORD", "WHEEL"))}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel and what it always needs, and none of the extras."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    extras = set().union(*(names for extra, names in requirements().items() if extra)) - CORE
    python = bare_environment(folder, without=("wdualmine", *extras, "jupyter", "sphinx", "ipython"))
    site = next((folder / "lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return python


def run(python: Path, folder: Path, *words: object) -> subprocess.CompletedProcess:
    """Run the program of an environment in a folder that is none of ours."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("WDUALMINE", "PYTHON"))}
    command = [str(python), "-m", "wdualmine", *map(str, words)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_little_is_always_needed() -> None:
    assert requirements()[""] == CORE


@pytest.mark.full
def test_the_wheel_works_by_itself(installed: Path, tmp_path: Path) -> None:
    pair = load_pairs("ct-mri", limit=1, data="phantom")[0]
    for part, split in (("train", 8), ("test", 2)):
        for number in range(split):
            for name, image in (("CT", pair.image_a), ("MRI", pair.image_b)):
                place = tmp_path / "pairs" / "CT-MRI" / part / name
                write_image(place / f"{number + 1}{part}.png", np.roll(image, number, 0)[:, ::2])
    test = tmp_path / "pairs" / "CT-MRI" / "test"
    fused = tmp_path / "fused"
    listed = run(installed, tmp_path, "methods")
    assert listed.returncode == 0, listed.stderr
    for method in ("w-dualmine", "dwt"):
        done = run(installed, tmp_path, "fuse", test / "CT", test / "MRI", "-o", fused, "--method", method)
        assert done.returncode == 0, done.stderr
    scored = run(installed, tmp_path, "evaluate", test / "CT", test / "MRI", fused, "--csv")
    assert scored.returncode == 0, scored.stderr
    assert scored.stdout.startswith("pair,EN,MI,CC,PSNR,FMI")
    data = ["--data", tmp_path / "pairs"]
    trained = run(installed, tmp_path, "train", "ct-mri", "--preset", "smoke", "-o", tmp_path / "run", *data)
    assert trained.returncode == 0, trained.stderr
    page = run(installed, tmp_path, "report", test / "CT", test / "MRI", fused, "-o", tmp_path / "report")
    assert page.returncode == 2
    assert re.search(r"^error: \w+: is not installed; run `pip install 'wdualmine\[figures\]'`", page.stderr)


def test_what_is_missing_is_named_with_its_extra() -> None:
    assert "wdualmine[dicom]" in str(missing_extra(ModuleNotFoundError("no", name="pydicom")))
    assert "wdualmine[volumes]" in str(missing_extra(ModuleNotFoundError("no", name="nibabel")))
    assert "wdualmine[volumes]" in str(missing_extra(ModuleNotFoundError("no", name="SimpleITK")))
    words = "`Import tabulate` failed. Use pip or conda to install the tabulate package."
    assert "wdualmine[figures]" in str(missing_extra(ImportError(words)))
    assert missing_extra(ModuleNotFoundError("no", name="torchvision")) is None


def test_the_wheel_is_typed_and_carries_what_it_reads(wheel: Path) -> None:
    names = set(contents(wheel))
    assert "wdualmine/py.typed" in names
    for path in (*ROOT.glob("wdualmine/weights/*.safetensors"), *ROOT.glob("wdualmine/**/*.html")):
        assert str(path.relative_to(ROOT)) in names
    assert not [name for name in names if re.match(r"wdualmine/(_results|weights/[\w-]+/)", name)]
    assert wheel.stat().st_size < 16e6
    assert "wdualmine/_data_manifest/paper_tables.csv" in names
    assert not [name for name in names if name.startswith(("tests", "book", "notebooks", "web"))]


def test_the_source_distribution_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)]
    subprocess.run([*build, "-t", "sdist"], cwd=ROOT, check=True, capture_output=True)
    source = next(tmp_path.glob("wdualmine-*.tar.gz"))
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    inside = next((tmp_path / "source").iterdir())
    assert not [path for path in inside.rglob("*") if {"book", "tests", ".venv"} & set(path.parts[-2:])]
    subprocess.run([*build, "-t", "wheel"], cwd=inside, check=True, capture_output=True)
    assert contents(next(tmp_path.glob("*.whl"))) == contents(wheel)


def test_one_version_everywhere() -> None:
    version = metadata.version("wdualmine")
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert wdualmine.__version__ == version
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == version
    assert citation["license"] == metadata.metadata("wdualmine")["License-Expression"] == "MIT"
    headings = re.findall(r"^## \[?([\w.]+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert headings[0] == "Unreleased"
    assert version in headings


def test_every_python_of_the_classifiers_is_tested() -> None:
    known = re.findall(r"Programming Language :: Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    flow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())
    assert flow["jobs"]["tests"]["strategy"]["matrix"]["python"] == known
