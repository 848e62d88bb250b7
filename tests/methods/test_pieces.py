"""A large image in pieces: the whole image's result, and small images as before."""

import subprocess
import sys

import pytest
import torch
from tolerances import TOLERANCES

import wdualmine.methods.learned
import wdualmine.methods.pieces
from wdualmine import fuse_with, load_model, load_pairs
from wdualmine.fusion import luma_tensor
from wdualmine.methods.learned import cropped, network_of, padded
from wdualmine.methods.pieces import residual_in_pieces
from wdualmine.model import ModelConfig, WDualMine
from wdualmine_book.systems.retrained import NETWORKS, SDNET


def network(**changes: object) -> WDualMine:
    """A network whose residual depends on all that it sees, which first weights hardly do."""
    torch.manual_seed(1)
    model = WDualMine(ModelConfig(**{"widths": (4, 4, 6, 8), **changes})).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.mul_(2.0 if parameter.ndim > 1 else 1)
    return model


def images(height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    a, b = torch.rand(2, 1, 1, height, width, generator=torch.Generator().manual_seed(seed))
    a[..., : height // 2, :] *= 0.2  # so that no piece has the image's means
    return a, b


def largest(model: WDualMine, height: int, width: int, side: int) -> float:
    a, b = images(height, width)
    whole = cropped(model(*padded(model, a, b)).residual, a)
    return float((residual_in_pieces(model, a, b, side) - whole).abs().max())


@pytest.mark.parametrize(
    ("changes", "height", "width", "side"),
    [
        ({}, 330, 291, 64),
        ({}, 17, 300, 32),
        ({}, 40, 40, 256),
        ({"widths": (4, 6)}, 61, 90, 16),
        ({"widths": (4,)}, 31, 33, 8),
        ({"spatial_expert": False}, 200, 90, 48),
        ({"soft_gradient_mixer": False}, 200, 90, 48),
    ],
)
def test_pieces_give_the_whole_images_residual(changes: dict, height: int, width: int, side: int) -> None:
    assert largest(network(**changes), height, width, side) < TOLERANCES["pieces"].value


def test_with_less_around_a_piece_the_result_would_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wdualmine.methods.pieces, "MARGIN", 1)
    assert largest(network(), 330, 291, 64) > TOLERANCES["pieces"].value


def test_the_means_of_a_piece_alone_would_not_do() -> None:
    model = network()
    a, b = images(64, 64)
    whole, part = (model(x, y).residual for x, y in ((a, b), (a[..., :32, :], b[..., :32, :])))
    assert (whole[..., :8, :] - part[..., :8, :]).abs().max() > TOLERANCES["pieces"].value


def test_the_packages_weights_fuse_in_pieces_as_they_fuse_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model("ct-mri")
    pair = load_pairs("ct-mri", limit=1, data="phantom")[0]
    a, b = (luma_tensor(image[20:245, 60:190]) for image in (pair.luma_a, pair.luma_b))
    whole = fuse_with(model, 0.7)(a, b)
    monkeypatch.setattr(wdualmine.methods.learned, "WHOLE", 100)
    in_pieces = fuse_with(model, 0.7)(a, b)
    assert in_pieces.shape == a.shape
    assert (in_pieces - whole).abs().max() < TOLERANCES["pieces"].value


def test_a_small_image_is_fused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(wdualmine.methods.learned, "fused_in_pieces", fail)
    model = network(widths=(2,))
    fuse_with(model)(*images(768, 768))
    with pytest.raises(AssertionError):
        fuse_with(model)(*images(768, 769))


MEASURE = """
import resource, sys
import numpy as np, torch
from wdualmine import fuse_with, load_model
from wdualmine.fusion import fuse_images
from wdualmine.methods import average
torch.set_num_threads(1)
fuse = average if sys.argv[1] == "average" else fuse_with(load_model("ct-mri"))
image = np.zeros((int(sys.argv[2]), int(sys.argv[2])), np.uint8)
image[::7] = 200
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fuse_images(image, image.T, fuse)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_the_average_takes_little_more_than_its_lumas() -> None:
    command = [sys.executable, "-c", MEASURE, "average", "4000"]
    kibibytes = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert kibibytes * 1024 / 4000**2 < 24  # bytes a pixel: two lumas and the result take 13


def test_a_large_image_goes_through_another_system_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wdualmine.methods.learned, "WHOLE", 64 * 64)
    largest_seen = []
    model = network_of(SDNET).eval().requires_grad_(False)
    model.register_forward_pre_hook(lambda _, inputs: largest_seen.append(max(inputs[0].shape)))
    a, b = images(300, 280)
    fused = fuse_with(model)(a, b)
    monkeypatch.setattr(wdualmine.methods.learned, "WHOLE", 300 * 280)
    assert max(largest_seen) < 280
    assert float((fused - fuse_with(model)(a, b)).abs().max()) < TOLERANCES["pieces"].value


def test_a_system_that_looks_at_all_of_an_image_says_so() -> None:
    networks = {name: network_of(method) for name, method in NETWORKS.items()}
    whole = {name for name, network in networks.items() if getattr(network, "reach", None) is None}
    assert whole == {"w-dualmine", "adafuse-retrained", "asfe-fusion-retrained"}
