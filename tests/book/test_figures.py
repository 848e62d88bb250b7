"""Figures: true to the modules, records and pairs that they draw; what is in them is checked, not pixels."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text
from scipy import ndimage

from wdualmine.data import Pair
from wdualmine.errors import WdualmineError
from wdualmine.experiments import PRESETS, VARIANTS, make_experiment
from wdualmine.fusion import fuse_images, luma_tensor
from wdualmine.losses import LossWeights, Objective
from wdualmine.methods import average
from wdualmine.model import ModelConfig, WDualMine
from wdualmine.records import Run
from wdualmine.report.style import render_figure
from wdualmine_book.figures.architecture import architecture_caption, plot_architecture, sizes_table
from wdualmine_book.figures.objective import LOSS_TERMS, parts_of, plot_training, training_caption
from wdualmine_book.figures.qualitative import (
    Window,
    compare_pair,
    comparison_caption,
    find_window,
    internals_caption,
    network_of,
    plot_comparison,
    plot_internals,
    plot_pair,
    typical_pair,
)
from wdualmine_book.figures.scores import (
    by_method,
    curves_caption,
    pair_scores,
    plot_curves,
    records_label,
)
from wdualmine_book.figures.steps import STEPS, as_html, losses_html, losses_table, plot_steps
from wdualmine_book.figures.training import LOG_COLUMNS, plot_log, plot_residuals
from wdualmine_book.records import published_scores, reference_runs

TINY = ModelConfig(widths=(4, 8))
NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "figures.ipynb"


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    with mpl.rc_context({"figure.max_open_warning": 0}):
        yield
    plt.close("all")


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def network(config: ModelConfig = TINY) -> WDualMine:
    torch.manual_seed(0)
    return WDualMine(config).eval().requires_grad_(False)


@pytest.fixture
def pair(rng: np.random.Generator) -> Pair:
    color = rng.integers(0, 256, (48, 40, 3), dtype=np.uint8)
    return Pair("7", color, rng.integers(0, 256, (48, 40), dtype=np.uint8))


# ----------------------------------------------------------------------------------------------------
# Figures 1 and 2


CONFIGURATIONS = {
    "full": ModelConfig(),
    "three scales": ModelConfig(widths=(5, 7, 9)),
    "one scale": ModelConfig(widths=(6,)),
    "wide": ModelConfig(widths=(64, 128, 256, 512)),
    **{name: ModelConfig(widths=(4, 8), **VARIANTS[name]["model"])
       for name in ("no-spatial-expert", "no-wavelet-expert", "average-mixer")},
}  # fmt: skip


@pytest.mark.parametrize("config", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
def test_architecture_says_what_the_modules_do(config: ModelConfig) -> None:
    """Shapes are those of a real forward pass, counts those of the modules; each block holds its text."""
    model = network(config)
    size = 64
    figure = plot_architecture(model, size)
    found = texts(figure)
    image = torch.rand(1, 1, size, size)
    fusion = model(image, image)
    sizes = sizes_table(model, size)
    for number, (stage, features) in enumerate(zip(fusion.stages, fusion.features1, strict=True), start=1):
        shape = " × ".join(map(str, features.shape[1:]))
        assert shape == " × ".join(map(str, stage.fused.shape[1:]))
        assert f"Scale {number}: {shape}" in found
        assert shape in set(sizes.loc[sizes["Scale"] == f"Scale {number}", "output"])
    printed = sizes["parameters"].tolist()
    for module in (*model.encoder.stages, *(s.reliability for s in model.stages), *model.decoder.merges):
        printed.remove(f"{sum(p.numel() for p in module.parameters()):,}")
    counts = [int(count.replace(",", "")) for count in sizes["parameters"]]
    assert sum(counts) == sum(p.numel() for p in model.parameters())
    total = f"{sum(p.numel() for p in model.parameters()):,}"
    assert total in architecture_caption(model, size)
    scales = len(config.widths)
    both = config.spatial_expert and config.wavelet_expert
    assert found.count("Spatial") == found.count("Eq. 4–5") == scales * config.spatial_expert
    assert found.count("Wavelet") == found.count("Eq. 6–7") == scales * config.wavelet_expert
    assert found.count("Mixer") == scales * (both and config.soft_gradient_mixer)
    assert found.count("Mean") == scales * (both and not config.soft_gradient_mixer)
    assert found.count("Decoder") == scales - 1
    assert_texts_fit(figure)


def assert_texts_fit(figure: Figure) -> None:
    """No text leaves the figure, and none that is centered in a block leaves the block."""
    figure.draw_without_rendering()
    blocks = [patch.get_window_extent() for patch in figure.findobj(FancyBboxPatch)]
    assert blocks
    for text in figure.findobj(Text):
        if not text.get_text():
            continue
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, text.get_text()
        x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        for block in blocks:
            if block.contains(x, y):
                assert block.x0 <= box.x0 <= box.x1 <= block.x1, text.get_text()


def test_architecture_refuses_a_size_that_the_network_does_not_take() -> None:
    with pytest.raises(WdualmineError, match="divisible by 4"):
        plot_architecture(network(), 30)


@pytest.mark.parametrize("variant", ["proposed", "no-mutual-information", "no-reconstruction", "no-average"])
def test_training_figure_shows_the_terms_with_their_weights(variant: str) -> None:
    experiment = make_experiment("ct-mri", "smoke", variant, batch_size=3)
    model = network(experiment.model)
    objective = Objective(experiment.model.widths[-1], experiment.loss)
    figure = plot_training(model, objective, experiment.schedule)
    found = texts(figure)
    absent = training_caption(model, objective, experiment.schedule).partition("their weight is 0: ")[2]
    for number, name in enumerate(LOSS_TERMS, start=1):
        weight = getattr(experiment.loss, name)
        drawn = [text for text in found if text.startswith(rf"$\lambda_{number}$ = {weight:g},")]
        assert len(drawn) == (weight > 0), name
        assert (name.replace("_", " ") in absent) == (weight == 0)
    assert any(text.startswith("Projection") for text in found) == (experiment.loss.mutual_information > 0)
    assert any(text.startswith("Heads") for text in found) == (experiment.loss.reconstruction > 0)
    assert "3 × 1 × 64 × 64" in found
    assert any("learning rate 1e-3, 2 epochs" in text for text in found)
    assert_texts_fit(figure)


def test_every_weight_of_the_objective_has_its_block() -> None:
    assert list(LOSS_TERMS) == list(LossWeights.__dataclass_fields__)


# ----------------------------------------------------------------------------------------------------
# Figures 3 to 5


def test_window_lies_on_the_largest_residual() -> None:
    residual = np.zeros((40, 60))
    residual[22:30, 41:49] = 1
    assert find_window(residual, 8) == Window(22, 41, 8)
    residual[:8, :8] = 2
    assert find_window(residual, 8) == Window(0, 0, 8)
    assert find_window(residual, 8, border=4) == Window(22, 41, 8)
    assert find_window(residual, 8, [Window(4, 4, 8)]) == Window(22, 41, 8)


def test_window_has_the_largest_sum_of_all(rng: np.random.Generator) -> None:
    values = rng.normal(size=(23, 17))
    taken = Window(5, 3, 6)
    window = find_window(values, 6, [taken], border=1)
    sums = {
        other: values[other.slices].sum()
        for other in (Window(top, left, 6) for top in range(1, 17) for left in range(1, 11))
        if not other.overlaps(taken)
    }
    assert window in sums
    assert values[window.slices].sum() == pytest.approx(max(sums.values()))


@pytest.mark.parametrize(
    ("side", "apart", "border", "message"),
    [
        (9, [], 0, "give a side of 1 to 8"),
        (0, [], 0, "give a side of 1 to 8"),
        (5, [], 2, "give a side of 1 to 4"),
        (5, [Window(2, 2, 5)], 0, "none fits beside the others"),
    ],
)
def test_windows_that_do_not_fit(side: int, apart: list[Window], border: int, message: str) -> None:
    with pytest.raises(WdualmineError, match=message):
        find_window(np.ones((8, 9)), side, apart, border)


def test_typical_pair_is_the_median(rng: np.random.Generator) -> None:
    base, noise = rng.normal(size=(2, 32, 32))
    pairs = []
    for number, share in enumerate((0.9, 0.1, 0.5, 0.7, 0.3)):
        images = base, share * base + (1 - share) * noise
        scaled = [np.clip(128 + 30 * image, 0, 255).astype(np.uint8) for image in images]
        pairs.append(Pair(str(number), *scaled))
    assert typical_pair(pairs).name == "2"
    assert typical_pair(pairs[1:]).name == "4"  # the lower one of an even number
    with pytest.raises(WdualmineError, match="no pairs"):
        typical_pair([])


def test_comparison_shows_every_image_whole_and_magnified(pair: Pair) -> None:
    comparison = compare_pair(pair, "pet-mri", network())
    assert list(comparison.images) == ["PET", "MRI", "Average", "W-DUALMINE"]
    first, second = comparison.windows
    assert not first.overlaps(second)
    lumas = [luma.astype(float) for luma in (pair.luma_a, pair.luma_b)]
    detail = np.maximum(
        *(sum(np.abs(ndimage.sobel(x, axis, mode="nearest")) for axis in (0, 1)) for x in lumas)
    )
    assert first == find_window(detail, first.side, border=comparison.border)
    expected = fuse_images(pair.image_a, pair.image_b, average)
    assert np.array_equal(comparison.images["Average"], expected)
    figure = plot_comparison(comparison)
    drawn = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    for image in comparison.images.values():
        for part in (image, *(image[window.slices] for window in comparison.windows)):
            assert any(array.shape == part.shape and np.array_equal(array, part) for array in drawn)
    difference = comparison.differences["W-DUALMINE"]
    assert any(np.array_equal(array, difference) for array in drawn if array.shape == difference.shape)
    caption = comparison_caption(comparison, 4)
    assert caption.startswith("**Figure 4.** PET-MRI, pair 7;")
    assert "Not here, for these pairs: AdaFuse and ASFE-Fusion." in caption
    assert f"W-DUALMINE {np.abs(difference).mean():.2f}" in caption


def test_comparison_without_a_residual_differs_nowhere(pair: Pair) -> None:
    model = network(replace(TINY, residual_scale=0.0))
    assert not compare_pair(pair, "pet-mri", model).differences["W-DUALMINE"].any()


def test_internal_maps_are_those_of_the_network(pair: Pair) -> None:
    figure = plot_internals(pair, network())
    maps = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert [array.shape for array in maps[:2]] == [(48, 40), (24, 20)]
    assert len(maps) == 4 * len(TINY.widths)
    lean = network(replace(TINY, wavelet_expert=False))
    rows = texts(plot_internals(pair, lean))
    assert "|spatial|" in rows
    assert not [text for text in rows if "wavelet" in text or "mixing" in text]
    assert internals_caption(pair, "pet-mri", "a network").startswith("**PET-MRI, pair 7**; a network.")
    assert texts(plot_pair(pair, lean, ("PET", "MRI")))[:2] == ["PET", "MRI"]


def test_network_of_a_build_goes_before_the_package(smoke_run: Run) -> None:
    model, name = network_of([smoke_run], "ct-mri")
    assert model.config.widths == (8, 8, 16, 16)
    assert smoke_run.label in name
    model, name = network_of([smoke_run], "pet-mri")
    assert "comes with the package" in name


# ----------------------------------------------------------------------------------------------------
# Figure 6 and other views of scores


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    return pair_scores("ct-mri", reference_runs(), published=True)


def test_pair_scores_are_those_of_the_records(scores: pd.DataFrame) -> None:
    published = published_scores().query("task == 'ct-mri' and method == 'AdaFuse'").set_index("pair")
    ours = scores[scores["method"] == "AdaFuse"].set_index("pair")
    assert list(ours.index) == sorted(published.index, key=int)
    assert (ours["MI"] == published["MI"].loc[ours.index]).all()
    assert not scores.duplicated(["method", "pair"]).any()
    assert "harvard" in records_label(reference_runs(), "ct-mri")
    assert pair_scores("ct-mri", []).empty
    assert records_label([], "ct-mri") == "none"


def test_curves_are_paired_differences(scores: pd.DataFrame) -> None:
    base = "Average, stretched"
    figure = plot_curves(scores, base)
    assert [axes.get_title().split(" ")[0] for axes in figure.axes] == ["EN", "PSNR", "MI", "CC", "FMI"]
    order = list(dict.fromkeys(scores["pair"]))
    for axes in figure.axes:
        table = scores.pivot(index="pair", columns="method", values=axes.get_title().split(" ")[0])
        _, *lines = axes.get_lines()  # the first one is at 0
        assert [line.get_label() for line in lines] == ["AdaFuse", "ASFE-Fusion", "W-DUALMINE"]
        for line in lines:
            expected = (table[line.get_label()] - table[base]).loc[order]
            assert np.allclose(line.get_ydata(), expected, atol=1e-12), axes.get_title()
    caption = curves_caption(scores, "ct-mri", "a label", base)
    assert f"CT-MRI, {len(order)} pairs" in caption
    assert "a label" in caption


def test_scores_that_are_missing(scores: pd.DataFrame) -> None:
    with pytest.raises(WdualmineError, match="VIF: is not a column"):
        plot_curves(scores, "AdaFuse", ["VIF"])
    with pytest.raises(WdualmineError, match="no scores of nothing"):
        plot_curves(scores, "AdaFuse", ["MI"], ["nothing"])
    with pytest.raises(WdualmineError, match="nothing: has no scores to relate to"):
        plot_curves(scores, "nothing", ["MI"])


# ----------------------------------------------------------------------------------------------------
# Loss curves and files


def fake_log(factor: float = 1.0, epochs: int = 3) -> pd.DataFrame:
    rate = factor * np.geomspace(1, 0.01, epochs)
    return pd.DataFrame({"epoch": np.arange(1, epochs + 1), **dict.fromkeys(LOG_COLUMNS, rate)})


def test_log_is_drawn_relative_to_its_first_epoch() -> None:
    figure = plot_log(fake_log(5.0))
    assert len(figure.axes[0].get_lines()) == len(LOG_COLUMNS)
    assert np.allclose(figure.axes[0].get_lines()[0].get_ydata(), [1, 0.1, 0.01])


def test_residuals_of_several_runs_are_drawn_as_they_are() -> None:
    logs = {"1e-3": [fake_log(2.0), fake_log(4.0)], "1e-4": [fake_log(3.0, 5)]}
    figure = plot_residuals(logs)
    lines = figure.axes[0].get_lines()
    for line, log in zip(lines, [log for seeds in logs.values() for log in seeds], strict=True):
        assert np.array_equal(line.get_ydata(), log["residual"])
    assert len({line.get_color() for line in lines}) == len(logs)
    assert {text.get_text() for text in figure.legends[0].get_texts()} == set(logs)


@pytest.mark.parametrize(
    ("logs", "message"),
    [
        ({}, "no logs to draw"),
        ({"a": [fake_log().drop(columns="residual")]}, "a: no column residual"),
        ({"a": [fake_log(), fake_log().iloc[:0]]}, "a: no epoch yet"),
    ],
)
def test_logs_that_cannot_be_drawn(logs: dict[str, list[pd.DataFrame]], message: str) -> None:
    with pytest.raises(WdualmineError, match=message):
        plot_residuals(logs)


def test_a_preset_is_drawn_with_its_own_network() -> None:
    model, objective, schedule = parts_of("paper")
    assert list(model.config.widths) == list(PRESETS["paper"].model.widths)
    assert "16, 32, 64, 128" in training_caption(model, objective, schedule)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert any(f"# {count:,}" in text for text in texts(plot_training(model, objective, schedule)))


def test_scores_stand_side_by_side_pair_by_pair(scores: pd.DataFrame) -> None:
    table = scores.pivot(index="pair", columns="method", values="CC")
    pd.testing.assert_frame_equal(
        by_method(scores, "CC").loc[table.index], table[by_method(scores, "CC").columns]
    )


def test_the_user_s_own_settings_do_not_matter_and_stay() -> None:
    plain = render_figure(plot_log(fake_log()), "svg")
    with mpl.rc_context({"font.size": 30, "figure.facecolor": "red", "xtick.labelsize": 30}):
        assert render_figure(plot_log(fake_log()), "svg") == plain
        assert mpl.rcParams["font.size"] == 30
    assert render_figure(plot_log(fake_log()), "png").startswith(b"\x89PNG")
    with pytest.raises(WdualmineError, match="unknown form 'pdf'; choose svg"):
        render_figure(plot_log(fake_log()), "pdf")


def test_every_figure_of_the_page_has_alternative_text() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    drawing = [cell for cell in cells if cell.cell_type == "code" and "show(" in cell.source]
    assert len(drawing) >= 6
    described = [cell.metadata["mystnb"]["image"]["alt"] for cell in drawing]
    assert all(len(alt.split()) >= 8 for alt in described)
    assert len(set(described)) == len(described)


# ----------------------------------------------------------------------------------------------------
# Step by step


def test_steps_draw_what_the_network_computes(pair: Pair) -> None:
    model = network()
    figures = plot_steps(pair, model)
    assert list(figures) == list(STEPS)
    with torch.inference_mode():
        fusion = model(luma_tensor(pair.luma_a), luma_tensor(pair.luma_b))
    for step, expected in (
        ("reliability", fusion.stages[0].weight),
        ("mixer", fusion.stages[0].mixing[:, :1]),
        ("residual", fusion.residual),
        ("residual", fusion.fused),
    ):
        drawn = [axes.images[0].get_array() for axes in figures[step].axes if axes.images]
        assert any(np.array_equal(array, expected[0, 0]) for array in drawn)
    page = as_html(figures["mixer"], "mixer")
    assert f'alt="{STEPS["mixer"]}"' in page
    assert page.startswith('<img class="step" src="data:image/png;base64,')
    with pytest.raises(WdualmineError, match="unknown step 'decoder'"):
        as_html(figures["encoder"], "decoder")


def test_a_network_without_a_mixer_has_no_picture_of_it(pair: Pair) -> None:
    model = WDualMine(replace(network().config, soft_gradient_mixer=False)).eval()
    assert list(plot_steps(pair, model)) == [step for step in STEPS if step != "mixer"]


def test_the_average_is_the_best_of_two_terms(pair: Pair) -> None:
    table = losses_table(pair, network())
    assert "<th><i>L</i><sub>avg</sub></th>" in losses_html(table)
    assert table.loc["average"].iloc[0] == 0
    assert table.loc["average"].iloc[2] == pytest.approx(0, abs=1e-5)
    assert (table.loc["average"].iloc[[0, 2]] <= table.iloc[:, [0, 2]].min() + 1e-6).all()
