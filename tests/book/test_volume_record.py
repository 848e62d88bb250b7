"""The record of volumes: stacks from names, spheres, and measures whose values are known."""

import numpy as np
import pytest

from wdualmine.data import Pair, find_data
from wdualmine.metrics.entropy import entropy_of
from wdualmine.recovery.signals import Signal
from wdualmine.volumes import continuity
from wdualmine_book.scans.stacks import DEPTH, STRIDE, Stack, blocks, load_stacks, stacks_of
from wdualmine_book.scans.volume_record import (
    SLICE_REACH,
    correlation,
    draw_spheres,
    insert_spheres,
    measure_volume,
    smoothed,
    sphere_recovery,
)


def pairs(names: list[str]) -> list[Pair]:
    return [
        Pair(name, np.full((8, 8), int(name[-2:]), np.uint8), np.zeros((8, 8), np.uint8)) for name in names
    ]


@pytest.fixture
def stack() -> Stack:
    """A head of two moderate textures that change from slice to slice."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:128, :128] - 64
    head = np.hypot(rows, columns) < 60
    a, b = (100 + rng.integers(-20, 21, (10, 128, 128)) for _ in range(2))
    return Stack("ct-mri", 7, 1, (a * head).astype(np.uint8), (b * head).astype(np.uint8))


def test_stacks_are_runs_of_consecutive_slices_in_the_order_of_their_numbers() -> None:
    names = [f"3{slice:03d}" for slice in (*range(20, 31), *range(1, 1 + DEPTH), 12, 13)]
    first, second = stacks_of(pairs(["4001", *names]), "ct-mri")
    assert (first.volume, first.first, len(first.a)) == (3, 1, DEPTH)
    assert (second.volume, second.first, len(second.b)) == (3, 20, 11)
    assert second.a[:, 0, 0].tolist() == list(range(20, 31))
    a, b = blocks([first, second])
    starts = [0, *range(0, 11 - DEPTH + 1, STRIDE)]
    assert a.shape == b.shape == (len(starts), 1, DEPTH, 8, 8)
    assert (a[1, 0, :, 0, 0] * 255).round().tolist() == list(range(20, 20 + DEPTH))


def test_no_volume_is_on_both_sides_of_a_fold() -> None:
    source = find_data("phantom")
    sides = [{s.volume for s in load_stacks(source, "spect-mri", side, 0)} for side in ("train", "test")]
    assert not sides[0] & sides[1]


def test_continuity_of_a_volume_with_itself_is_the_entropy_of_its_changes() -> None:
    rng = np.random.default_rng(1)
    a = rng.integers(0, 256, (5, 40, 40), dtype=np.uint8)
    changes = ((255 + np.diff(a.astype(int), axis=0)) // 2).astype(np.uint8)
    expected = 2 * np.mean([entropy_of(change) for change in changes])
    assert continuity(a, a, a) == pytest.approx(expected)
    flat = np.full_like(a, 9)
    assert continuity(a, flat, flat) == 0
    assert continuity(a, flat, a) == pytest.approx(expected / 2)
    assert correlation(a, 255 - a) == pytest.approx(-1)
    assert correlation(a, flat) == 0


def test_a_sphere_is_recovered_from_where_it_was_put(stack: Stack) -> None:
    drawn = draw_spheres(stack)
    assert drawn["a"]
    assert {middle for _, middle in drawn["a"]} == {SLICE_REACH, 3 * SLICE_REACH + 1}
    changed = insert_spheres(stack.a, drawn["a"])
    difference = changed.astype(np.float64) * 255 - stack.a
    for sphere in drawn["a"]:
        np.testing.assert_allclose(
            sphere_recovery(difference, *sphere), np.ones(2 * SLICE_REACH + 1), atol=1e-4
        )
        np.testing.assert_allclose(sphere_recovery(difference / 2, *sphere), 0.5, atol=1e-4)
    one = Signal("gaussian", 1.5, 0.0, 30.0, 40, 40)
    levels = insert_spheres(np.full((10, 80, 80), 100, np.uint8), [(one, 4)]) * 255 - 100
    np.testing.assert_allclose(
        levels[:, 40, 40],
        30 * np.exp(-((np.arange(10.0) - 4) ** 2) / 2) * (abs(np.arange(10) - 4) <= 2),
        atol=1e-4,
    )


def test_the_average_keeps_half_of_every_slice_and_a_blurred_copy_does_not(stack: Stack) -> None:
    def average(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a.astype(np.float64) + b) / 2 * 255

    plain, blurred = measure_volume(average, stack), measure_volume(smoothed(average), stack)
    assert plain["recovery_a"] == pytest.approx(0.5, abs=1e-4)
    assert plain["scatter"] == pytest.approx(0, abs=1e-4)
    assert plain["spheres_a"] > 0
    assert blurred["scatter"] > 0.1
    assert blurred["neighbors"] > plain["neighbors"]
    assert blurred["continuity"] < plain["continuity"]
    alone = measure_volume(lambda a, b: a.astype(np.float64) * 255, stack)
    assert alone["recovery_a"] == pytest.approx(1, abs=1e-4)
    assert alone["recovery_b"] == pytest.approx(0, abs=1e-4)
