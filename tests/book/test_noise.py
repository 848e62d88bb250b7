"""The gain of noise, of linear methods."""

import pytest
from heads import textured_pair
from torch import Tensor

from wdualmine.methods import average
from wdualmine_book.recovery.noise import noise_gain


@pytest.mark.parametrize(
    ("fuse", "a", "b"), [(average, 0.5, 0.5), (lambda a, b: a, 1, 0), (lambda a, b: 2 * a - b, 2, 1)]
)
def test_noise_comes_through_with_the_gain_of_the_method(fuse, a: float, b: float) -> None:
    def unclipped(x: Tensor, y: Tensor) -> Tensor:
        return 0.3 + 0.2 * fuse(x, y)  # far from both ends of the range

    gains = noise_gain(unclipped, [textured_pair(0, "0")])
    assert gains["a"] == pytest.approx(0.2 * a, abs=1e-4)
    assert gains["b"] == pytest.approx(0.2 * b, abs=1e-4)
