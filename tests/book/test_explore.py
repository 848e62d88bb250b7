"""The explorer: images and scores as the package's verbs give them, one network pass a pair, live widgets."""

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wdualmine_book.explore
import wdualmine_book.sliders
from wdualmine import fuse_with, load_model, load_pairs, score
from wdualmine.data import DataSource
from wdualmine.data.images import write_image
from wdualmine.errors import WdualmineError
from wdualmine.experiments import make_experiment
from wdualmine.fusion import fuse_images
from wdualmine.methods import CLASSICAL
from wdualmine.records import Run
from wdualmine.training import train
from wdualmine_book.explore import PACKAGE, SMALLEST, Explorer, View, draw_scales
from wdualmine_book.records import published_scores, reference_runs
from wdualmine_book.sliders import Sliders

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def explorer(smoke_run: Run) -> Explorer:
    """The phantom, with the small weights of the smoke run to choose."""
    return Explorer("phantom", [smoke_run.folder])


@pytest.fixture
def view(explorer: Explorer) -> View:
    """The first CT-MRI pair, fused by the smoke run's network."""
    name = next(name for name in explorer.weights("ct-mri") if "(smoke, phantom)" in name)
    return replace(explorer.first("ct-mri"), weights=name)


@pytest.fixture
def images(explorer: Explorer, view: View) -> tuple[np.ndarray, np.ndarray]:
    pair = explorer.pairs("ct-mri")[view.pair]
    return pair.image_a, pair.image_b


# ----------------------------------------------------------------------------------------------------
# Fusing


@pytest.mark.parametrize("stretch", [True, False])
@pytest.mark.parametrize("scale", [None, 0.0, 0.3, 1.0])
def test_the_network_gives_what_fuse_images_gives(
    explorer: Explorer, view: View, images: tuple, smoke_run: Run, scale: float | None, stretch: bool
) -> None:
    expected = fuse_images(*images, fuse_with(load_model(smoke_run.folder), scale), stretch)
    shown = explorer.fuse(replace(view, residual_scale=scale, stretch=stretch))
    assert np.array_equal(shown, expected)


def test_the_weights_of_the_package_and_color() -> None:
    explorer = Explorer("phantom")
    view = explorer.first("PET-MRI")
    pair = load_pairs("pet-mri", limit=1, data="phantom")[0]
    assert (view.pair, view.weights) == (pair.name, PACKAGE)
    expected = fuse_images(pair.image_a, pair.image_b, fuse_with(load_model("pet-mri")))
    assert expected.ndim == 3
    assert np.array_equal(explorer.fuse(view), expected)
    assert explorer.difference(view).shape == expected.shape[:2]


@pytest.mark.parametrize("stretch", [True, False])
def test_residual_scale_0_is_the_average(
    explorer: Explorer, view: View, images: tuple, stretch: bool
) -> None:
    shown = explorer.fuse(replace(view, residual_scale=0.0, stretch=stretch))
    assert np.array_equal(shown, fuse_images(*images, CLASSICAL["average"].fuse, stretch))
    assert not stretch or not explorer.difference(replace(view, residual_scale=0.0)).any()


@pytest.mark.parametrize("name", CLASSICAL)
def test_classical_methods(explorer: Explorer, view: View, images: tuple, name: str) -> None:
    for stretch in (True, False):
        expected = fuse_images(*images, CLASSICAL[name].fuse, stretch)
        assert np.array_equal(explorer.fuse(replace(view, method=name, stretch=stretch)), expected)


def test_sides_that_the_network_does_not_take(
    tmp_path: Path, smoke_run: Run, rng: np.random.Generator
) -> None:
    a, b = rng.integers(0, 256, (2, 37, 50)).astype(np.uint8)
    write_image(tmp_path / "CT-MRI" / "test" / "CT" / "1.png", a)
    write_image(tmp_path / "CT-MRI" / "test" / "MRI" / "1.png", b)
    explorer = Explorer(tmp_path, [smoke_run.folder])
    view = View("ct-mri", "1", weights=list(explorer.weights("ct-mri"))[1])
    assert np.array_equal(explorer.fuse(view), fuse_images(a, b, fuse_with(load_model(smoke_run.folder))))


def test_runs_of_other_systems_are_no_weights_of_the_network(tmp_path: Path, smoke_run: Run) -> None:
    experiment = make_experiment("ct-mri", "smoke", method="sdnet-retrained", epochs=1)
    other = train(experiment, tmp_path / "sdnet", "phantom", "cpu", 1, progress=False)
    explorer = Explorer("phantom", [smoke_run.folder, other.folder])
    files = explorer.weights("ct-mri").values()
    assert smoke_run.folder / "model.safetensors" in files
    assert other.folder / "model.safetensors" not in files


def test_published_images_are_shown_as_they_are(
    explorer: Explorer, view: View, images: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "adafuse" not in explorer.methods()  # no published image belongs to the phantom
    write_image(tmp_path / "adafuse" / "CT-MRI" / f"{view.pair}.png", images[1])
    monkeypatch.setattr(wdualmine_book.explore, "published_folder", lambda _: tmp_path)
    assert explorer.methods()["adafuse"] == "AdaFuse, published image"
    assert np.array_equal(explorer.fuse(replace(view, method="adafuse", stretch=False)), images[1])
    other = list(explorer.pairs("ct-mri"))[1]
    with pytest.raises(WdualmineError, match=f"unknown published image '{other}'"):
        explorer.fuse(replace(view, method="adafuse", pair=other))


@pytest.mark.parametrize(("method", "row"), [("adafuse", "AdaFuse"), ("asfe-fusion", "ASFE-Fusion")])
def test_published_images_score_as_on_record(harvard: Path, published: Path, method: str, row: str) -> None:
    explorer = Explorer(harvard)
    view = replace(explorer.first("spect-mri"), method=method)
    record = published_scores().query("task == 'spect-mri' and pair == @view.pair and method == @row")
    for name, value in explorer.scores(view).items():
        assert value == pytest.approx(record[name].item(), abs=0.5e-6), name  # six printed decimals


# ----------------------------------------------------------------------------------------------------
# Scores and regions


def test_scores_stand_beside_those_of_the_stretched_average(
    explorer: Explorer, view: View, images: tuple
) -> None:
    view = replace(view, residual_scale=1.0, stretch=False)
    table = explorer.compare(view)
    assert table["score"].to_dict() == score(*images, explorer.fuse(view))
    assert table["average"].to_dict() == score(*images, fuse_images(*images, CLASSICAL["average"].fuse))
    assert (table["difference"] == table["score"] - table["average"]).all()


@given(st.integers(1, 90), st.integers(1, 90), st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1))
def test_a_window_lies_in_the_image_around_its_center(
    height: int, width: int, x: float, y: float, size: float
) -> None:
    pixels = np.arange(height * width).reshape(height, width)
    window = View("ct-mri", "1", center=(x, y), size=size).crop(pixels)
    rows, columns = window // width, window % width
    for side, center, lines in ((height, y, rows[:, 0]), (width, x, columns[0])):
        assert len(lines) == min(side, max(SMALLEST, round(side * size)))
        assert (np.diff(lines) == 1).all()
        middle = lines.mean() + 0.5
        at_border = lines[0] == 0 or lines[-1] == side - 1
        assert abs(middle - side * center) <= 1 or at_border
    assert np.array_equal(window, rows[:, :1] * width + columns[:1])


def test_a_window_is_cut_from_the_whole_fused_image(explorer: Explorer, view: View, images: tuple) -> None:
    view = replace(view, size=0.25, center=(0.5, 0.5))
    cut = (slice(96, 160), slice(96, 160))
    whole = fuse_images(*images, fuse_with(load_model(explorer.weights("ct-mri")[view.weights])))
    assert np.array_equal(view.crop(explorer.fuse(view)), whole[cut])
    assert explorer.scores(view) == score(images[0][cut], images[1][cut], whole[cut])


def test_a_window_on_the_background_has_no_scores(explorer: Explorer, view: View) -> None:
    assert explorer.compare(replace(view, size=0.1, center=(0.0, 0.0))).isna().all(axis=None)


def test_the_network_runs_once_a_pair_and_weights(
    smoke_run: Run, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []

    def load(path: Path) -> Any:
        model = load_model(smoke_run.folder)
        model.register_forward_hook(lambda *_: passes.append(path))
        return model

    monkeypatch.setattr(wdualmine_book.explore, "load_model", load)
    explorer = Explorer("phantom", [smoke_run.folder])
    for scale in (0.0, 0.5, 1.0):
        for changes in ({}, {"stretch": False}, {"size": 0.5}, {"method": "maximum"}):
            explorer.compare(replace(view, residual_scale=scale, **changes))
    assert len(passes) == 1
    other = list(explorer.pairs("ct-mri"))[1]
    for changes in ({"pair": other}, {"weights": PACKAGE}, {}):
        explorer.fuse(replace(view, **changes))
    assert [path == explorer.weights("ct-mri")[PACKAGE] for path in passes] == [False, False, True]


# ----------------------------------------------------------------------------------------------------
# Choices


def test_weights_are_offered_for_the_task_they_were_trained_on(
    smoke_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shutil.copytree(smoke_run.folder, tmp_path / "bare") / "model.safetensors").unlink()
    copy = shutil.copytree(smoke_run.folder, tmp_path / "copy")
    fold = shutil.copytree(smoke_run.folder, tmp_path / "fold")
    record = json.loads((fold / "run.json").read_text())
    record["experiment"]["fold"] = 1  # its training pairs may be among the test pairs
    (fold / "run.json").write_text(json.dumps(record))
    monkeypatch.setattr(wdualmine_book.explore, "study_runs", lambda: [smoke_run])
    explorer = Explorer("phantom", [tmp_path])
    name = "proposed, seed 0 (smoke, phantom)"
    choices = {name: copy, f"{name} in {smoke_run.folder}": smoke_run.folder}
    weights = explorer.weights("ct-mri")
    assert weights.pop(PACKAGE).name == "ct-mri.safetensors"
    assert weights == {name: folder / "model.safetensors" for name, folder in choices.items()}
    for task in ("pet-mri", "spect-mri"):
        assert list(explorer.weights(task)) == [PACKAGE]


def test_a_view_is_described_with_its_data_and_preset(explorer: Explorer, view: View) -> None:
    described = explorer.describe(view)
    assert described == f"CT-MRI pair {view.pair} (phantom), weights: proposed, seed 0 (smoke, phantom)"
    record = next(run for run in reference_runs() if run.folder.name == "ct-mri-seed0")
    described = explorer.describe(replace(view, weights=PACKAGE))
    assert described.endswith(f"weights: package ({record.label})")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "mri-us"}, "mri-us: unknown task; choose one of"),
        ({"pair": "nobody"}, "unknown pair 'nobody'; choose one of"),
        ({"method": "magic"}, "unknown method 'magic'; choose one of w-dualmine, average"),
        ({"weights": "heavy"}, "unknown weights 'heavy'; choose one of package"),
        ({"residual_scale": 1.5}, "residual scale 1.5: give a number from 0 to 1"),
        ({"residual_scale": float("nan")}, "residual scale nan"),
        ({"size": 0.0}, "window of size 0.0"),
        ({"center": (0.5, 1.2)}, r"window of size 1.0 at \(0.5, 1.2\)"),
    ],
)
def test_what_is_unknown_or_out_of_range_is_named(
    explorer: Explorer, view: View, changes: dict, message: str
) -> None:
    with pytest.raises(WdualmineError, match=message):
        explorer.fuse(replace(view, **changes))


def test_data_without_the_task(tmp_path: Path, explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer, "source", DataSource("argument", tmp_path, "custom", ("pet-mri",)))
    with pytest.raises(WdualmineError, match="does not hold spect-mri"):
        explorer.first("spect-mri")


# ----------------------------------------------------------------------------------------------------
# Pictures and widgets


def test_the_still_picture_holds_the_scores(explorer: Explorer, view: View) -> None:
    figure = draw_scales(explorer, view, (0.0, 1.0))
    text = [item.get_text() for axis in figure.axes for item in (axis.title, *axis.texts)]
    assert figure.get_suptitle() == explorer.describe(view)
    assert "λ = 0" in text
    for scale in (0.0, 1.0):
        scores = explorer.scores(replace(view, residual_scale=scale))
        assert "\n".join(f"{name:<4} {value:8.4f}" for name, value in scores.items()) in text
    assert all(axis.images for axis in figure.axes)
    plt.close(figure)


@pytest.fixture
def sliders(explorer: Explorer) -> Sliders:
    pytest.importorskip("ipywidgets", reason="ipywidgets makes the sliders")
    return Sliders(explorer)


def shown(sliders: Sliders) -> tuple[bytes, str]:
    return bytes(sliders.image.value), sliders.scores.value


def test_each_control_redraws_image_and_scores(sliders: Sliders, view: View) -> None:
    explorer = sliders.explorer
    assert sliders.view == replace(explorer.first("ct-mri"), residual_scale=0.5)
    before = shown(sliders)
    for name, value in (
        ("weights", view.weights),
        ("residual_scale", 1.0),
        ("pair", list(explorer.pairs("ct-mri"))[1]),
        ("stretch", False),
        ("method", "maximum"),
        ("size", 0.3),
        ("x", 0.6),
        ("y", 0.4),
        ("task", "spect-mri"),
    ):
        getattr(sliders, name).value = value
        after = shown(sliders)
        assert after[0].startswith(b"\x89PNG")
        assert after[0] != before[0], name
        assert after[1] != before[1], name
        cells = re.findall(r"<td>([^<]*)</td>", after[1])
        expected = explorer.compare(replace(sliders.view, size=1.0)).loc["EN"]
        assert [float(cell) for cell in cells[:3]] == pytest.approx(list(expected), abs=0.5e-4), name
        before = after
    assert sliders.view == View(
        "spect-mri", next(iter(explorer.pairs("spect-mri"))), "maximum", PACKAGE, 0.5, False, (0.6, 0.4), 0.3
    )
    assert "Window" in sliders.scores.value
    sliders.size.value = 1.0
    assert "Window" not in sliders.scores.value


def test_a_new_task_offers_its_choices_and_draws_once(
    sliders: Sliders, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[View] = []
    draw = wdualmine_book.sliders.draw
    monkeypatch.setattr(wdualmine_book.sliders, "draw", lambda *of: drawn.append(of[1]) or draw(*of))
    sliders.pair.value = list(sliders.explorer.pairs("ct-mri"))[2]
    sliders.task.value = "pet-mri"
    assert [view.task for view in drawn] == ["ct-mri", "pet-mri"]
    assert tuple(sliders.pair.options) == tuple(sliders.explorer.pairs("pet-mri"))
    assert sliders.weights.value == PACKAGE


def test_weights_bring_the_residual_scale_that_they_were_trained_with(
    sliders: Sliders, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    sliders.residual_scale.value = 0.9
    sliders.weights.value = view.weights
    assert sliders.residual_scale.value == 0.5
    monkeypatch.setattr(sliders.explorer, "residual_scale", lambda _: 1.0)
    sliders.weights.value = PACKAGE
    assert sliders.residual_scale.value == 1.0


def test_controls_without_effect_are_disabled(sliders: Sliders) -> None:
    controls = ("weights", "residual_scale", "stretch", "x", "y")
    assert [getattr(sliders, name).disabled for name in controls] == [False, False, False, True, True]
    sliders.method.value, sliders.size.value = "average", 0.5
    assert [getattr(sliders, name).disabled for name in controls] == [True, True, False, False, False]


def test_an_error_is_shown_where_the_scores_are(sliders: Sliders, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise WdualmineError("weights <lost>; train again")

    monkeypatch.setattr(wdualmine_book.sliders, "draw", fail)
    sliders.residual_scale.value = 0.9
    assert sliders.scores.value == "<strong>weights &lt;lost&gt;; train again</strong>"


def test_without_ipywidgets(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(WdualmineError, match="pip install ipywidgets"):
        Sliders(explorer)


# ----------------------------------------------------------------------------------------------------
# The notebook


def execute(cells: str, **parameters: str) -> nbformat.NotebookNode:
    """Run the notebook in a kernel with other parameters, and then more cells."""
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(ROOT / "notebooks" / "explore.ipynb", as_version=4)
    settings = nbformat.v4.new_code_cell(
        "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    )
    place = next(i for i, cell in enumerate(notebook.cells) if cell.metadata.get("tags") == ["parameters"])
    notebook.cells.insert(place + 1, settings)
    notebook.cells.append(nbformat.v4.new_code_cell(cells))
    nbclient.NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": ROOT}}).execute()
    return notebook


def mime_types(notebook: nbformat.NotebookNode) -> set[str]:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return {mime for output in outputs for mime in output.get("data", {})}


@pytest.mark.full
def test_a_page_without_a_kernel_holds_a_picture_and_no_widget(smoke_run: Run) -> None:
    notebook = execute("", data="phantom", runs=str(smoke_run.folder), live="no")
    assert mime_types(notebook) == {"image/png", "text/plain"}
    assert "widgets" not in notebook.metadata


@pytest.mark.full
def test_the_sliders_live_in_a_kernel(smoke_run: Run) -> None:
    pytest.importorskip("ipywidgets", reason="ipywidgets makes the sliders")
    notebook = execute(
        "before = sliders.image.value, sliders.scores.value\n"
        "sliders.residual_scale.value = 1.0\n"
        "after = sliders.image.value, sliders.scores.value\n"
        "print(all(x != y for x, y in zip(before, after)))",
        data="phantom",
        runs=str(smoke_run.folder),
    )
    assert notebook.cells[-1].outputs[0].text == "True\n"
    assert "application/vnd.jupyter.widget-view+json" in mime_types(notebook)
    states = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"].values()
    scales = [s["state"]["value"] for s in states if s["state"].get("description") == "λ of Eq. 11"]
    assert scales == [1.0]  # what a browser would be told
