"""The light network: where it starts, how far it looks, and that pieces of an image give the whole."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from tolerances import TOLERANCES

import wdualmine.methods.learned
from wdualmine.checkpoints import read_tensors, write_tensors
from wdualmine.errors import WdualmineError
from wdualmine.experiments import make_experiment
from wdualmine.methods import average, fuse_with, get_method, load_fuse
from wdualmine.methods.learned import describe_weights, has_residual, load_network, network_of, parameters
from wdualmine.methods.light import DILATIONS, Light, LightConfig
from wdualmine.methods.pieces import fused_in_pieces
from wdualmine.records import Run

LIGHT = get_method("light")


def network(**config: Any) -> Light:
    """A network with random weights in its last layer, too, whose residual spans about (-0.5, 0.5)."""
    torch.manual_seed(1)
    model = Light(LightConfig(**{"width": 8, "depth": 4, **config})).eval().requires_grad_(False)
    torch.nn.init.normal_(model.last.weight, std=0.3)
    return model


def images(height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    a, b = torch.rand(2, 1, 1, height, width, generator=torch.Generator().manual_seed(seed))
    return a, b


@pytest.mark.parametrize("config", [{}, {"block": 2}, {"separable": False}, {"width": 8, "depth": 1}])
def test_it_starts_at_the_average(config: dict) -> None:
    a, b = images(32, 40)
    fusion = Light(LightConfig(**config))(a, b)
    assert (fusion.residual == 0).all()
    assert torch.equal(fusion.fused, average(a, b))


def test_the_fused_image_is_the_average_plus_the_residual_clipped() -> None:
    a, b = images(48, 32)
    fusion = network(residual_scale=0.7)(a, b)
    assert fusion.residual.std() > 0.1
    torch.testing.assert_close(fusion.unclipped, (a + b) / 2 + 0.7 * fusion.residual)
    assert torch.equal(fusion.fused, fusion.unclipped.clamp(0, 1))
    assert (fusion.fused == 0).any()


def test_where_the_scans_have_no_details_it_is_their_average() -> None:
    a, b = images(64, 64)
    a[..., :40, :], b[..., :40, :] = 0.2, torch.linspace(0, 0.6, 64)
    fused, expected = network()(a, b).fused, average(a, b)
    flat = (..., slice(0, 34), slice(6, 58))  # farther from details than the blur reaches
    torch.testing.assert_close(fused[flat], expected[flat], atol=1e-6, rtol=0)
    assert (fused - expected).abs().max() > 0.05


def test_details_are_what_a_gaussian_blur_takes_away() -> None:
    model = network(blur=1.5).double()
    torch.nn.init.zeros_(model.last.weight)
    model.last.bias.copy_(torch.tensor([0.5, -0.25]))
    a, b = (image.double() for image in images(40, 44))
    blurred = (ndimage.gaussian_filter(x[0, 0].numpy(), 1.5, mode="nearest", radius=4) for x in (a, b))
    details_a, details_b = (x - torch.from_numpy(y) for x, y in zip((a, b), blurred, strict=True))
    fusion = model(a, b)
    torch.testing.assert_close(fusion.residual, torch.tanh(0.5 * details_a - 0.25 * details_b))
    assert (fusion.gains[:, 0] == 0.5).all()
    assert (fusion.gains[:, 1] == -0.25).all()


@pytest.mark.parametrize("config", [{}, {"block": 2, "depth": 8}, {"separable": False}])
def test_pieces_give_the_whole_image(config: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(**config)
    a, b = images(331, 290)
    whole = fuse_with(model)(a, b)
    in_pieces = fused_in_pieces(model, a, b, 64)
    assert (in_pieces - whole).abs().max() < TOLERANCES["pieces"].value
    monkeypatch.setattr(wdualmine.methods.learned, "WHOLE", 1000)
    assert (fuse_with(model)(a, b) - whole).abs().max() < TOLERANCES["pieces"].value
    model.reach = model.config.block
    assert (fused_in_pieces(model, a, b, 64) - whole).abs().max() > TOLERANCES["pieces"].value


@pytest.mark.parametrize(("block", "depth"), [(4, 8), (2, 3), (1, 1)])
def test_it_reaches_as_far_as_it_says(block: int, depth: int) -> None:
    model = network(block=block, depth=depth).double()
    assert model.reach == max(block * (4 + sum(DILATIONS[:depth])), 6)  # the blur of 2 pixels reaches 6
    side = 2 * model.reach + 4 * block
    a, b = (image.double() for image in images(side, side))
    a.requires_grad_()
    at = side // 2
    (slope,) = torch.autograd.grad(model(a, b).unclipped[0, 0, at, at], a)
    seen = slope[0, 0].nonzero() - at
    assert model.reach - 2 * block <= seen.abs().max() <= model.reach


@pytest.mark.parametrize(("height", "width"), [(37, 51), (3, 64), (1, 1)])
def test_odd_sides_are_padded_by_replication_and_cropped(height: int, width: int) -> None:
    model = network()
    a, b = images(height, width)
    fused = fuse_with(model)(a, b)
    assert fused.shape == a.shape
    padded = (np.pad(x[0, 0].numpy(), ((0, -height % 4), (0, -width % 4)), mode="edge") for x in (a, b))
    expected = model(*(torch.from_numpy(x)[None, None] for x in padded)).fused[..., :height, :width]
    torch.testing.assert_close(fused, expected)


def test_a_pairs_result_does_not_depend_on_its_batch() -> None:
    model, (a, b), (c, d) = network(), images(32, 32), images(32, 32, 1)
    both = fuse_with(model)(torch.cat((a, c)), torch.cat((b, d)))
    torch.testing.assert_close(both, torch.cat((fuse_with(model)(a, b), fuse_with(model)(c, d))))


def test_lambda_at_inference() -> None:
    model = network()
    a, b = images(33, 31)
    torch.testing.assert_close(fuse_with(model, 0.0)(a, b), average(a, b))
    assert torch.equal(fuse_with(model, 1.0)(a, b), fuse_with(model)(a, b))
    less, more = fuse_with(model, -0.1)(a, b), fuse_with(model, 0.1)(a, b)
    calm = (torch.minimum(less, more) > 0) & (torch.maximum(less, more) < 1)
    torch.testing.assert_close(((less + more) / 2)[calm], average(a, b)[calm])
    assert model.config.residual_scale == 1.0  # the network itself is as it was


def test_lambda_is_from_minus_2_to_2(light_run: Run) -> None:
    a, b = images(16, 16)
    for scale in (-2, 2.0):
        assert load_fuse("light", light_run.folder, residual_scale=scale)(a, b).shape == a.shape
    for scale in (-2.01, 3, float("nan")):
        with pytest.raises(WdualmineError, match=r"residual scale .*: give a number from -2 to 2"):
            load_fuse("light", light_run.folder, residual_scale=scale)
    assert has_residual(LIGHT)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"block": 0}, "block 0"),
        ({"width": 0}, "width 0"),
        ({"depth": 0}, "depth of 1 to 8"),
        ({"depth": 9}, "depth of 1 to 8"),
        ({"blur": 0}, "blur 0: give a number above 0 and up to 16"),
        ({"blur": float("nan")}, "blur nan"),
        ({"residual_scale": float("nan")}, "residual_scale nan: give a finite number"),
        ({"residual_scale": "1"}, "residual_scale '1': give a finite number"),
    ],
)
def test_a_configuration_checks_its_own_values(values: dict, message: str) -> None:
    with pytest.raises(WdualmineError, match=message):
        LightConfig(**values)


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in ("block", "width", "depth") for value in (None, 0, 3, 2.5, "4", [4], 10**9)]
    + [("blur", value) for value in (None, "2", 0, -1, 10**9)]
    + [("residual_scale", value) for value in (None, "1", float("inf"))]
    + [("separable", False), ("mixer", True)],
)
def test_a_network_that_the_metadata_does_not_describe_is_refused(
    tmp_path: Path, light_run: Run, name: str, value: Any
) -> None:
    tensors, metadata = read_tensors(light_run.folder / "model.safetensors")
    metadata["experiment"]["model"][name] = value
    write_tensors(tmp_path / "odd.safetensors", tensors, metadata)
    with pytest.raises(WdualmineError, match=r"odd\.safetensors: not weights of this network \(") as caught:
        load_network(LIGHT, tmp_path / "odd.safetensors")
    assert "\n" not in str(caught.value)


def test_its_file_is_smaller_than_100_kb(tmp_path: Path) -> None:
    model = network_of(LIGHT)
    assert parameters(model) < 50_000
    tensors = {name: tensor.half() for name, tensor in model.state_dict().items()}
    experiment = make_experiment("all", "paper", method="light")
    write_tensors(tmp_path / "light.safetensors", tensors, {"experiment": experiment.as_dict()})
    assert (tmp_path / "light.safetensors").stat().st_size < 100_000
    loaded = load_network(LIGHT, tmp_path / "light.safetensors")
    assert loaded.config == experiment.model
    for name, tensor in loaded.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, tensors[name].float())


def test_the_packages_weights_are_of_16_bits_small_and_for_all_tasks() -> None:
    path = LIGHT.weights("ct-mri")
    assert path.stat().st_size < 100_000
    assert {tensor.dtype for tensor in read_tensors(path)[0].values()} == {torch.float16}
    assert describe_weights(LIGHT, "pet-mri") == (None, "the package's weights for all tasks")
    a, b = images(37, 51)
    fused = load_fuse("light")(a, b)
    assert torch.equal(fused, load_fuse("light", "spect-mri")(a, b))
    assert (fused - average(a, b)).abs().mean() > 0.01


def test_one_file_is_for_all_tasks(light_run: Run) -> None:
    assert len({LIGHT.weights(task) for task in ("ct-mri", "pet-mri", "spect-mri")}) == 1
    task, label = describe_weights(LIGHT, light_run.folder)
    assert task is None
    assert label == f"{light_run.folder} (trained for all tasks: smoke, proposed, seed 0)"
