"""The Haar transform against PyWavelets, its inverse and its gradient."""

import pytest
import pywt
import torch
from hypothesis import given
from hypothesis import strategies as st

from wdualmine.wavelet import haar_dwt, haar_idwt


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_bands_equal_pywavelets() -> None:
    x = random(2, 3, 8, 12)
    low, details = haar_dwt(x)
    for n in range(2):
        for c in range(3):
            expected_low, expected_details = pywt.dwt2(x[n, c].numpy(), "haar")
            torch.testing.assert_close(low[n, c], torch.tensor(expected_low))
            for band, expected in enumerate(expected_details):
                torch.testing.assert_close(details[n, band, c], torch.tensor(expected))


@given(height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 1000))
def test_inverse_gives_the_input_back_and_energy_is_kept(height: int, width: int, seed: int) -> None:
    x = random(1, 2, 2 * height, 2 * width, seed=seed)
    low, details = haar_dwt(x)
    torch.testing.assert_close(haar_idwt(low, details), x)
    torch.testing.assert_close(low.square().sum() + details.square().sum(), x.square().sum())


def test_gradient() -> None:
    x = random(1, 1, 4, 6).requires_grad_()
    assert torch.autograd.gradcheck(haar_dwt, x)
    bands = [band.detach().requires_grad_() for band in haar_dwt(x)]
    assert torch.autograd.gradcheck(haar_idwt, bands)


def test_odd_sides_are_refused() -> None:
    with pytest.raises(ValueError, match="even sides, got 3 x 4"):
        haar_dwt(torch.zeros(1, 1, 3, 4))
