"""Colab and Kaggle: every notebook gets the package there, offline if need be, and leaves torch alone.

Neither platform can be reached from a test: they are simulated by their environment variables and folders,
and by a virtual environment that has torch, numpy and the rest, but not the package.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from environments import bare_environment
from scripts import load_script

from wdualmine import runtime, training
from wdualmine.data.images import write_image
from wdualmine.data.tasks import TASKS
from wdualmine.errors import WdualmineError
from wdualmine.experiments import make_experiment
from wdualmine_book import preflight as session

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
VARIABLES = {"Kaggle": {"KAGGLE_KERNEL_RUN_TYPE": "Batch", "COLAB_RELEASE_TAG": "release"},
             "Colab": {"COLAB_RELEASE_TAG": "release"}, "local": {}}  # fmt: skip


@pytest.fixture
def stamp() -> ModuleType:
    """The script notebooks/stamp.py."""
    return load_script(ROOT / "notebooks" / "stamp.py")


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A function that makes this machine look like Kaggle, Colab or neither, with folders below tmp_path."""

    def become(name: str) -> Path:
        for variable in VARIABLES["Kaggle"]:
            monkeypatch.delenv(variable, raising=False)
        for variable, value in VARIABLES[name].items():
            monkeypatch.setenv(variable, value)
        for constant in ("KAGGLE_WORKING", "COLAB_CONTENT", "COLAB_DRIVE"):
            place = tmp_path / getattr(session, constant).relative_to("/")
            monkeypatch.setattr(session, constant, place)
            if name == constant.split("_")[0].title() and constant != "COLAB_DRIVE":
                place.mkdir(parents=True)
        monkeypatch.setenv("WDUALMINE_KAGGLE_INPUT", str(tmp_path / "kaggle" / "input"))
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return become


def setup_cell(address: str = "") -> str:
    """The set-up cell as the notebooks have it, with an address where one is given."""
    text = next(cell.source for cell in nbformat.read(NOTEBOOKS[0], 4).cells if cell.id == "setup")
    return re.sub(r'^repository = ".*?"', f'repository = "{address}"', text, flags=re.M)


# ----------------------------------------------------------------------------------------------------
# What is stamped


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_is_stamped(stamp: ModuleType, tmp_path: Path, path: Path) -> None:
    copy = tmp_path / path.name
    shutil.copyfile(path, copy)
    stamp.stamp(copy)
    assert copy.read_bytes() == path.read_bytes(), "run `make notebooks`"
    title, *links, setup = nbformat.read(copy, as_version=4).cells[: 3 if stamp.repository() else 2]
    assert title.source.startswith("# ")
    assert [cell.id for cell in links] == ["launch"] * bool(stamp.repository())
    assert setup.cell_type == "code"


def test_one_switch_sets_the_address_everywhere_and_takes_it_away(
    stamp: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in stamp.COPIES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    files = [tmp_path / name for name in stamp.COPIES] + sorted((tmp_path / "notebooks").glob("*.ipynb"))
    monkeypatch.setattr(stamp, "ROOT", tmp_path)

    def switch(address: str) -> None:
        monkeypatch.setattr(sys, "argv", ["stamp.py", "--repository", address])
        stamp.main()

    switch("none")
    without = {path: path.read_bytes() for path in files}
    assert stamp.repository() == ""
    for path, content in without.items():  # an install from an address is written with the cell's own, empty
        assert not re.findall(
            rb"git clone|badge|github\.com/(?!xianming)|colab\.research|kaggle\.com", content
        ), path
        assert b".ipynb" not in path.name.encode() or b'repository = \\"\\"' in content
    for address in ("https://github.com/none-here/w-dualmine.repro", "https://github.com/some-one/other"):
        switch(f"{address}.git")
        assert stamp.repository() == address
        for path in files:
            assert set(re.findall(r"github(?:\.com)?/([\w-]+/[\w.-]+)", path.read_text())) - {
                "xianming-gu/Havard-Medical-Image-Fusion-Datasets"
            } == {address.removeprefix("https://github.com/")}, path
        links = nbformat.read(files[-1], as_version=4).cells[1].source
        assert (
            len(re.findall(rf"^\[[^]]+\]\(https://\S+/blob/main/notebooks/{files[-1].name}\)$", links, re.M))
            == 2
        )
    switch("none")
    assert {path: path.read_bytes() for path in files} == without
    with pytest.raises(SystemExit, match=r"https://github\.com/OWNER/NAME, or none"):
        switch("git@host:name")


# ----------------------------------------------------------------------------------------------------
# What the set-up cell does


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Hide the package from the set-up cell, and record how it would call pip instead of calling it."""
    commands: list[list[str]] = []
    run, find_spec = subprocess.run, importlib.util.find_spec

    def record(command: list[str], *arguments: Any, **options: Any) -> Any:
        if "pip" not in command:
            return run(command, *arguments, **options)
        commands.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "wdualmine" else find_spec(name, *a)
    )
    monkeypatch.setattr(subprocess, "run", record)
    return commands


@pytest.mark.parametrize("name", VARIABLES)
def test_without_address_clone_and_wheel_it_installs_nothing(
    bare: list[list[str]], platform: Any, name: str
) -> None:
    platform(name)
    with pytest.raises(
        ModuleNotFoundError, match=r"no clone .*, no wheel beside it\. In a clone, run `make setup`"
    ):
        exec(setup_cell(), {})
    assert not bare


@pytest.mark.parametrize("name", VARIABLES)
def test_it_takes_the_clone_that_it_lies_in(
    bare: list[list[str]], platform: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:  # fmt: skip
    clone = platform(name) / "clone"
    (clone / "notebooks").mkdir(parents=True)
    (clone / "wdualmine").mkdir()
    (clone / "wdualmine" / "model.py").touch()
    project = '[project]\ndependencies = ["torch>=99", "Some_Thing>=1"]\n[project.optional-dependencies]\n'
    (clone / "pyproject.toml").write_text(
        project + 'data = ["more-of-it"]\nfigures = []\nbook = ["nothing"]\n'
    )
    (clone / "notebooks" / "wdualmine-9-py3-none-any.whl").touch()
    monkeypatch.chdir(clone / "notebooks")
    monkeypatch.setenv("WDUALMINE_DATA", "phantom")
    monkeypatch.setattr(sys, "path", list(sys.path))
    exec(setup_cell("https://github.com/some-one/other"), {})
    said = capsys.readouterr().out
    assert sys.path[0] == str(clone)
    assert f"wdualmine: from the clone {clone}\n" in said
    installed = [command[-1] for command in bare]
    assert installed == ([] if name == "local" else ["Some_Thing>=1", "more-of-it"])
    assert ("some-thing is missing and was not installed" in said) == (name == "local")


@pytest.mark.parametrize("name", ["Kaggle", "Colab"])
def test_with_an_address_it_takes_the_repository_and_never_torch(
    bare: list[list[str]], platform: Any, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], name: str,
) -> None:  # fmt: skip
    platform(name)
    address = "https://github.com/some-one/other"
    monkeypatch.setenv("WDUALMINE_DATA", "phantom")
    requires = ["torch>=99", "numpy>=99", "Some_Thing>=1", "scipy>=1", "extra-thing; extra == 'book'",
                "Drawing>=2; extra == 'figures'"]  # fmt: skip
    monkeypatch.setattr(metadata, "requires", lambda _: requires)
    present = [d for d in metadata.distributions() if d.metadata["Name"] not in ("torch", "numpy")]
    monkeypatch.setattr(metadata, "distributions", lambda: present)
    exec(setup_cell(address), {})
    assert all(command[:4] == [sys.executable, "-m", "pip", "install"] for command in bare)
    assert all("--no-deps" in command for command in bare)
    assert [command[-1] for command in bare] == [f"git+{address}", "Some_Thing>=1", "Drawing>=2"]
    said = capsys.readouterr().out
    assert f"wdualmine: from git+{address}\n" in said
    assert f"Platform: {name}" in said


def test_an_installation_that_fails_says_what_to_do(
    bare: list[list[str]], platform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = platform("Kaggle")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1))
    with pytest.raises(RuntimeError, match="turn the Internet on or attach a wheel"):
        exec(setup_cell("https://github.com/some-one/other"), {})
    (folder / "wdualmine-9-py3-none-any.whl").touch()
    with pytest.raises(
        RuntimeError, match=r"wdualmine-9\S+ could not be installed, pip says why; make the wheel"
    ):
        exec(setup_cell(), {})


def stub_wheel(folder: Path, name: str, version: str) -> None:
    """A wheel that holds nothing but asks for torch, which --no-deps must pass over."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: torch>=99\n",
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.mark.full
@pytest.mark.parametrize("name", ["Kaggle", "Colab"])
def test_bare_platform_installs_the_wheels_offline(wheels: list[Path], tmp_path: Path, name: str) -> None:
    work, attached = tmp_path / "work", tmp_path / "input" / "some-dataset"
    work.mkdir()
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    for modality in TASKS["ct-mri"].modalities:
        write_image(attached / "pairs" / "CT-MRI" / "test" / modality / "1001.png", image)
    place = attached / "wheels" if name == "Kaggle" else work
    place.mkdir(exist_ok=True)
    for wheel in wheels:
        shutil.copy(wheel, place)
    stub_wheel(place, "nilearn", "0.99")
    python = bare_environment(tmp_path / "venv", without=("wdualmine", "nilearn"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("WDUALMINE", "PYTHON", "PIP"))}
    environment |= VARIABLES[name] | {
        "WDUALMINE_KAGGLE_INPUT": str(tmp_path / "input"), "HOME": str(tmp_path),
        "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }  # fmt: skip

    def run(*command: str) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [str(python), *command], cwd=work, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    before = {path: path.stat().st_mtime_ns for path in map(Path, (torch.__file__, np.__file__))}
    (work / "setup_cell.py").write_text(setup_cell())
    (work / "notebook.py").write_text(
        "import setup_cell, torch, numpy\nfrom wdualmine_book.records import reference_runs\n"
        "print(len(reference_runs()), torch.__file__, numpy.__file__)"
    )
    said = run("notebook.py").stdout
    assert re.search(rf"^Platform: {name}, ", said, re.M), said
    assert re.search(r"^Data: +your own data .* attached to this Kaggle notebook, only ct-mri", said, re.M), (
        said
    )
    records, *files = said.splitlines()[-1].split()
    assert int(records) > 0, "the book's wheel carries the reference records"
    used = {Path(name).resolve(): Path(name).stat().st_mtime_ns for name in files}
    assert used == {path.resolve(): modified for path, modified in before.items()}
    installed = {path.name for path in (tmp_path / "venv" / "lib").glob("python*/site-packages/*.dist-info")}
    assert {re.split(r"-\d", folder)[0] for folder in installed} == {"wdualmine", "wdualmine_book", "nilearn"}
    assert run("setup_cell.py").stdout == "", "installed, the cell does nothing"


# ----------------------------------------------------------------------------------------------------
# Where it runs, what it will take, where results go


@pytest.mark.parametrize(
    ("name", "mounted", "expected"),
    [
        ("Kaggle", False, "kaggle/working/runs"),
        ("Colab", False, "content/runs"),
        ("Colab", True, "content/drive/MyDrive/wdualmine-runs"),
        ("local", False, "runs"),
    ],
)
def test_results_go_where_the_platform_keeps_them(
    platform: Any, name: str, mounted: bool, expected: str
) -> None:
    root = platform(name)
    if mounted:
        (root / "content" / "drive" / "MyDrive").mkdir(parents=True)
    assert session.host() == name
    assert session.output_folder() == root / expected
    said = session.report(data="phantom", device="cpu")
    assert f"Platform: {name}, " in said
    assert str(root / expected) in said
    assert ("lost with the session" in said) == (name == "Colab" and not mounted)


@pytest.mark.parametrize("name", ["Kaggle", "Colab"])
def test_a_training_cut_off_resumes_there(
    platform: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    root = platform(name)
    experiment = make_experiment("ct-mri", "smoke")
    train_epoch = training.train_epoch

    def cut_off(*arguments: Any) -> Any:
        if arguments[3] == 1:
            raise KeyboardInterrupt
        return train_epoch(*arguments)

    folder = session.run_folder(experiment.name)
    with monkeypatch.context() as patch:
        patch.setattr(training, "train_epoch", cut_off)
        with pytest.raises(KeyboardInterrupt):
            training.train(experiment, folder, "phantom", "cpu", 1, progress=False)
    if name == "Kaggle":  # the next session starts empty, with the first one's output attached
        shutil.move(root / "kaggle" / "working" / "runs", root / "kaggle" / "input" / "notebook" / "runs")
    again = session.run_folder(experiment.name)
    assert again == folder
    run = training.train(experiment, again, "phantom", "cpu", 1, progress=False)
    assert [part["from_epoch"] for part in run.info.sessions] == [0, 1]
    assert list(run.log["epoch"]) == [1, 2]


def test_the_report_estimates_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[int] = []

    def step(_: Any, images: Any, *__: Any, **___: Any) -> dict[str, float]:
        timed.append(len(images[0][0]))
        return {"seconds": 10.0 if len(timed) == 1 else 2.0}  # warming up does not count

    monkeypatch.setattr(session, "train_epoch", step)
    pairs = len(session.load_pairs("ct-mri", "train", data="phantom"))
    seconds, steps = session.estimate(make_experiment("ct-mri", "paper"), "phantom", "cpu")
    assert timed == [session.TIMED_PAIRS] * 2
    assert seconds == 2.0 / session.TIMED_PAIRS * pairs * 100
    assert steps == -(-pairs // 8) * 100
    said = session.report("ct-mri", "paper", "phantom", "cpu")
    assert re.search(
        rf"^Training: ct-mri, preset paper: 100 epochs, {steps} steps, about [\d.]+ (s|min|h) ", said, re.M
    )


def test_a_real_step_is_timed() -> None:
    seconds, steps = session.estimate(make_experiment("ct-mri", "smoke"), "phantom", "cpu", threads=1)
    assert seconds > 0
    assert steps == 2 * 2


def test_a_gpu_that_does_not_run_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def pick(name: str = "auto") -> Any:
        if name == "cuda":
            raise WdualmineError("device cuda: does not run here (no kernel image); try auto or cpu")
        return runtime.pick_device("cpu")

    monkeypatch.setattr(session, "pick_device", pick)
    monkeypatch.setattr(session.torch.cuda, "is_available", lambda: True)
    assert "there is a GPU, but device cuda: does not run here (no kernel image)" in session.report(
        data="phantom"
    )


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (720, "12 min"), (15840, "4.4 h")])
def test_times_for_people(seconds: float, text: str) -> None:
    assert session.duration(seconds) == text


def test_the_commit_of_an_installation_from_the_repository(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(runtime, "PACKAGE", tmp_path / "wdualmine")
    for text, commit in (
        ('{"vcs_info": {"vcs": "git", "commit_id": "abc"}}', "abc"),
        ('{"dir_info": {}}', None),
        (None, None),
    ):
        monkeypatch.setattr(
            metadata, "distribution", lambda _, t=text: SimpleNamespace(read_text=lambda _: t)
        )
        assert runtime.code_state()["commit"] == commit
