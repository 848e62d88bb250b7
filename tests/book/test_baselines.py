"""Windows of the average."""

import math

import pytest
import torch

from wdualmine.methods import average
from wdualmine_book.recovery.baselines import (
    BASELINES,
    first_source,
    normalized_details,
    second_source,
    windowed_average,
)

A, B = torch.rand(2, 1, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def test_a_window_is_the_average_with_more_contrast() -> None:
    wide = 0.05 + 0.5 * A, 0.05 + 0.5 * B  # fits into a window of a gain of 1.8
    fused, mean = windowed_average(1.8)(*wide), average(*wide)
    torch.testing.assert_close(fused - fused.mean(), 1.8 * (mean - mean.mean()))
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


def test_details_are_divided_by_how_many_there_are() -> None:
    wave = 0.05 * 2**0.5 * torch.sin(torch.arange(128) * math.pi / 2 + 0.3).expand(1, 1, 128, 128)
    flat = torch.full_like(wave, 0.5)
    added = normalized_details(flat + wave, flat, around=8.0, gain=1.5, level=0.05) - (flat + wave / 2)
    inside = (..., slice(32, -32), slice(32, -32))
    torch.testing.assert_close(added[inside], 0.75 * wave[inside], atol=2e-3, rtol=0)
    torch.testing.assert_close(normalized_details(flat, flat, 4.0, 2.0, 0.03), flat)
