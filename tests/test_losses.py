"""Section 4, term by term, against literal NumPy and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from wdualmine import losses
from wdualmine.errors import WdualmineError
from wdualmine.losses import LossWeights, Objective
from wdualmine.model import ModelConfig, WDualMine


@pytest.fixture
def images() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return tuple(torch.rand(3, 1, 16, 16, dtype=torch.float64, generator=generator) for _ in range(3))


def test_average_content_is_the_l1_distance_to_the_average(images: tuple) -> None:
    fused, a, b = images
    expected = np.abs(fused.numpy() - (a.numpy() + b.numpy()) / 2).mean()
    assert losses.average_content_loss(*images).item() == pytest.approx(expected)
    assert losses.average_content_loss((a + b) / 2, a, b).item() == 0


def test_gradient_maximum_compares_sobel_magnitudes(images: tuple) -> None:
    def magnitude(x: torch.Tensor) -> np.ndarray:
        return sum(np.abs(ndimage.sobel(x.numpy(), axis, mode="nearest")) for axis in (0, 1)) / 8

    per_pair = [
        np.abs(magnitude(f) - np.maximum(magnitude(a), magnitude(b))).mean()
        for f, a, b in zip(*(x[:, 0] for x in images), strict=True)
    ]
    assert losses.gradient_maximum_loss(*images).item() == pytest.approx(np.mean(per_pair))
    fused = images[0]
    assert losses.gradient_maximum_loss(fused, fused, torch.zeros_like(fused)).item() == 0


def test_correlation_is_one_minus_pearson_per_pair(images: tuple) -> None:
    fused, a, b = (x.flatten(1).numpy() for x in images)
    expected = np.mean([1 - stats.pearsonr(f, (x + y) / 2)[0] for f, x, y in zip(fused, a, b, strict=True)])
    assert losses.correlation_loss(*images, epsilon=0).item() == pytest.approx(expected)
    assert losses.correlation_loss(*images).item() == pytest.approx(expected, abs=1e-5)


def test_correlation_ignores_gain_and_offset_and_survives_a_constant(images: tuple) -> None:
    _, a, b = images
    fused = (0.3 * (a + b) / 2 + 0.2).requires_grad_()
    assert losses.correlation_loss(fused, a, b, epsilon=0).item() == pytest.approx(0, abs=1e-12)
    constant = torch.full_like(a, 0.5).requires_grad_()
    loss = losses.correlation_loss(constant, a, b)
    loss.backward()
    assert loss.item() == pytest.approx(1)
    assert torch.isfinite(constant.grad).all()


def test_infonce_equals_its_formula() -> None:
    generator = torch.Generator().manual_seed(1)
    zf, z1, z2 = (torch.randn(4, 6, dtype=torch.float64, generator=generator) for _ in range(3))

    def literal(source: torch.Tensor) -> float:
        terms = []
        for i in range(4):
            similarity = [
                float(zf[i] @ source[j] / (zf[i].norm() * source[j].norm())) / 0.5 for j in range(4)
            ]
            terms.append(-math.log(math.exp(similarity[i]) / sum(map(math.exp, similarity))))
        return sum(terms) / 4

    expected = (literal(z1) + literal(z2)) / 2
    assert losses.mutual_information_loss(zf, z1, z2).item() == pytest.approx(expected)


def test_infonce_of_indistinct_pairs_is_ln_n() -> None:
    same = torch.ones(8, 5)
    assert losses.mutual_information_loss(same, same, same).item() == pytest.approx(math.log(8))


def test_reconstruction_sums_both_sources(images: tuple) -> None:
    rebuilt, a, b = images
    expected = sum(np.abs(rebuilt.numpy() - source.numpy()).mean() for source in (a, b))
    assert losses.reconstruction_loss(rebuilt, rebuilt, a, b).item() == pytest.approx(expected)


def test_weights_are_the_papers() -> None:
    assert LossWeights() == LossWeights(5, 2, 1, 0.1, 0.1)


@pytest.mark.parametrize("name", LossWeights.__dataclass_fields__)
def test_total_is_the_weighted_sum_and_a_zero_removes_a_term(name: str) -> None:
    torch.manual_seed(0)
    model = WDualMine(ModelConfig(widths=(4, 4)))
    a, b = torch.rand(4, 1, 16, 16), torch.rand(4, 1, 16, 16)
    objective = Objective(4)
    total, terms = objective([model(a, b)], a, b)
    expected = sum(getattr(objective.weights, key) * value for key, value in terms.items())
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)
    objective.weights = LossWeights(**{name: 0.0})
    without, _ = objective([model(a, b)], a, b)
    removed = getattr(LossWeights(), name) * terms[name]
    assert without.item() == pytest.approx((total - removed).item(), rel=1e-5)


def test_every_head_learns_and_gradients_are_right(images: tuple) -> None:
    torch.manual_seed(0)
    model = WDualMine(ModelConfig(widths=(4, 4))).double()
    objective = Objective(4).double()
    fused, a, b = images
    total, _ = objective([model(a, b)], a, b)
    total.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in objective.parameters())
    small = fused[:1, :, :5, :5].clone().requires_grad_()
    for loss in (losses.average_content_loss, losses.gradient_maximum_loss, losses.correlation_loss):
        assert torch.autograd.gradcheck(lambda x, f=loss: f(x, a[:1, :, :5, :5], b[:1, :, :5, :5]), small)


def test_a_batch_in_pieces_has_the_same_terms_and_gradients() -> None:
    torch.manual_seed(0)
    model, objective = WDualMine(ModelConfig(widths=(4, 4))).double(), Objective(4).double()
    a, b = torch.rand(2, 5, 1, 16, 16, dtype=torch.float64)
    results = []
    for size in (5, 2):  # two pieces of 2 and one of 1
        pieces = [model(x, y) for x, y in zip(a.split(size), b.split(size), strict=True)]
        total, terms = objective(pieces, a, b)
        parameters = [*model.parameters(), *objective.parameters()]
        results.append(
            [total, *(terms[name] for name in sorted(terms)), *torch.autograd.grad(total, parameters)]
        )
    for whole, split in zip(*results, strict=True):
        torch.testing.assert_close(whole, split)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_wrong_weights_are_named(value: float) -> None:
    with pytest.raises(WdualmineError, match="loss weight gradient"):
        LossWeights(gradient=value)
