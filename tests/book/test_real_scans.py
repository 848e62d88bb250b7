"""Known moves, the training on them, and the record that judges registration by them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from wdualmine.data import TASKS, find_data, load_fold, load_pairs, volume_of
from wdualmine.experiments import FOLDS
from wdualmine.records import Run
from wdualmine_book.recorder import record
from wdualmine_book.scans import registration_record
from wdualmine_book.scans.learned import register
from wdualmine_book.scans.moves import (
    CONDITIONS,
    MARGIN,
    RIGID,
    SMOOTH,
    draw_move,
    errors,
    identity,
    move_image,
    rigid_field,
    within,
)
from wdualmine_book.scans.registration_record import ALIGNED
from wdualmine_book.scans.stn import (
    CELL,
    SEARCHES,
    SIDE,
    Registered,
    SpatialTransformer,
    chain,
    grid,
    sample,
    turn,
)
from wdualmine_book.scans.tables import error_table, fusion_table, registration_runs, render_errors
from wdualmine_book.scans.training import Batches, Schedule, point_losses, search_loss, train, training_pairs

SHAPE = (96, 96)


def test_a_pair_that_is_not_moved_has_no_error() -> None:
    assert not errors(draw_move("still", "1", SHAPE), identity(SHAPE)).any()


def test_errors_are_the_lengths_of_the_moves_where_nothing_is_done() -> None:
    for condition in CONDITIONS:
        move = draw_move(condition, "7", SHAPE)
        lengths = np.linalg.norm(within(move) - identity(SHAPE), axis=-1)
        assert np.allclose(errors(move, identity(SHAPE)), lengths)
        if condition in SMOOTH:
            assert lengths.mean() == pytest.approx(SMOOTH[condition])
        elif condition in RIGID:
            reach = np.hypot(*SHAPE) / 2 * np.radians(RIGID[condition][1]) + np.sqrt(2) * RIGID[condition][0]
            assert lengths.max() <= reach


def test_the_inverse_of_a_move_has_no_error() -> None:
    forth = rigid_field(SHAPE, (9.0, -4.0), 8)
    cosine, sine = np.cos(np.radians(8)), np.sin(np.radians(8))
    center = (np.array(SHAPE) - 1) / 2
    back = (identity(SHAPE) - center - (9.0, -4.0)) @ np.array([[cosine, -sine], [sine, cosine]]) + center
    assert np.abs(errors(forth, back)).max() < 1e-9


def test_moves_are_drawn_again_and_differ_by_pair_condition_and_seed() -> None:
    first = draw_move("12 px, 5°", "7", SHAPE)
    assert np.array_equal(first, draw_move("12 px, 5°", "7", SHAPE))
    for other in (("12 px, 5°", "8"), ("4 px, 2°", "7")):
        assert not np.allclose(first, draw_move(*other, SHAPE))
    assert not np.allclose(first, draw_move("12 px, 5°", "7", SHAPE, seed=1))


def test_an_image_is_moved_as_the_field_says() -> None:
    image = np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8)
    moved = move_image(image, identity(SHAPE, MARGIN) + np.array([5, -2]))
    assert np.array_equal(moved[2:, :-5], image[:-2, 5:])
    assert np.array_equal(move_image(image, draw_move("still", "1", SHAPE)), image)


def test_a_bent_image_comes_back() -> None:
    noise = np.random.default_rng(0).random(SHAPE)
    image = ndimage.gaussian_filter(noise, 5)
    image = np.rint(255 * (image - image.min()) / np.ptp(image)).astype(np.uint8)
    move = draw_move("field of 2 px", "3", SHAPE)
    back = identity(SHAPE)
    for _ in range(30):  # q = x - s(q)
        back = back - (shifted := errors_vector(move, back))
    assert np.abs(shifted).max() < 1e-3
    assert errors(move, back).max() < 2e-3
    again = move_image(
        move_image(image, move), np.pad(back, ((MARGIN,) * 2, (MARGIN,) * 2, (0, 0)), mode="edge")
    )
    assert np.abs(again.astype(int) - image)[12:-12, 12:-12].max() <= 4


def errors_vector(move: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """p(q(x)) - x by scipy, beside the record's by torch."""
    at = np.moveaxis(answer + MARGIN, -1, 0)[::-1]
    found = [ndimage.map_coordinates(move[..., axis], at, order=1) for axis in (0, 1)]
    return np.stack(found, axis=-1) - identity(answer.shape)


@pytest.fixture(scope="module")
def batches(phantom: Path) -> Batches:
    return Batches({task: load_pairs(task, "train", data=phantom) for task in TASKS}, seed=0, size=4)


@pytest.fixture(scope="module")
def phantom() -> Path:
    return find_data("phantom").root


@pytest.mark.parametrize("bent", [False, True])
def test_training_knows_where_each_cell_belongs(batches: Batches, bent: bool) -> None:
    batch = batches.draw(bent)
    centers = grid(SIDE // CELL, CELL, batch.fixed).expand(4, -1, -1)
    smooth = [torch.nn.functional.avg_pool2d(image, 9, 1, 4) for image in (batch.moving, batch.aligned)]
    there, here = (
        sample(image, points.unsqueeze(1))[:, 0, 0]
        for image, points in zip(smooth, (batch.truth, centers), strict=True)
    )
    inside = ((batch.truth > 8) & (batch.truth < SIDE - 8)).all(dim=2) & (batch.head > 0)
    assert inside.sum() > 100
    assert (there - here)[inside].abs().median() < 0.02


def test_the_losses_of_a_right_answer_are_least() -> None:
    search = SEARCHES[0]
    right = turn(torch.tensor([2 * search.degrees]), torch.tensor([[3.0, -1.0]]) * search.cell)
    start = turn(torch.tensor([4.0]), torch.tensor([[9.0, 2.0]]))
    places = {(turns, down): torch.full((1, 13, 11, 11), -9.0) for turns in (6, 8) for down in (4, 5)}
    for (turns, down), logits in places.items():
        logits[0, turns, down, 8] = 9
    losses = {
        place: float(search_loss(logits, start, chain(start, right), search))
        for place, logits in places.items()
    }
    assert min(losses, key=lambda place: losses[place]) == (8, 4)
    assert (
        float(
            search_loss(
                places[8, 4], start, chain(start, turn(torch.tensor([60.0]), torch.zeros(1, 2))), search
            )
        )
        == 0
    )

    truth, head = grid(SIDE // CELL, CELL, right).expand(1, -1, -1), torch.ones(1, (SIDE // CELL) ** 2)
    answer = Registered(truth, [truth, truth + torch.tensor([3.0, 4.0])], [], [])
    same, other = point_losses(answer, truth, head)
    assert float(same) == pytest.approx(0.1 / CELL)
    assert float(other) == pytest.approx(5 / CELL, rel=1e-3)


def test_a_few_steps_train(phantom: Path) -> None:
    pairs = {task: load_pairs(task, "train", data=phantom)[:2] for task in TASKS}
    *_, (network, losses) = train(pairs, Schedule(steps=3, batch_size=2))
    assert isinstance(network, SpatialTransformer)
    assert np.isfinite(list(losses.values())).all()


def test_training_of_a_fold_sees_no_volume_that_is_held_out(phantom: Path) -> None:
    source = find_data(str(phantom))
    for task, own in training_pairs(source, 1).items():
        held = {volume_of(pair.name) for pair in load_fold(source, task, "test", 1, FOLDS)}
        assert not held & {volume_of(pair.name) for pair in own}


@pytest.mark.parametrize("task", list(TASKS))
def test_the_package_network_registers_pairs_unlike_those_it_was_trained_on(phantom: Path, task: str) -> None:
    """Of the embedded phantom, of which no training saw an image; moved by more than 10 pixels."""
    (pair,) = load_pairs(task, "test", 1, phantom)
    move = draw_move("25 px, 10°", pair.name, pair.luma_b.shape)
    _, answer = register(move_image(pair.luma_b, move), pair.luma_a)
    assert errors(move, identity(pair.luma_b.shape)).mean() > 10
    assert errors(move, answer).mean() < 5


@pytest.fixture(scope="module")
def run(small_pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A record of two ways that are known: nothing done, and the center always a pixel to the right."""
    ways = {
        "none": lambda fixed, _: identity(fixed.shape),
        "simpleitk": lambda fixed, _: identity(fixed.shape) + np.array([1.0, 0.0]),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registration_record, "methods", lambda: ways)
        patch.setattr(registration_record, "FUSED_CONDITIONS", ("12 px, 5°",))
        patch.setattr(registration_record, "fused_methods", lambda _: ("none",))
        return record(
            "registration", "ct-mri", tmp_path_factory.mktemp("r") / "run", str(small_pairs), 2, False
        )


def test_a_record_judges_ways_that_are_known(run: Run) -> None:
    frame = run.table("registration.csv", text="volume")
    still = frame[frame["condition"] == "still"].groupby("method")["mean"].mean()
    assert still["none"] == 0
    assert still["simpleitk"] == pytest.approx(1)
    table = error_table(run).set_index(["method", "condition"])
    medians = table.loc["none", "median"]
    assert medians["4 px, 2°"] < medians["12 px, 5°"] < medians["25 px, 10°"]
    assert table.loc[("none", "25 px, 10°"), "lost"] > table.loc[("none", "4 px, 2°"), "lost"]
    assert "0.00; 0.0, 0%" in render_errors(error_table(run))
    assert registration_runs([run])["ct-mri"] is run


def test_signals_are_found_again_where_the_move_is_undone(run: Run) -> None:
    table = fusion_table(run).set_index("method")
    assert table.loc[ALIGNED, "CC_share"] == table.loc[ALIGNED, "search_b_share"] == 1
    assert table.loc["none", "CC_share"] < 1
    assert table.loc["none", "search_b_share"] < 1
