"""The flat interface, as a new user types it: what it takes, gives, shows and refuses."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import wdualmine as wd
from wdualmine import WdualmineError, flat
from wdualmine.data.images import write_image
from wdualmine.fusion import fuse_images
from wdualmine.methods import average, maximum
from wdualmine.model import ModelConfig, WDualMine
from wdualmine.records import Run

Images = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def grey() -> Images:
    """A CT and an MRI of the phantom, uint8 (H, W)."""
    pair = wd.load_pairs("ct-mri", limit=1, data="phantom")[0]
    return pair.image_a, pair.image_b


@pytest.fixture(scope="module")
def color() -> Images:
    """A PET (H, W, 3) and an MRI (H, W) of the phantom."""
    pair = wd.load_pairs("pet-mri", limit=1, data="phantom")[0]
    return pair.image_a, pair.image_b


def test_what_is_offered_is_listed_and_typed() -> None:
    tree = ast.parse(Path(wd.__file__).read_text())
    typed = {
        alias.asname: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wdualmine.")
        for alias in node.names
    }
    assert typed == {name: f"wdualmine.{module}.{name}" for name, module in wd._MODULES.items()}
    assert set(dir(wd)) == {"__version__", *typed} == set(wd.__all__)
    for name in typed:
        assert getattr(wd, name).__name__.removeprefix("wdualmine.") == name
    with pytest.raises(AttributeError, match="no attribute 'fusse'"):
        _ = wd.fusse  # type: ignore[attr-defined]


@pytest.mark.parametrize("statement", ["import wdualmine", "import wdualmine.flat"])
def test_nothing_heavy_is_imported_before_it_is_used(statement: str) -> None:
    code = f"{statement}; import sys; print(*(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    heavy = {"pandas", "scipy", "skimage", "pydantic", "matplotlib", "pywt"}
    if statement == "import wdualmine":
        heavy |= {"torch", "numpy"}
    assert not heavy & set(loaded.split())


def test_files_and_arrays_of_every_type(grey: Images, color: Images, tmp_path: Path) -> None:
    for a, b in (grey, color):
        expected = fuse_images(a, b, average)
        paths = [write_image(tmp_path / f"{name}.png", image) for name, image in (("a", a), ("b", b))]
        assert np.array_equal(wd.fuse(paths[0], str(paths[1]), "average"), expected)
        for scale, kind in ((1, np.uint8), (257, np.uint16), (1 / 255, np.float32), (1 / 255, np.float64)):
            fused = wd.fuse(*((image * float(scale)).astype(kind) for image in (a, b)), "average")
            assert (fused.shape, fused.dtype) == (a.shape, kind)
    grey_in_color = np.repeat(grey[0][..., None], 3, axis=2)
    assert np.array_equal(wd.fuse(grey_in_color, grey[1], "average")[..., 1], wd.fuse(*grey, "average"))
    assert wd.fuse(grey[0][..., None], grey[1], "average").shape == (*grey[0].shape, 1)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32, torch.float16])
def test_tensors_with_channels_first_and_in_batches(kind: torch.dtype, grey: Images, color: Images) -> None:
    scale = 1 if kind == torch.uint8 else 255
    a, b = (torch.from_numpy(image / scale).to(kind) for image in grey)
    expected = wd.fuse(a, b, "maximum")
    assert (expected.shape, expected.dtype) == (a.shape, kind)
    assert np.array_equal(expected.numpy(), wd.fuse(a.numpy(), b.numpy(), "maximum"))
    assert torch.equal(wd.fuse(a[None], b[None], "maximum"), expected[None])
    assert torch.equal(
        wd.fuse(torch.stack((a, b))[:, None], torch.stack((b, a))[:, None], "maximum"),
        torch.stack((expected, wd.fuse(b, a, "maximum")))[:, None],
    )
    pet, mri = (torch.from_numpy(image / scale).to(kind) for image in color)
    fused = wd.fuse(pet.movedim(-1, 0)[None], mri[None, None], "maximum")
    assert (fused.shape, fused.dtype) == ((1, 3, *mri.shape), kind)
    assert np.array_equal(fused[0].movedim(0, -1).numpy(), wd.fuse(pet.numpy(), mri.numpy(), "maximum"))


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(8, 8), np.zeros((8, 8)), "one source is a tensor"),
        (torch.zeros(8, 8), torch.zeros(1, 8, 8), "give two of"),
        (torch.zeros(2, 1, 8, 8), torch.zeros(3, 1, 8, 8), "give two of"),
        (torch.zeros(8, 8, requires_grad=True), torch.zeros(8, 8), r"image A: has gradients.*\.detach\(\)"),
        (torch.zeros(8, 8), torch.zeros(8, 8).bfloat16(), "image B: has pixel type torch.bfloat16"),
        (torch.full((1, 1, 8, 8), 9.0), torch.zeros(1, 1, 8, 8), "image A 0 of the batch: float pixels"),
        ("none.png", np.zeros((8, 8)), "none.png: no such image file"),
    ],
)
def test_sources_that_do_not_fit_are_named(a: object, b: object, message: str) -> None:
    with pytest.raises(WdualmineError, match=message):
        wd.fuse(a, b, "average")  # type: ignore[call-overload]


def test_a_method_is_a_name_a_network_or_a_function(grey: Images) -> None:
    model = WDualMine(ModelConfig(widths=(4, 4))).eval()
    assert np.array_equal(wd.fuse(*grey, model), fuse_images(*grey, wd.fuse_with(model)))
    assert np.array_equal(wd.fuse(*grey, maximum), wd.fuse(*grey, "maximum"))
    assert np.array_equal(wd.fuse(*grey, lambda a, b: np.maximum(a, b).numpy()), wd.fuse(*grey, "maximum"))
    assert np.array_equal(wd.fuse(*grey), fuse_images(*grey, wd.fuse_with(wd.load_model("ct-mri"))))
    rounded = fuse_images(*grey, average, stretch=False)
    assert np.array_equal(rounded, wd.fuse(*grey, "average", stretch=False))
    assert {"w-dualmine", "average", "dwt"} <= set(wd.list_methods())
    assert {"EN", "CC", "Qabf"} <= set(wd.list_metrics())
    with pytest.raises(WdualmineError, match="unknown method 'avarage'"):
        wd.fuse(*grey, "avarage")


def test_sources_that_are_not_registered_are_refused_unless_allowed(grey: Images, tmp_path: Path) -> None:
    ct, mri = grey
    mirrored = np.ascontiguousarray(mri[::-1])
    with pytest.raises(WdualmineError, match="image B: seems mirrored top to bottom"):
        wd.fuse(ct, mirrored, average)
    assert wd.fuse(ct, mirrored, average, allow=True).shape == ct.shape
    a, b = (write_image(tmp_path / name / "1.png", image) for name, image in (("CT", ct), ("MRI", mri)))
    with pytest.raises(WdualmineError, match="give the CT first"):
        wd.fuse(b, a, average)


def test_a_network_refuses_other_units(grey: Images, light_run: Run) -> None:
    levels = [torch.from_numpy(image.astype(np.float32))[None, None] for image in grey]
    for fuse in (wd.load_fuse("w-dualmine"), wd.load_fuse("light", light_run.folder)):
        with pytest.raises(WdualmineError, match=r"values from 0 to 255: a network needs them in \[0, 1\]"):
            fuse(*levels)
        assert fuse(levels[0] / 255, levels[1] / 255).shape == levels[0].shape


def test_weights_say_what_they_were_trained_for(grey: Images, color: Images, smoke_run: Run) -> None:
    run = smoke_run.folder  # of CT-MRI
    assert wd.fuse(*grey, weights=run).shape == grey[0].shape
    with pytest.raises(WdualmineError, match=r"was trained for ct-mri, not for spect-mri; .*--task ct-mri"):
        wd.fuse(*color, task="spect-mri", weights=run)
    with pytest.raises(WdualmineError, match="was trained for ct-mri, not for pet-mri or spect-mri"):
        wd.fuse(*color, weights=run)
    assert wd.fuse(*color, task="ct-mri", weights=run).shape == color[0].shape
    with pytest.raises(WdualmineError, match=r"holds a network of w-dualmine; give --method w-dualmine$"):
        wd.fuse(*grey, "light", weights=run)
    _, label = flat.Way(weights=run).function(color=False)
    assert label == f"w-dualmine with {run} (trained for ct-mri: smoke, proposed, seed 0)"


def test_weights_for_all_tasks_are_for_any(grey: Images, color: Images, light_run: Run) -> None:
    run = light_run.folder
    for sources in (grey, color):
        plain = wd.fuse(*sources, "light", weights=run)
        assert plain.shape == sources[0].shape
        for task in ("ct-mri", "pet-mri", "spect-mri"):
            assert np.array_equal(wd.fuse(*sources, "light", task=task, weights=run), plain)
    _, label = flat.Way("light", weights=run).function(color=True)
    assert label == f"light with {run} (trained for all tasks: smoke, proposed, seed 0)"


def test_memory_is_said_before_and_refused_where_it_is_not_there(
    grey: Images, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(flat, "NETWORK", 1000)
    wd.fuse(*grey, "average")
    height, width = grey[0].shape
    said = f"{height} x {width} pixels with average take about"
    assert capsys.readouterr().err.startswith(said)
    monkeypatch.setattr(flat, "available_memory", lambda _: 10_000)
    with pytest.raises(WdualmineError, match=rf"{said} .* are free; choose another method"):
        wd.fuse(*grey, "average")


def test_a_report_from_python(grey: Images, tmp_path: Path) -> None:
    ct, mri = grey
    for name, image in (("CT", ct), ("MRI", mri), ("ours", wd.fuse(ct, mri, "maximum"))):
        write_image(tmp_path / name / "1.png", image)
    folders = [tmp_path / name for name in ("CT", "MRI", "ours")]
    for _ in range(2):  # the second time the package of that name is imported
        page = wd.report(*folders, tmp_path / "report", metrics=["CC"], progress=False)
        assert "ours" in page.read_text()
