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


def test_a_result_replaces_no_source_and_is_written_where_asked(grey: Images, tmp_path: Path) -> None:
    a, b = (write_image(tmp_path / f"{name}.png", image) for name, image in zip("ab", grey, strict=True))
    before = a.read_bytes()
    (tmp_path / "link.png").symlink_to(a)
    for output in (a, tmp_path / "link.png"):
        with pytest.raises(WdualmineError, match="is one of the sources; name another file"):
            wd.fuse(a, b, "average", output=output)
        with pytest.raises(WdualmineError, match="is one of the sources"):
            wd.fuse(a, grey[1], "average", output=output)
    assert a.read_bytes() == before
    with pytest.raises(WdualmineError, match="unknown image suffix"):
        wd.fuse(*grey, "w-dualmine", output=tmp_path / "o.jpg2")
    tensors = torch.from_numpy(grey[0]), torch.from_numpy(grey[1])
    with pytest.raises(WdualmineError, match=r"output .*o\.png: is for files and arrays"):
        wd.fuse(*tensors, "average", output=tmp_path / "o.png")


class Mean(torch.nn.Module):
    """A network of someone else's: no configuration, no parameters, an image and nothing around it."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a + b) / 2


def test_any_network_fuses(grey: Images) -> None:
    assert np.array_equal(wd.fuse(*grey, Mean()), wd.fuse(*grey, "average"))
    with pytest.raises(WdualmineError, match="5: is no network"):
        wd.fuse_with(5)  # type: ignore[arg-type]
    a = torch.rand(1, 1, 8, 8)
    with pytest.raises(WdualmineError, match=r"this network fuses images .* of one shape"):
        wd.fuse_with(Mean())(a, a[..., 1:])
    with pytest.raises(WdualmineError, match="image of type ndarray"):
        wd.fuse_with(Mean())(a.numpy(), a)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (average, {"weights": "x"}, "weights x: are for methods by name"),
        (WDualMine(ModelConfig(widths=(4,))), {"weights": "x"}, "weights x: are for methods by name"),
        (average, {"residual_scale": 1}, "residual scale 1: is for networks"),
        (Mean(), {"residual_scale": 1}, "Mean: has no residual scale"),
        (
            WDualMine(ModelConfig(widths=(4,))),
            {"residual_scale": 9},
            "residual scale 9: give a number from -2",
        ),
        (WDualMine(ModelConfig(widths=(4,))), {"residual_scale": "a"}, "residual scale a: give a number"),
        ("average", {"blend": "a"}, "blend a: give a number from 0"),
        ("average", {"blend": None}, "blend None: give a number from 0"),
    ],
)
def test_options_that_a_method_has_no_use_for_are_refused(
    method: object, options: dict, message: str, grey: Images
) -> None:
    with pytest.raises(WdualmineError, match=message):
        wd.fuse(*grey, method, **options)  # type: ignore[call-overload]


def test_what_learns_nothing_needs_no_device(grey: Images) -> None:
    assert np.array_equal(wd.fuse(*grey, "maximum", device="cuda:99"), wd.fuse(*grey, "maximum"))


def test_mistakes_in_python_are_named(grey: Images, tmp_path: Path) -> None:
    pairs = wd.load_pairs("ct-mri", limit=1, data="phantom")
    cases = [
        (lambda: wd.fuse(torch.zeros(0, 1, 8, 8), torch.zeros(0, 1, 8, 8), "average"), "give two of"),
        (lambda: wd.measure_recovery("light", pairs), "fuse 'light': give a function"),
        (lambda: wd.measure_recovery(Mean(), pairs), "fuse Mean: is a network"),
        (lambda: wd.measure_recovery({pairs[0].name: 5}, pairs), "fuse 5: give a function"),
        (lambda: wd.measure_recovery(average, []), "no pairs to put signals into"),
        (lambda: wd.train("ct-mri", tmp_path / "run"), "experiment 'ct-mri': give what wdualmine.make_exp"),
        (lambda: wd.score(*grey, grey[0], [5]), "metric 5: give names"),
        (lambda: wd.score("CT.png", *grey), "source A: is a path; read it with wdualmine.read_image"),
        (lambda: wd.fuse(grey[0], None, "average"), "image B: is missing"),
        (lambda: wd.load_fuse(None), "method None: give a name"),
    ]
    for call, message in cases:
        with pytest.raises(WdualmineError, match=message):
            call()  # type: ignore[no-untyped-call]
    assert wd.load_model("CT-MRI").config == wd.load_model("ct-mri").config


def test_what_is_read_may_be_written_to(grey: Images, tmp_path: Path) -> None:
    for name, image in (("8.png", grey[0]), ("16.png", grey[0].astype(np.uint16) * 257), ("8.tif", grey[0])):
        wd.read_image(write_image(tmp_path / name, image))[0, 0] = 1


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


def test_a_report_on_several_folders(grey: Images, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("CT", "MRI", "ours", "theirs")]
    images = (*grey, wd.fuse(*grey, "maximum"), wd.fuse(*grey, "dwt"))
    for folder, image in zip(folders, images, strict=True):
        write_image(folder / "1.png", image)
    page = wd.report(
        *folders[:2], [str(folders[2]), folders[3]], tmp_path / "r", metrics=["CC"], progress=False
    )
    assert all(f">{name}<" in page.read_text() for name in ("ours", "theirs"))
