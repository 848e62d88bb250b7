"""The spatial transformer: closed forms of what it is made of, and what it does with hostile input."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from wdualmine.errors import WdualmineError
from wdualmine.methods.registry import WEIGHTS
from wdualmine_book.scans.learned import find_field, load_transformer, register
from wdualmine_book.scans.stn import (
    CELL,
    KINDS,
    SEARCHES,
    SIDE,
    Registered,
    Search,
    SpatialTransformer,
    apply,
    chain,
    correlations,
    expected,
    fit,
    follow,
    grid,
    sample,
    turn,
    widen,
)

CENTERS = grid(SIDE // CELL, CELL, torch.zeros((), dtype=torch.float64))


def turned(degrees: float, scale: float = 1.0) -> torch.Tensor:
    cosine, sine = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    return torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64)


@settings(deadline=None, max_examples=25)
@given(
    st.floats(-180, 180),
    st.floats(-60, 60),
    st.floats(-60, 60),
    st.integers(0, 99),
    st.sampled_from(KINDS[:2]),
)
def test_a_fit_of_points_that_were_moved_is_that_move(
    degrees: float, right: float, down: float, seed: int, kind: str
) -> None:
    weights = (
        torch.rand(1, len(CENTERS), generator=torch.Generator().manual_seed(seed), dtype=torch.float64) ** 4
    )
    linear = (
        turned(degrees)
        if kind == "rigid"
        else turned(degrees, 0.7) @ torch.tensor([[1, 0.3], [0, 1.2]]).double()
    )
    move = torch.cat((linear, torch.tensor([[right], [down]], dtype=torch.float64)), dim=1)[None]
    found = fit(CENTERS, apply(move, CENTERS), weights, kind)
    assert torch.allclose(found, move, atol=1e-3)


def test_a_rigid_fit_neither_scales_nor_mirrors() -> None:
    mirrored = CENTERS[None] * torch.tensor([-1.5, 1.2])
    linear = fit(CENTERS, mirrored, torch.ones(1, len(CENTERS)).double())[0, :, :2]
    assert torch.allclose(linear @ linear.T, torch.eye(2).double(), atol=1e-6)
    assert torch.linalg.det(linear) == pytest.approx(1)


def test_a_field_names_the_points_that_pixels_are_taken_from() -> None:
    image = torch.rand(1, 1, 12, 17)
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(17.0), indexing="ij")
    field = torch.stack((columns + 3, rows - 2), dim=-1)[None]
    moved = sample(image, field)
    assert torch.allclose(moved[..., 2:, :-3], image[..., :-2, 3:], atol=1e-5)
    assert not moved[..., :2, :].any()
    assert not moved[..., -3:].any()  # what comes in from outside is 0


def test_cells_and_pixels_tell_of_one_field() -> None:
    shift = torch.tensor([5.0, -3.0])
    field = (grid(SIDE // CELL, CELL, shift) + shift)[None]
    assert torch.allclose(widen(field)[0], grid(SIDE, 1, shift).unflatten(0, (SIDE, SIDE)) + shift)


def test_gradients_go_through_the_fit_and_the_resampling() -> None:
    torch.manual_seed(0)
    points = torch.rand(6, 2, dtype=torch.float64) * 9
    targets = (points + torch.rand(1, 6, 2, dtype=torch.float64)).requires_grad_(True)
    weights = (torch.rand(1, 6, dtype=torch.float64) + 0.1).requires_grad_(True)
    for kind in ("rigid", "affine"):
        assert gradcheck(lambda t, w, k=kind: fit(points, t, w, k), (targets, weights))
    image = torch.rand(1, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    field = (torch.rand(1, 3, 3, 2, dtype=torch.float64) * 2 + 0.3).requires_grad_(True)
    assert gradcheck(sample, (image, field))


def bright(side: int) -> torch.Tensor:
    """Features of random places in the middle of the frame, (1, 3, side, side)."""
    features = torch.zeros(1, 3, side, side)
    middle = slice(side // 4, 3 * side // 4)
    features[..., middle, middle] = torch.randn(
        1, 3, side // 2, side // 2, generator=torch.Generator().manual_seed(0)
    )
    return features / features.norm()


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -1), (-3, 3)])
def test_a_search_finds_a_shift_by_whole_cells(search: Search, down: int, right: int) -> None:
    one = bright(SIDE // search.cell)
    other = torch.roll(one, (down, right), dims=(2, 3))
    found = correlations(one, other, torch.eye(2, 3)[None], search)
    assert found.shape == (1, 2 * search.turns + 1, *(2 * search.shifts + 1,) * 2)
    assert float(found.amax()) == pytest.approx(1, abs=1e-4)
    assert float(found[0, search.turns, search.shifts + down, search.shifts + right]) == pytest.approx(
        1, abs=1e-4
    )
    matrix = expected(200 * found, search)
    shift = torch.tensor([[1, 0, right * search.cell], [0, 1, down * search.cell]])
    assert torch.allclose(matrix[0], shift.float(), atol=0.02)


@pytest.mark.parametrize("steps", [-2, 2])
def test_a_search_finds_a_turn(steps: int) -> None:
    search = SEARCHES[1]
    noise = torch.randn(1, 3, SIDE // CELL, SIDE // CELL, generator=torch.Generator().manual_seed(0))
    one = torch.nn.functional.avg_pool2d(noise, 3, 1, 1)
    one = one / one.norm()
    moved = turn(torch.tensor([-steps * search.degrees]), torch.zeros(1, 2))
    points = (apply(moved, grid(SIDE // CELL, CELL, one)) + 0.5) / CELL - 0.5
    other = sample(one, points.unflatten(1, (SIDE // CELL, -1)))
    found = correlations(one, other, torch.eye(2, 3)[None], search)
    matrix = expected(2000 * found, search)
    angle = math.degrees(math.atan2(matrix[0, 1, 0], matrix[0, 0, 0]))
    assert angle == pytest.approx(steps * search.degrees, abs=0.35)


def test_a_turn_is_about_the_middle_and_undone_by_its_opposite() -> None:
    quarter = turn(torch.tensor([90.0]), torch.zeros(1, 2))
    assert torch.allclose(
        apply(quarter, torch.tensor([[127.5, 127.5], [137.5, 127.5]]))[0, 0], torch.tensor([127.5] * 2)
    )
    assert torch.allclose(
        apply(quarter, torch.tensor([[137.5, 127.5]]))[0, 0], torch.tensor([127.5, 137.5]), atol=1e-4
    )
    back = chain(quarter, turn(torch.tensor([-90.0]), torch.zeros(1, 2)))
    assert torch.allclose(back, torch.eye(2, 3)[None], atol=1e-4)


def test_bent_anatomy_is_followed() -> None:
    one = bright(SIDE // CELL)
    for down, right in ((0, 0), (1, -2)):
        other = torch.roll(one, (down, right), dims=(2, 3))
        shift, weights = follow(one, other, torch.eye(2, 3)[None], torch.tensor(200.0))
        inside = weights[0] > weights.max() / 2
        assert torch.allclose(shift[0, inside], torch.tensor([right * CELL, down * CELL]).float(), atol=0.3)


def test_nothing_around_has_no_features() -> None:
    network = SpatialTransformer()
    image = torch.zeros(1, 1, SIDE, SIDE)
    image[..., 100:140, 100:140] = 0.5
    for features in map(torch.Tensor.detach, network.features(image, 0)):
        assert float(features[..., :4, :].abs().max()) < 1e-6
        assert features.norm() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(256, 256), (181, 217), (300, 64)])
def test_images_of_any_size_are_registered(kind: str, shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    fixed, moving = (random.integers(0, 255, shape, dtype=np.uint8) for _ in range(2))
    warped, field = register(moving, fixed, kind, SpatialTransformer().eval())
    assert warped.shape == shape
    assert warped.dtype == np.uint8
    assert field.shape == (*shape, 2)
    assert np.isfinite(field).all()


def test_a_size_is_changed_about_the_middle() -> None:
    """A network that finds nothing to move leaves every image as it lay."""
    network = SpatialTransformer()
    network.forward = lambda fixed, moving, kind: network_answer(fixed)  # type: ignore[method-assign]
    for shape in ((256, 256), (97, 300)):
        field = find_field(network, torch.rand(1, 1, *shape), torch.rand(1, 1, *shape))
        rows, columns = torch.meshgrid(*(torch.arange(float(side)) for side in shape), indexing="ij")
        assert torch.allclose(field, torch.stack((columns, rows), dim=-1), atol=1e-3)


def network_answer(fixed: torch.Tensor) -> Registered:
    return Registered(grid(SIDE, 1, fixed).unflatten(0, (1, SIDE, SIDE)), [], [], [])


def test_what_cannot_be_registered_is_said() -> None:
    image = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    network = SpatialTransformer()
    for moving, fixed, kind, words in (
        (image, image * 0, "rigid", "the fixed image is constant"),
        (image * 0 + 9, image, "rigid", "the moving image is constant"),
        (image, image[1:], "rigid", "differ; resample them"),
        (image, image, "elastic", "choose rigid, affine or deformable"),
    ):
        with pytest.raises(WdualmineError, match=words):
            register(moving, fixed, kind, network)


def test_a_file_that_holds_another_network_is_refused() -> None:
    with pytest.raises(WdualmineError, match="holds no spatial transformer"):
        load_transformer(WEIGHTS / "light.safetensors")
