"""What the light network was chosen from, distillation, and a reader that learns."""

import pytest
import torch

from wdualmine.data import TASKS, find_data, load_pairs
from wdualmine.experiments import make_experiment
from wdualmine.methods import LIGHT, average, get_method
from wdualmine.methods.learned import load_network
from wdualmine.methods.light import Light
from wdualmine.recovery.measure import first_source, second_source
from wdualmine.recovery.observers import CHANCE
from wdualmine.training import initial_state
from wdualmine_book.recovery.choices import CHOICES, CHOSEN, Distillation, TeacherWeights
from wdualmine_book.recovery.detector import (
    PLACES,
    Reader,
    detector_runs,
    detector_table,
    draw_patches,
    find,
    found_by_chance,
    train_reader,
)
from wdualmine_book.recovery.html import render_bound, render_choices, render_reader
from wdualmine_book.recovery.record import ALONE
from wdualmine_book.recovery.study import OWN, bound_table, choices_runs, choices_table


@pytest.mark.parametrize("method", [m for m in CHOICES if "from-" not in m.name], ids=lambda m: m.name)
def test_a_choice_starts_at_the_average_and_trains(method) -> None:  # type: ignore[no-untyped-def]
    state = initial_state(make_experiment("all", "smoke", method=method.name), torch.device("cpu"))
    a, b = torch.rand(2, 1, 1, 64, 64)
    assert torch.allclose(state.model(a, b).fused, (a + b) / 2, atol=1e-6)
    images = state.objective.inputs(a, b, torch.Generator().manual_seed(0))
    total, _ = state.objective([state.model(*images[:2])], *images)
    total.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in state.model.parameters())


def test_a_student_that_is_its_teacher_has_nothing_to_learn() -> None:
    teacher = load_network(LIGHT, "ct-mri")
    objective = Distillation(TeacherWeights(), teacher)
    assert not list(objective.parameters())
    a, b = torch.rand(2, 1, 1, 64, 64)
    images = objective.inputs(a, b, torch.Generator().manual_seed(0))
    clipped = [teacher(*images[:2])._replace(unclipped=teacher(*images[:2]).fused)]
    assert float(objective(clipped, *images)[0]) == pytest.approx(0, abs=1e-9)
    other = get_method("light-same").system
    assert other is not None
    start = other.network(other.config())
    assert float(objective([start(*images[:2])], *images)[0]) > 0


def test_a_reader_is_blind_to_gain_and_level() -> None:
    reader, patches = Reader(), torch.rand(4, 1, 43, 43)
    assert reader(patches).shape == (4, PLACES**2)
    assert torch.allclose(reader(patches), reader(3 * patches - 1), atol=1e-4)


def test_a_reader_finds_signals_in_their_source_and_none_in_the_other() -> None:
    pairs = load_pairs("ct-mri", data=find_data("phantom"))[:4]
    patches, places, names = draw_patches(second_source, pairs, "b")
    assert len(patches) == len(places) == len(names)
    center = patches[:, 0].flatten(1)
    assert center.std() > 0
    reader = train_reader(patches, places)
    other, same, _ = draw_patches(first_source, pairs, "b")
    assert torch.equal(same, places)  # the same signals at the same places
    seen, unseen = (float(find(reader, x, places).mean()) for x in (patches, other))
    assert seen > 2 * CHANCE  # chance is a share of the places
    assert unseen < seen
    half, _, _ = draw_patches(average, pairs, "b")
    assert not torch.equal(half, patches)


def test_the_choice_that_was_taken_is_the_light_network() -> None:
    torch.manual_seed(0)
    network, choice = Light(), CHOSEN.system.network(CHOSEN.system.config())
    torch.nn.init.normal_(network.last.weight, std=0.3)
    choice.load_state_dict(network.state_dict())
    a, b = torch.rand(2, 1, 1, 48, 64)
    one, other = network(a, b), choice(a, b)
    torch.testing.assert_close(one.fused, other.fused)
    torch.testing.assert_close(one.gains, other.gains)
    assert CHOSEN.system.weights() == LIGHT.system.weights()


def test_the_committed_choices_and_readers_are_complete() -> None:
    runs = choices_runs()
    if not runs:
        pytest.skip("none is committed yet: results/choices")
    assert list(runs) == list(TASKS)
    table = choices_table(runs).set_index("method")
    assert list(table.index) == [method.name for method in CHOICES]
    assert table.loc["light-from-paper", "CC"] == pytest.approx(
        0, abs=5e-4
    )  # the paper's network is the average
    bounds = bound_table(runs)
    assert set(bounds["method"]) == {"average", CHOSEN.name, OWN}
    for text in (render_choices(table.reset_index()), render_bound(bounds), render_reader(detector_runs())):
        assert "nan" not in text
    for run in detector_runs().values():
        shares = detector_table(run)
        assert shares.loc[ALONE, ["a", "b"]].tolist() == [1, 1]
        assert LIGHT.name in shares.index
        assert not found_by_chance(run, ALONE)
        assert (detector_table(run, "average").loc[LIGHT.name, ["a", "b"]] > 1).all()
