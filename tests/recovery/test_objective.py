"""Each term of the objective: its value where it is known, its gradient, and what training does with it."""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from tolerances import TOLERANCES
from torch import Tensor
from torch.nn import functional as F

from wdualmine.errors import WdualmineError
from wdualmine.methods.light import Light, LightConfig
from wdualmine.metrics.correlation import correlation
from wdualmine.recovery.objective import (
    AMPLITUDE,
    LEAST,
    SPOT_AMPLITUDE,
    SPOT_SIZE,
    DetectionObjective,
    DetectionWeights,
    brightness_loss,
    clutter_deviation,
    detection_loss,
    random_spots,
    range_loss,
    signal_loss,
    source_correlation_loss,
    spot_filter,
)
from wdualmine.recovery.signals import SIDE

TERMS = ("detection", "signal", "correlation", "brightness", "range")


class Piece(NamedTuple):
    """What the objective asks of a network's output."""

    unclipped: Tensor


@pytest.fixture
def images() -> list[Tensor]:
    """Three smooth images (1, 1, 48, 48) of whole grey levels, from 0.3 to 0.7."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(3, 1, 1, 12, 12, generator=generator, dtype=torch.float64)
    smooth = [F.interpolate(image, size=(48, 48), mode="bicubic") for image in coarse]
    return [(image.clamp(0, 1) * 102 + 77).round() / 255 for image in smooth]


def step(images: list[Tensor], seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """What the network is to fuse in a step, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    first, second, matched = DetectionObjective().inputs(*images[:2], generator)
    return first, second, matched.double()


def terms_of(fused: Tensor, both: tuple[Tensor, Tensor, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in DetectionObjective()([Piece(fused)], *both)[1].items()}


def test_the_detection_loss_is_minus_the_logarithm_of_d_prime() -> None:
    answer, clutter = torch.tensor(0.5), torch.tensor(0.02)
    assert float(detection_loss(answer, clutter)) == pytest.approx(-math.log(0.5 * AMPLITUDE / 0.02))
    assert float(detection_loss(2 * answer, 2 * clutter)) == float(detection_loss(answer, clutter))
    for lost in (0.0, -1.0):
        assert float(detection_loss(torch.tensor(lost), clutter)) == pytest.approx(-math.log(LEAST))


def test_clutter_is_the_deviation_inside_the_head() -> None:
    brighter = torch.zeros(2, 1, 40, 40)
    brighter[:, :, :, 20:] = 0.5
    answers = torch.full((2, 1, 20, 20), 9.0)  # outside, where nothing counts
    answers[..., 10:] = torch.tensor([0.2, 0.6]).repeat(5)
    assert float(clutter_deviation(answers, brighter)) == pytest.approx(0.2, rel=1e-4)
    answers[1] += 0.3  # one deviation over the batch
    expected = np.sqrt(0.2**2 + 0.15**2)
    assert float(clutter_deviation(answers, brighter)) == pytest.approx(expected, rel=1e-4)
    assert float(clutter_deviation(answers, 0 * brighter)) == pytest.approx(1e-3)  # no head


def test_the_filter_is_blind_to_a_constant_and_finds_its_own_size() -> None:
    for size in (0.8, 2.0, 3.5):
        matched = spot_filter(size)
        assert matched.shape == (1, 1, SIDE, SIDE)
        assert float(matched.sum()) == pytest.approx(0, abs=1e-6)
        at = torch.arange(SIDE) - SIDE // 2
        spot = torch.exp(-(at[:, None] ** 2 + at**2) / (2 * size**2))
        expected = 1 - spot.mean() ** 2 * SIDE**2 / spot.square().sum()
        assert float((matched * spot).sum()) == pytest.approx(float(expected), rel=1e-5)


def test_the_signal_loss_is_the_energy_of_what_is_wrong() -> None:
    signal = torch.rand(2, 1, 8, 8)
    assert signal_loss(signal, signal) == 0
    assert signal_loss(signal / 2, signal) == pytest.approx(0.25)
    assert signal_loss(torch.zeros_like(signal), signal) == pytest.approx(1)
    assert signal_loss(-signal, signal) == pytest.approx(4)


def test_correlation_is_the_metric(images: list[Tensor]) -> None:
    f, a, b = images
    levels = [(image[0, 0] * 255).round().numpy().astype(np.uint8) for image in (a, b, f)]
    loss = source_correlation_loss(f, a, b, epsilon=0)
    assert 1 - float(loss) == pytest.approx(correlation(*levels), abs=TOLERANCES["library"].value)


def test_range_and_brightness() -> None:
    grey = torch.full((1, 1, 32, 32), 0.5)
    assert range_loss(grey) == 0
    assert range_loss(grey + 0.75) == pytest.approx(0.25)
    assert brightness_loss(grey, grey, grey) == 0
    assert brightness_loss(grey + 0.1, grey, grey) == pytest.approx(0.01, rel=1e-5)
    checks = (torch.arange(32) % 2 - 0.5) * torch.ones(32, 1)
    assert brightness_loss(grey + 0.2 * checks, grey, grey) == pytest.approx(0, abs=1e-9)  # details are free


def test_spots_go_into_one_source_each_and_are_drawn_alike_again() -> None:
    image = torch.zeros(4, 1, 128, 128)
    first, second = random_spots(image, 2.0, torch.Generator().manual_seed(0))
    for spots in (first, second):
        assert spots.shape == image.shape
        assert (spots.abs().amax(dim=(-2, -1)) > SPOT_AMPLITUDE[0] / 2).all()
        assert spots.min() < 0 < spots.max()
    again = random_spots(image, 2.0, torch.Generator().manual_seed(0))
    assert torch.equal(first, again[0])
    assert torch.equal(second, again[1])


def test_a_step_is_the_batch_without_and_with_signals_in_either_source(images: list[Tensor]) -> None:
    a, b = (image.float().repeat(2, 1, 1, 1) for image in images[:2])
    first, second, matched = DetectionObjective().inputs(a, b, torch.Generator().manual_seed(0))
    assert first.shape == second.shape == (6, 1, 48, 48)
    assert min(first.min(), second.min()) >= 0
    assert max(first.max(), second.max()) <= 1
    assert torch.equal(first[:2], a)
    assert torch.equal(first[4:], a)
    assert torch.equal(second[:4], torch.cat((b, b)))
    assert not torch.equal(first[2:4], a)
    assert not torch.equal(second[4:], b)
    sizes = SPOT_SIZE[0] + (SPOT_SIZE[1] - SPOT_SIZE[0]) * torch.rand(
        (), generator=torch.Generator().manual_seed(0)
    )
    assert torch.equal(matched, spot_filter(float(sizes)))


def test_terms_of_the_average_and_of_one_source(images: list[Tensor]) -> None:
    both = step(images)
    first, second, matched = both
    for fused, shares in (((first + second) / 2, (0.5, 0.5)), (first, (1.0, 0.0))):
        terms = terms_of(fused, both)
        clutter = (F.conv2d(fused[:1], matched).var(correction=0) + 1e-6).sqrt()  # all is head
        expected = sum(-math.log(max(float(share / clutter) * AMPLITUDE, LEAST)) for share in shares)
        assert terms["detection"] == pytest.approx(expected, rel=1e-6)
        assert terms["signal"] == pytest.approx(sum((1 - share) ** 2 for share in shares), rel=1e-6)
        assert terms["range"] == 0
    assert terms_of((first + second) / 2, both)["brightness"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("term", TERMS)
def test_gradients(term: str, images: list[Tensor]) -> None:
    both = step([image[..., :24, :24] for image in images])
    fused = 0.8 * (both[0] + both[1]) / 2
    fused = fused + 0.05 * torch.rand(fused.shape, generator=torch.Generator().manual_seed(0)).double()
    if term == "range":
        fused = fused + 0.6  # above 1 here and there, and at no pixel at 1
    if term != "range":
        assert 0 < fused.min() < fused.max() < 1
    objective = DetectionObjective()
    assert torch.autograd.gradcheck(
        lambda x: objective([Piece(x)], *both)[1][term], fused.requires_grad_(), fast_mode=True
    )
    gradient = torch.autograd.grad(objective([Piece(fused)], *both)[1][term], fused)[0]
    assert gradient.abs().sum() > 0


def test_the_total_is_the_weighted_sum_and_a_weight_of_0_is_off(images: list[Tensor]) -> None:
    both = step(images)
    fused = 1.5 * (both[0] + both[1]) / 2 + 0.1
    objective = DetectionObjective()
    total, terms = objective([Piece(fused)], *both)
    weights = vars(objective.weights)
    assert tuple(terms) == tuple(weights) == TERMS
    parts = {name: weights[name] * float(terms[name]) for name in TERMS}
    assert min(map(abs, parts.values())) > 0
    assert float(total) == pytest.approx(sum(parts.values()))
    for off in TERMS:
        without = DetectionObjective(replace(DetectionWeights(), **{off: 0.0}))([Piece(fused)], *both)[0]
        assert float(without) == pytest.approx(sum(parts.values()) - parts[off])


def test_pieces_of_a_step_give_what_the_whole_gives(images: list[Tensor]) -> None:
    both = tuple(image.float() for image in step(images))
    torch.manual_seed(0)
    model, objective = Light(LightConfig(width=8, depth=2)), DetectionObjective()
    torch.nn.init.normal_(model.last.weight, std=0.01)
    whole = objective([model(*both[:2])], *both)[0]
    pieces = [model(both[0][k : k + 1], both[1][k : k + 1]) for k in range(3)]
    assert float(objective(pieces, *both)[0].detach()) == pytest.approx(float(whole.detach()), rel=1e-5)


@pytest.mark.parametrize(
    ("term", "other", "gain"), [("detection", "signal", 0.05), ("signal", "detection", 0.15)]
)
def test_training_for_a_term_lowers_it_for_other_signals(
    images: list[Tensor], term: str, other: str, gain: float
) -> None:
    """Without the correlation, at whose best the average is on images this small."""
    a, b = (image.float() for image in images[:2])
    torch.manual_seed(0)
    model = Light(LightConfig(width=8, depth=2))
    objective = DetectionObjective(DetectionWeights(correlation=0, **{other: 0}))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)

    def loss(seed: int) -> tuple[Tensor, dict[str, Tensor]]:
        first, second, matched = objective.inputs(a, b, torch.Generator().manual_seed(seed))
        return objective([model(first, second)], first, second, matched)

    def unseen() -> float:
        return float(np.mean([float(loss(seed)[1][term].detach()) for seed in range(1000, 1010)]))

    before = unseen()
    for seed in range(80):
        optimizer.zero_grad()
        loss(seed)[0].backward()
        optimizer.step()
    assert unseen() < before - gain


def test_a_weight_out_of_range_is_named() -> None:
    with pytest.raises(WdualmineError, match="loss weight signal = -1"):
        DetectionWeights(signal=-1)
