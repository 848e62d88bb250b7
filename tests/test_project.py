"""The project's own files agree with each other and keep its rules."""

import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = dict(
    line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line
)
LOCKED = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in LOCK.items()}
DECLARED = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]
DECLARED = [
    text for text in DECLARED if not text.startswith("wdualmine[")
]  # an extra that takes others along


@pytest.mark.parametrize("text", DECLARED)
def test_the_lock_satisfies_pyproject(text: str) -> None:
    requirement = Requirement(text)
    assert requirement.specifier.contains(LOCKED[re.sub(r"[-_.]+", "-", requirement.name).lower()])


def test_conda_users_get_the_lock() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip == ["-r requirements.lock", "-e .", "-e book"]
    python = next(e for e in environment["dependencies"] if isinstance(e, str) and e.startswith("python="))
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(
        python.removeprefix("python=")
    )


def listed_files() -> list[Path]:
    """What is committed, and what is about to be."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in listed.splitlines() if (ROOT / line).is_file()]


def test_the_repository_has_one_address_or_none() -> None:
    """Colab's links name the owner after github/, everything else after github.com/."""
    own = PROJECT["urls"].get("Repository", "").removeprefix("https://github.com/").encode()
    names = b"|".join(map(re.escape, {b"wdualmine", own.split(b"/")[-1] or b"wdualmine"}))
    address = re.compile(rb"github(?:\.com)?/([\w.-]+/(?:" + names + rb"))(?![\w-])")
    found = {path: set(address.findall(path.read_bytes())) for path in listed_files()}
    assert {path: names for path, names in found.items() if names - {own}} == {}
    with_it = {path.name for path, names in found.items() if names}
    assert with_it >= ({"pyproject.toml", "CITATION.cff", "train.ipynb"} if own else set())


def test_no_image_and_nothing_heavy_is_committed() -> None:
    files = listed_files()
    images = {".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".bmp", ".npy", ".npz", ".nii", ".gz", ".dcm"}
    assert not [path for path in files if path.suffix.lower() in images]
    assert sum(path.stat().st_size for path in files) < 60e6
