"""Each term of the objective: its value where it is known, its gradient, and what training does with it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from tolerances import TOLERANCES

from wdualmine.errors import WdualmineError
from wdualmine.metrics.correlation import correlation
from wdualmine.metrics.qabf import qabf
from wdualmine.metrics.ssim import ssim
from wdualmine.model import ModelConfig, WDualMine
from wdualmine.recovery.objective import (
    SPOT_AMPLITUDE,
    RecoveryObjective,
    RecoveryWeights,
    brightness_loss,
    edge_loss,
    random_spots,
    range_loss,
    signal_loss,
    source_correlation_loss,
    structure_loss,
)


@pytest.fixture
def images() -> list[torch.Tensor]:
    """Three smooth images (1, 1, 48, 48) of whole grey levels, in [0, 1]."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(3, 1, 1, 12, 12, generator=generator, dtype=torch.float64)
    smooth = [torch.nn.functional.interpolate(image, size=(48, 48), mode="bicubic") for image in coarse]
    return [(image.clamp(0, 1) * 255).round() / 255 for image in smooth]


def levels(image: torch.Tensor) -> np.ndarray:
    return (image[0, 0] * 255).round().numpy().astype(np.uint8)


def test_the_signal_loss_is_the_energy_of_what_is_wrong() -> None:
    signal = torch.rand(2, 1, 8, 8)
    assert signal_loss(signal, signal) == 0
    assert signal_loss(signal / 2, signal) == pytest.approx(0.25)
    assert signal_loss(torch.zeros_like(signal), signal) == pytest.approx(1)
    assert signal_loss(-signal, signal) == pytest.approx(4)


def test_correlation_and_structure_are_the_metrics(images: list[torch.Tensor]) -> None:
    f, a, b = images
    arrays = levels(a), levels(b), levels(f)
    loss = source_correlation_loss(f, a, b, epsilon=0)
    assert 1 - float(loss) == pytest.approx(correlation(*arrays), abs=TOLERANCES["library"].value)
    assert 1 - float(structure_loss(f, a, b)) == pytest.approx(ssim(*arrays), abs=1e-9)


def test_the_edge_loss_is_the_metric_but_for_its_angle(images: list[torch.Tensor]) -> None:
    f, a, b = images
    exact = qabf(levels(a), levels(a), levels(a))
    assert 1 - float(edge_loss(a, a, a, 1e-9)) == pytest.approx(exact, abs=1e-3)
    found, published = 1 - float(edge_loss(f, a, b, 1e-9)), qabf(levels(a), levels(b), levels(f))
    assert abs(found - published) < 0.05
    assert edge_loss((a + b) / 2, a, b) < edge_loss(f, a, b)


def test_range_and_brightness() -> None:
    grey = torch.full((1, 1, 32, 32), 0.5)
    assert range_loss(grey) == 0
    assert range_loss(grey + 0.75) == pytest.approx(0.25)
    assert brightness_loss(grey, grey, grey) == 0
    assert brightness_loss(grey + 0.1, grey, grey) == pytest.approx(0.01, rel=1e-5)
    checks = (torch.arange(32) % 2 - 0.5) * torch.ones(32, 1)
    assert brightness_loss(grey + 0.2 * checks, grey, grey) == pytest.approx(0, abs=1e-9)  # details are free


@pytest.mark.parametrize("term", [source_correlation_loss, structure_loss, edge_loss, brightness_loss])
def test_gradients(term: Callable, images: list[torch.Tensor]) -> None:
    f, a, b = (image[..., :16, :16] for image in images)
    generator = torch.Generator().manual_seed(0)
    f = f + 0.01 * torch.rand(f.shape, generator=generator, dtype=f.dtype)  # away from ties
    assert torch.autograd.gradcheck(lambda x: term(x, a, b), f.requires_grad_())


def test_spots_have_the_sizes_that_they_may_and_go_into_one_source_each() -> None:
    image = torch.zeros(4, 1, 128, 128)
    first, second = random_spots(image, torch.Generator().manual_seed(0))
    for spots in (first, second):
        assert spots.shape == image.shape
        assert (spots.abs().amax(dim=(-2, -1)) > SPOT_AMPLITUDE[0] / 2).all()
        assert spots.min() < 0 < spots.max()
    again = random_spots(image, torch.Generator().manual_seed(0))
    assert torch.equal(first, again[0])
    assert torch.equal(second, again[1])


def test_the_objective_sees_the_batch_without_and_with_signals(images: list[torch.Tensor]) -> None:
    a, b = (image.float() for image in images[:2])
    objective = RecoveryObjective()
    both_a, both_b = objective.inputs(a, b, torch.Generator().manual_seed(0))
    assert torch.equal(both_a[:1], a)
    assert torch.equal(both_b[:1], b)
    assert not torch.equal(torch.cat((both_a[1:], both_b[1:])), torch.cat((a, b)))
    torch.manual_seed(0)
    model = WDualMine(ModelConfig(widths=(8, 8), residual_scale=1.0))
    total, terms = objective([model(both_a, both_b)], both_a, both_b)
    weights = vars(objective.weights)
    assert set(terms) == set(weights)
    assert float(total.detach()) == pytest.approx(
        sum(weights[n] * float(t.detach()) for n, t in terms.items()), rel=1e-5
    )
    split = [model(both_a[:1], both_b[:1]), model(both_a[1:], both_b[1:])]
    assert float(objective(split, both_a, both_b)[0].detach()) == pytest.approx(
        float(total.detach()), rel=1e-5
    )


def test_training_for_it_keeps_more_of_the_signals(images: list[torch.Tensor]) -> None:
    a, b = (image.float() for image in images[:2])
    torch.manual_seed(0)
    model, objective = WDualMine(ModelConfig(widths=(8, 8), residual_scale=1.0)), RecoveryObjective()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    generator = torch.Generator().manual_seed(0)
    lost = []
    for _ in range(80):
        both = objective.inputs(a, b, generator)
        total, terms = objective([model(*both)], *both)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        lost.append(float(terms["signal"].detach()))
    assert np.mean(lost[-10:]) < 0.7 * np.mean(lost[:10])  # the average loses a quarter of the energy


def test_a_weight_out_of_range_is_named() -> None:
    with pytest.raises(WdualmineError, match="loss weight edges = -1"):
        RecoveryWeights(edges=-1)
