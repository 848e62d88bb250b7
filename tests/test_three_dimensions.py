"""One class for two and three dimensions: what is known of volumes in closed form or from images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pywt
import torch
from scipy import ndimage
from tolerances import TOLERANCES
from torch import Tensor, nn

import wdualmine.methods.learned
from wdualmine.data.volumes import Volume
from wdualmine.errors import WdualmineError
from wdualmine.experiments import make_experiment
from wdualmine.losses import LossWeights, Objective
from wdualmine.methods import average, fuse_with, get_method, get_system
from wdualmine.methods.light import Light, LightConfig
from wdualmine.methods.pieces import fused_in_pieces, residual_in_pieces
from wdualmine.model import ModelConfig, WDualMine, sobel_magnitude
from wdualmine.recovery.objective import (
    SLICE_REACH,
    DetectionObjective,
    VolumeWeights,
    random_spots,
    spot_filter,
)
from wdualmine.recovery.signals import REACH
from wdualmine.training import augment, initial_state, train, train_epoch
from wdualmine.volumes import fuse_volumes
from wdualmine.wavelet import haar_dwt, haar_idwt
from wdualmine_book.scans.volume_training import inflated

CONFIGS: list[dict[str, Any]] = [{}, {"block": 2}, {"separable": False}]


def volumes(*sides: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    a, b = torch.rand(2, 1, 1, *sides, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return a, b


def light(dimensions: int = 3, **config: Any) -> Light:
    """A network with random weights in its last layer, too."""
    torch.manual_seed(1)
    size = {"width": 8, "depth": 3, "dimensions": dimensions, **config}
    model = Light(LightConfig(**size)).eval().requires_grad_(False)
    nn.init.normal_(model.last.weight, std=0.3)
    return model


def w_dualmine(dimensions: int = 3, **config: Any) -> WDualMine:
    torch.manual_seed(1)
    model = WDualMine(ModelConfig(**{"widths": (3, 4), "dimensions": dimensions, **config})).eval()
    nn.init.normal_(model.decoder.residual.weight, std=0.3)
    return model.requires_grad_(False)


@pytest.mark.parametrize("config", CONFIGS)
def test_kernels_of_one_slice_are_the_light_network_slice_by_slice(config: dict) -> None:
    flat, deep = light(2, **config), light(**config)
    deep.load_state_dict(inflated(flat.state_dict(), deep))
    a, b = volumes(5, 30, 42)
    slices = [fuse_with(flat)(x, y) for x, y in zip(a.unbind(2), b.unbind(2), strict=True)]
    torch.testing.assert_close(fuse_with(deep)(a, b), torch.stack(slices, dim=2), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "config", [{}, {"wavelet_expert": False}, {"soft_gradient_mixer": False}, {"widths": (4,)}]
)
def test_kernels_of_one_slice_are_w_dualmine_where_slices_are_equal(config: dict) -> None:
    flat, deep = w_dualmine(2, **config), w_dualmine(**config)
    deep.load_state_dict(inflated(flat.state_dict(), deep))
    a, b = volumes(16, 24)
    fused = deep(*(x[:, :, None].expand(-1, -1, 8, -1, -1) for x in (a, b))).fused
    expected = flat(a, b).fused[:, :, None].expand_as(fused)
    torch.testing.assert_close(fused, expected, atol=1e-6, rtol=0)


def test_a_constant_volume_stays_one_and_networks_start_at_the_average() -> None:
    a, b = torch.full((2, 1, 1, 8, 16, 16), 0.25)
    assert torch.equal(Light(LightConfig(dimensions=3))(a, b).fused, average(a, b))
    assert sobel_magnitude(a).abs().max() == 0
    low, details = haar_dwt(a)
    assert details.shape == (1, 7, 1, 4, 8, 8)
    assert details.abs().max() == 0
    torch.testing.assert_close(low, torch.full_like(low, 0.25 * 8**0.5))


def test_haar_bands_of_a_volume_are_those_of_pywavelets_and_give_it_back() -> None:
    x = volumes(4, 6, 8, dtype=torch.float64)[0]
    low, details = haar_dwt(x)
    expected = pywt.dwtn(x[0, 0].numpy(), "haar")
    order = ("ada", "aad", "add", "daa", "dda", "dad", "ddd")
    torch.testing.assert_close(low[0, 0], torch.tensor(expected["aaa"]))
    for band, key in zip(details[0, :, 0], order, strict=True):
        torch.testing.assert_close(band, torch.tensor(expected[key]))
    torch.testing.assert_close(haar_idwt(low, details), x)
    assert torch.autograd.gradcheck(haar_dwt, volumes(2, 2, 4, dtype=torch.float64)[0].requires_grad_())
    with pytest.raises(ValueError, match="needs even sides, got 3 x 4 x 4"):
        haar_dwt(torch.zeros(1, 1, 3, 4, 4))


def test_the_gradient_of_a_volume_is_scipys() -> None:
    x = volumes(5, 6, 7, dtype=torch.float64)[0]
    expected = sum(np.abs(ndimage.sobel(x[0, 0].numpy(), axis, mode="nearest")) for axis in range(3)) / 32
    torch.testing.assert_close(sobel_magnitude(x)[0, 0], torch.tensor(expected))
    ramp = torch.arange(5.0)[:, None, None].expand(1, 1, 5, 4, 4)
    assert torch.equal(sobel_magnitude(ramp)[0, 0, 1:-1], torch.ones(3, 4, 4))
    assert torch.autograd.gradcheck(
        sobel_magnitude, volumes(3, 4, 5, dtype=torch.float64)[0].requires_grad_()
    )


@pytest.mark.parametrize("config", CONFIGS)
def test_blocks_give_the_whole_volume(config: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    model = light(**config)
    a, b = volumes(21, 90, 75)
    whole = fuse_with(model)(a, b)
    in_blocks = fused_in_pieces(model, a, b, (8, 32, 32))
    assert (in_blocks - whole).abs().max() < TOLERANCES["pieces"].value
    monkeypatch.setattr(wdualmine.methods.learned, "WHOLE", 1000)
    monkeypatch.setattr(wdualmine.methods.learned, "SLICES", 8)
    assert (fuse_with(model)(a, b) - whole).abs().max() < TOLERANCES["pieces"].value
    model.reach = (0, *model.reach[1:])
    assert (fused_in_pieces(model, a, b, (8, 32, 32)) - whole).abs().max() > TOLERANCES["pieces"].value


def test_blocks_give_the_whole_volume_of_w_dualmine() -> None:
    model = w_dualmine(widths=(3,))
    a, b = volumes(19, 26, 24)
    padded = (nn.functional.pad(x, (0, 0, 0, 0, 0, 1), mode="replicate") for x in (a, b))
    whole = model(*padded).residual[:, :, :19]
    torch.testing.assert_close(residual_in_pieces(model, a, b, 8), whole, atol=1e-5, rtol=0)


def test_it_reaches_as_far_as_it_says() -> None:
    model = light().double()
    a, b = (x.double() for x in volumes(13, 96, 96))
    a.requires_grad_()
    (slope,) = torch.autograd.grad(model(a, b).unclipped[0, 0, 6, 48, 48], a)
    seen = (slope[0, 0].nonzero() - torch.tensor((6, 48, 48))).abs().amax(dim=0)
    assert isinstance(model.reach, tuple)
    assert seen[0] == model.reach[0] == 5
    assert model.reach[1] - 8 <= seen[1] <= model.reach[1]


@pytest.mark.parametrize("make", [light, w_dualmine])
def test_gradients_are_right(make: Any) -> None:
    model = make(**({"width": 2, "depth": 1, "block": 2} if make is light else {"widths": (2,)}))
    a, b = volumes(2, 4, 4, dtype=torch.float64)
    model = model.double()
    assert torch.autograd.gradcheck(lambda x: model(x, b).residual, a.requires_grad_())


def test_each_network_takes_its_own_kind() -> None:
    with pytest.raises(WdualmineError, match=r"this network fuses volumes \(N, 1, D, H, W\)"):
        fuse_with(light())(*volumes(16, 16))
    with pytest.raises(WdualmineError, match=r"this network fuses images \(N, 1, H, W\)"):
        fuse_with(light(2))(*volumes(8, 16, 16))
    with pytest.raises(WdualmineError, match=r"of one shape \(N, 1, D, H, W\)"):
        fuse_with(w_dualmine())(*volumes(16, 16))
    for config in (ModelConfig, LightConfig):
        with pytest.raises(WdualmineError, match="dimensions 4: give 2 or 3"):
            config(dimensions=4)


def test_records_name_three_dimensions_and_not_two() -> None:
    for config in (ModelConfig, LightConfig):
        assert "dimensions" not in config().as_dict()
        assert config(**config(dimensions=3).as_dict()).dimensions == 3
    assert get_method("light-3d").system is get_system("light-3d")


def test_spheres_are_products_of_three_profiles() -> None:
    image = torch.zeros(1, 1, 8, 8, 8)  # so small that it holds one
    first, second = random_spots(image, 1.5, torch.Generator().manual_seed(2), slices=0.8)
    sphere = (first + second)[0, 0].double()
    assert (first * second).abs().max() == 0
    for other in (1, 2):  # separable: each cut along an axis is a multiple of any other
        flat = sphere.movedim(other, 0).flatten(1)
        assert torch.linalg.matrix_rank(flat, rtol=1e-4) == 1
    matched = spot_filter(2.0, 0.8)
    assert matched.shape == (1, 1, 2 * SLICE_REACH + 1, 2 * REACH + 1, 2 * REACH + 1)
    assert abs(matched.sum()) < 1e-5
    middle = spot_filter(2.0)[0, 0] / spot_filter(2.0).max()
    assert torch.corrcoef(torch.stack((middle.ravel(), matched[0, 0, SLICE_REACH].ravel())))[0, 1] > 0.999


def test_the_loop_of_all_trainings_takes_blocks() -> None:
    size = {"batch_size": 2, "patch_size": 32, "epoch_pairs": 4}
    experiment = make_experiment("all", "paper", method="light-3d", **size)
    state = initial_state(experiment, torch.device("cpu"))
    flat = Light(LightConfig(width=48, depth=8))
    state.model.load_state_dict(inflated(flat.state_dict(), state.model))
    before = state.model.last.weight.detach().clone()
    a, b = (torch.cat([volumes(6, 40, 40, seed=seed)[k] for seed in range(4)]) for k in (0, 1))
    row = train_epoch(state, [(a, b)], experiment, 0, False)
    assert {"detection", "signal", "correlation", "average"} <= row.keys()
    changed = state.model.last.weight - before
    assert (changed.abs().amax(dim=(0, 1, 3, 4)) > 0).all()  # kernels grow into the neighboring slices


def test_the_objective_is_differentiable() -> None:
    objective = DetectionObjective(VolumeWeights())
    a, b = (0.3 + 0.4 * x for x in volumes(6, 24, 24))
    first, second, matched = objective.inputs(a, b, torch.Generator().manual_seed(0))
    assert first.shape == second.shape == (3, 1, 6, 24, 24)
    first.requires_grad_()
    piece = type("Piece", (), {"unclipped": (first + second) / 2})
    total, terms = objective([piece], first, second, matched)
    total.backward()
    assert first.grad is not None
    assert first.grad.isfinite().all()
    assert terms["average"] == 0


def test_the_papers_objective_takes_volumes() -> None:
    model, objective = WDualMine(ModelConfig(widths=(3, 4), dimensions=3)), Objective(4, dimensions=3)
    a, b = volumes(8, 16, 16)
    total, terms = objective([model(a, b)], a, b)
    total.backward()
    assert terms.keys() == LossWeights().__dict__.keys()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_slices_of_a_block_are_turned_over_in_both_volumes() -> None:
    a = torch.arange(4.0)[:, None, None].expand(1, 1, 4, 12, 12)
    turned = set()
    for seed in range(8):
        first, second = augment(a, a, 8, torch.Generator().manual_seed(seed))
        assert first.shape == (1, 1, 4, 8, 8)
        assert torch.equal(first, second)
        turned.add(tuple(first[0, 0, :, 0, 0].tolist()))
    assert turned == {(0, 1, 2, 3), (3, 2, 1, 0)}


@pytest.mark.parametrize("axis", [0, 2])
def test_a_volume_is_fused_as_a_whole_by_a_network_of_volumes(axis: int) -> None:
    flat, deep = light(2), light()
    deep.load_state_dict(inflated(flat.state_dict(), deep))
    a, b = (Volume(np.moveaxis(x[0, 0].numpy(), 0, axis)) for x in volumes(6, 24, 20))
    counted: list[int] = []
    options: dict[str, Any] = {"axis": axis, "allow": True}
    by_slice = fuse_volumes(a, b, fuse_with(flat), **options)
    whole = fuse_volumes(a, b, fuse_with(deep), **options, progress=lambda: counted.append(1))
    assert whole.shape == a.values.shape
    assert len(counted) == 6
    np.testing.assert_allclose(whole, by_slice, atol=1e-5)


def test_it_is_not_trained_on_pairs(tmp_path: Path) -> None:
    experiment = make_experiment("ct-mri", "smoke", method="light-3d")
    with pytest.raises(WdualmineError, match=r"light-3d: is trained on volumes"):
        train(experiment, tmp_path / "run", "phantom")
