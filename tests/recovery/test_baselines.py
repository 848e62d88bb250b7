"""Windows of the average."""

import math

import pytest
import torch

from wdualmine.errors import WdualmineError
from wdualmine.methods import average
from wdualmine.recovery.baselines import (
    BASELINES,
    first_source,
    normalized_details,
    second_source,
    windowed_average,
)

A, B = torch.rand(2, 1, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def test_a_window_is_the_average_with_more_contrast() -> None:
    expected = (2 * ((A + B) / 2 - 0.1)).clamp(0, 1)
    torch.testing.assert_close(windowed_average(2, 0.1)(A, B), expected)
    torch.testing.assert_close(windowed_average(1)(A, B), average(A, B))


def test_the_best_window_cuts_off_nothing_where_it_can() -> None:
    narrow = 0.3 + 0.4 * A, 0.3 + 0.4 * B
    fused = windowed_average(2)(*narrow)
    assert fused.min() > 0
    assert fused.max() < 1
    assert fused.std() == pytest.approx(2 * average(*narrow).std().item(), rel=1e-5)


def test_every_baseline_gives_an_image() -> None:
    assert first_source(A, B) is A
    assert second_source(A, B) is B
    for fuse in BASELINES.values():
        assert fuse(A, B).shape == A.shape
        assert 0 <= fuse(A, B).min() <= fuse(A, B).max() <= 1


@pytest.mark.parametrize(("gain", "level"), [(0.9, None), (2, 0.6), (2, -0.1), (float("nan"), None)])
def test_a_window_outside_the_range_is_refused(gain: float, level: float | None) -> None:
    with pytest.raises(WdualmineError, match=r"gain|level"):
        windowed_average(gain, level)


def test_details_are_divided_by_how_many_there_are() -> None:
    wave = 0.05 * 2**0.5 * torch.sin(torch.arange(128) * math.pi / 2 + 0.3).expand(1, 1, 128, 128)
    flat = torch.full_like(wave, 0.5)
    added = normalized_details(flat + wave, flat, around=8.0, gain=1.5, level=0.05) - (flat + wave / 2)
    inside = (..., slice(32, -32), slice(32, -32))
    torch.testing.assert_close(added[inside], 0.75 * wave[inside], atol=2e-3, rtol=0)
    torch.testing.assert_close(normalized_details(flat, flat, 4.0, 2.0, 0.03), flat)
