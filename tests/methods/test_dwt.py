"""Wavelet fusion against the package's own Haar transform and against PyWavelets' other interface."""

import numpy as np
import pytest
import pywt
import torch
from tolerances import TOLERANCES

from wdualmine.errors import WdualmineError
from wdualmine.methods import wavelet_maximum
from wdualmine.methods.dwt import dwt_maximum


@pytest.fixture
def images(rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    a, b = torch.from_numpy(rng.random((2, 2, 1, 32, 48)))
    return a, b


def test_haar_agrees_with_the_haar_transform_of_the_network(images: tuple) -> None:
    difference = dwt_maximum(*images, wavelet="haar", levels=3) - wavelet_maximum(*images, levels=3)
    assert difference.abs().max() <= TOLERANCES["library"].value


@pytest.mark.parametrize("wavelet", ["db2", "sym4", "bior2.2"])
def test_each_coefficient_is_the_larger_one(images: tuple, wavelet: str) -> None:
    share = 0.3
    fused = dwt_maximum(*images, wavelet, levels=1, share=share)[0, 0].numpy()
    first, second = (pywt.dwtn(image[0, 0].numpy(), wavelet) for image in images)
    expected = {
        key: np.where(np.abs(first[key]) > np.abs(second[key]), first[key], second[key]) for key in first
    }
    expected["aa"] = share * first["aa"] + (1 - share) * second["aa"]
    image = pywt.idwtn(expected, wavelet)[:32, :48].clip(0, 1)
    assert np.abs(fused - image).max() <= TOLERANCES["library"].value


def test_wavelet_and_levels_matter(images: tuple) -> None:
    results = [dwt_maximum(*images, wavelet, levels) for wavelet in ("haar", "db2") for levels in (1, 2)]
    assert all(not torch.allclose(x, y) for k, x in enumerate(results) for y in results[:k])


def test_too_many_levels_are_as_many_as_fit(images: tuple) -> None:
    most = pywt.dwtn_max_level((32, 48), "db2")
    assert torch.equal(dwt_maximum(*images, levels=50), dwt_maximum(*images, levels=most))


def test_mistakes_are_named(images: tuple) -> None:
    with pytest.raises(WdualmineError, match="unknown wavelet 'morlet'"):
        dwt_maximum(*images, wavelet="morlet")
    with pytest.raises(WdualmineError, match="levels 0"):
        dwt_maximum(*images, levels=0)
    with pytest.raises(WdualmineError, match="share 2"):
        dwt_maximum(*images, share=2)
