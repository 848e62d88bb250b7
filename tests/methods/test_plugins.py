"""Methods that other packages and scripts add: found when asked for, and no harm where they are broken."""

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

import wdualmine as wd
from wdualmine.cli import main
from wdualmine.errors import WdualmineError
from wdualmine.experiments import Experiment, make_experiment
from wdualmine.methods import Method, System, get_method, get_system, maximum, register
from wdualmine.methods.plugins import GROUP, _registered
from wdualmine_book.systems.retrained import SYSTEMS

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import numpy as np
from wdualmine.methods import Method

LIMIT = 3

def larger(a, b):
    return np.maximum(a.numpy(), b.numpy())

def flat(a, b):
    return a[0]

def levels(a, b):
    return 255 * a

def broken(a, b):
    return a.no_such_thing

METHOD = Method("larger", "Larger", "this test", larger)
"""


@pytest.fixture(autouse=True)
def _nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", sys.path.copy())
    monkeypatch.setattr("wdualmine.methods.plugins._registered", _registered.copy())


@pytest.fixture
def images(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    a, b = rng.integers(0, 256, (2, 24, 20)).astype(np.uint8)
    return a, b


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A package with three methods, of which one is broken and one no method, as pip leaves it."""
    (tmp_path / "added_methods.py").write_text(CODE)
    info = tmp_path / "added-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: added\nVersion: 1.2\n")
    names = ("larger:METHOD", "bare:larger", "number:LIMIT", "gone:nothing", "average:flat")
    entries = [f"{name} = added_methods:{found}" for name, found in (pair.split(":") for pair in names)]
    (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *entries, "away = no_such_module:fuse"]))
    sys.path.append(str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("installed")
def test_a_package_adds_methods_by_entry_points(images: tuple, capsys: pytest.CaptureFixture) -> None:
    expected = wd.fuse(*images, "maximum", allow=True)
    for name, title, source in (("larger", "Larger", "this test"), ("bare", "bare", "added 1.2")):
        assert name in wd.list_methods()
        method = get_method(name)
        assert (method.title, method.source, method.learned) == (title, source, False)
        assert np.array_equal(wd.fuse(*images, name, allow=True), expected)
    assert get_method("average").source.startswith("pixelwise")  # a built-in name is not taken away
    sys.argv = ["wdualmine", "methods"]
    with pytest.raises(SystemExit) as end:
        main()
    out, error = capsys.readouterr()
    assert not end.value.code
    listed = {line.split()[0] for line in out.splitlines()}
    assert {"average", "larger", "bare"} <= listed
    assert not {"number", "gone", "away"} & listed
    assert len(error.splitlines()) == 3  # a sentence each, for what is broken


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("number", r"method number: added_methods:LIMIT of the package added 1\.2 is of type int"),
        ("gone", r"method gone: .* cannot be loaded \(AttributeError: .*nothing.*\); install that package"),
        ("away", r"method away: .*\(ModuleNotFoundError: No module named 'no_such_module'\)"),
    ],
)
def test_a_broken_plugin_is_named(name: str, sentence: str) -> None:
    with pytest.raises(WdualmineError, match=sentence):
        get_method(name)


def test_a_built_in_method_looks_for_no_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(**_: object) -> None:
        raise AssertionError("the installed packages were searched")

    monkeypatch.setattr("wdualmine.methods.plugins.entry_points", never)
    for name in ("w-dualmine", "average"):
        assert get_method(name).name == name
    with pytest.raises(AssertionError):
        get_method("no such method")


def test_a_function_of_a_script_or_module_is_a_method(tmp_path: Path, images: tuple) -> None:
    script = tmp_path / "random.py"  # named like a module of Python, and with a neighbor that it imports
    script.write_text(f"import neighbor_of_script\n{CODE}")
    (tmp_path / "neighbor_of_script.py").write_text("")
    expected = wd.fuse(*images, "maximum", allow=True)
    for name in (f"{script}:larger", f"{script}:METHOD", "wdualmine.methods.classical:maximum"):
        assert np.array_equal(wd.fuse(*images, name, allow=True), expected)
    assert wd.fuse(*images, f"{script}:larger", allow=True, blend=0.0).shape == images[0].shape


def test_the_command_line_finds_a_module_of_the_current_folder(tmp_path: Path, images: tuple) -> None:
    from wdualmine.data.images import read_image, write_image

    (tmp_path / "own_method.py").write_text(CODE)
    for name, image in zip("ab", images, strict=True):
        write_image(tmp_path / f"{name}.png", image)
    script = Path(sys.executable).with_name("wdualmine")
    command = [str(script)] if script.is_file() else [sys.executable, "-m", "wdualmine"]
    command += ["fuse", "a.png", "b.png", "-o", "f.png", "--allow", "--method", "own_method:larger"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = wd.fuse(*images, maximum, allow=True)
    assert np.array_equal(read_image(tmp_path / "f.png"), expected)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("{}/own.py:lager", r"own\.py has no 'lager'; it has Method, larger, flat, levels, broken"),
        ("{}/own.py:LIMIT", r"LIMIT is of type int; it must be a function fuse\(a, b\) or a Method"),
        ("{}/gone.py:fuse", r"gone\.py cannot be imported \(FileNotFoundError: no such file\); give module:"),
        ("no_such_module:fuse", r"cannot be imported \(ModuleNotFoundError: No module named"),
        ("{}/bad.py:fuse", r"bad\.py cannot be imported \(SyntaxError:"),
        (":fuse", "method :fuse:  *cannot be imported"),
        ("{}/own.py:flat", r"gave shape \(1, 24, 20\) for images of shape \(1, 1, 24, 20\)"),
        ("{}/own.py:levels", r"gave values from .* to 255; it must give numbers in \[0, 1\]"),
        ("{}/own.py:broken", r"broken: failed \(AttributeError: 'Tensor' object has no attribute"),
    ],
)
def test_what_is_wrong_with_a_function_is_said(
    name: str, sentence: str, tmp_path: Path, images: tuple
) -> None:
    (tmp_path / "own.py").write_text(CODE)
    (tmp_path / "bad.py").write_text("def fuse(:")
    with pytest.raises(WdualmineError, match=sentence) as error:
        wd.fuse(*images, name.format(tmp_path), allow=True)
    assert "\n" not in str(error.value)


def test_a_record_that_names_a_script_does_not_run_it(tmp_path: Path) -> None:
    script = tmp_path / "evil.py"
    script.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nfuse = None\n")
    record = make_experiment("ct-mri", "smoke").as_dict() | {"method": f"{script}:fuse"}
    with pytest.raises(WdualmineError, match="is a function and not trained"):
        Experiment.from_dict(record)
    assert not (tmp_path / "ran").exists()


def test_a_method_of_this_process_can_be_trained_if_it_says_how() -> None:
    shown = System("shown", torch.nn.Identity, dict)
    register(Method("shown", "Shown", "this test", system=shown))
    assert get_system("shown") is shown
    with pytest.raises(WdualmineError, match="shown: is not trained here"):
        make_experiment("ct-mri", "smoke", method="shown")
    with pytest.raises(WdualmineError, match="shown comes without weights for ct-mri: train them with"):
        wd.load_fuse("shown")


def test_the_books_entry_points_are_its_systems() -> None:
    entries = tomllib.loads((ROOT / "book/pyproject.toml").read_text())["project"]["entry-points"][GROUP]
    assert set(entries) == {method.name for method in SYSTEMS}
    for name, place in entries.items():
        assert get_method(place) is get_method(name)
