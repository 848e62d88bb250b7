"""The best that any image can do for a pair, and the objective on the way to it."""

from dataclasses import asdict

import pytest
import torch

from wdualmine.data import find_data, load_pairs
from wdualmine.fusion import luma_tensor
from wdualmine.methods import fuse_with, load_model
from wdualmine.recovery.objective import RecoveryWeights, image_terms
from wdualmine_book.recovery.bound import best_image, objective_of, objective_of_image


def average(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a + b) / 2


@pytest.fixture(scope="module")
def lumas() -> tuple[torch.Tensor, torch.Tensor]:
    pair = load_pairs("ct-mri", limit=1, data=find_data("phantom"))[0]
    return luma_tensor(pair.luma_a[64:192, 64:192]), luma_tensor(pair.luma_b[64:192, 64:192])


def test_the_averages_objective_is_its_terms_and_a_quarter_of_the_signals(
    lumas: tuple[torch.Tensor, torch.Tensor],
) -> None:
    weights = asdict(RecoveryWeights())
    terms = image_terms(average(*lumas), *lumas)
    plain = sum(weights[name] * float(term) for name, term in terms.items())
    assert objective_of_image(average(*lumas), *lumas) == pytest.approx(plain)
    assert objective_of(average, *lumas) == pytest.approx(plain + 0.25 * weights["signal"], rel=1e-4)


def test_descent_on_the_pixels_passes_every_method(lumas: tuple[torch.Tensor, torch.Tensor]) -> None:
    best = best_image(*lumas)
    assert best.shape == lumas[0].shape
    assert 0 <= best.min() <= best.max() <= 1
    bound = objective_of_image(best, *lumas)
    network = fuse_with(load_model("ct-mri", "recovery"))
    assert bound < objective_of(network, *lumas) < objective_of(average, *lumas)
    assert bound == pytest.approx(objective_of_image(best_image(*lumas), *lumas))
