"""The ranking by recovery: its record, the tables and sentences made of it, and the verbs that make it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import sem, spearmanr, t

from wdualmine.data import TASKS, find_data, load_pairs, volume_of
from wdualmine.experiments import RECOVERY_TERMS, make_experiment
from wdualmine.methods import fuse_with, load_model
from wdualmine.records import Run
from wdualmine.recovery.measure import measure_recovery
from wdualmine.recovery.scoring import SIGNALS
from wdualmine.training import train
from wdualmine_book.recorder import record
from wdualmine_book.records import record_of
from wdualmine_book.recovery.html import render_loss_terms
from wdualmine_book.recovery.record import load_signals
from wdualmine_book.recovery.tables import (
    RANKED,
    agreement,
    agreement_table,
    bound_table,
    missed_goals,
    on_unseen,
    ranking_table,
    recovery_runs,
    robustness_of,
    seeds_table,
    share_of_the_way,
    unseen_table,
)
from wdualmine_book.systems.tables import comparison_runs, comparisons


@pytest.fixture(scope="module")
def ranking(tmp_path_factory: pytest.TempPathFactory, small_pairs: Path) -> Run:
    return record(
        "ranking", "ct-mri", tmp_path_factory.mktemp("r") / "run", str(small_pairs), 1, progress=False
    )


def test_a_ranking_measures_every_method(ranking: Run) -> None:
    table = ranking_table(ranking).set_index("method")
    assert table.loc["average", "mean_a"] == pytest.approx(0.5, abs=1e-4)
    assert table.loc["average", "mean_b"] == pytest.approx(0.5, abs=1e-4)
    assert {"w-dualmine", "w-dualmine-recovery", "w-dualmine-recovery-0.5", "blend-0.4"} <= set(table.index)
    assert table["worse"].is_monotonic_decreasing
    own = robustness_of(ranking)
    assert own.shift == 4
    assert own.gain > 0
    assert own.fall_of_average > 0


@pytest.mark.parametrize("task", list(TASKS))
def test_a_metric_agrees_with_recovery_only_if_it_does_so_for_every_set_of_methods(task: str) -> None:
    runs = record_of(task, recovery_runs(), "ranking"), comparisons(comparison_runs())[task]
    tables = [agreement_table(run) for run in runs]
    assert [len(table) for table in tables] == [12, 12]
    assert [set(table["methods"]) for table in tables] == [{11}, {18}]
    # By hand, for one metric of the first table.
    scores = runs[0].metrics[runs[0].metrics["method"].isin(RANKED)]
    worse = scores[["recovery_a", "recovery_b"]].min(axis=1)
    each = pd.Series(
        {pair: spearmanr(own["MI"], worse[own.index]).statistic for pair, own in scores.groupby("pair")}
    )
    means = each.groupby(volume_of).mean()
    row = tables[0].set_index("metric").loc["MI"]
    assert row["within"] == pytest.approx(means.mean())
    expected = t.interval(1 - 0.05 / 36, len(means) - 1, means.mean(), sem(means))
    assert (row["low"], row["high"]) == pytest.approx(expected)
    found = agreement(tables)
    if task == "pet-mri":
        assert (found.agree, found.against) == ([], [])  # three volumes
        return
    assert {"VIF", "Nabf"} <= set(found.against)
    # What only one set shows is claimed for neither.
    turned = tables[1].assign(within=-tables[1]["within"], low=-tables[1]["high"], high=-tables[1]["low"])
    nothing = agreement([tables[1], turned])
    assert (nothing.agree, nothing.against) == ([], [])
    assert set(nothing.turn) == set(tables[1]["metric"])


def test_a_bound_is_on_the_far_side_of_every_method(tmp_path: Path, small_pairs: Path) -> None:
    run = record("bound", "ct-mri", tmp_path / "run", str(small_pairs), 1, progress=False)
    values = run.metrics.set_index("method")["objective"]
    assert values["bound"] < values["w-dualmine-recovery"] < values["average"]
    share, *_ = share_of_the_way(run)
    way = values["average"] - values["bound"]
    assert share == pytest.approx((values["average"] - values["w-dualmine-recovery"]) / way)
    assert share_of_the_way(run, "average")[0] == 0
    assert len(bound_table(run)) == 3


def test_the_terms_are_tabulated_with_length_and_width() -> None:
    assert "Nothing is recorded" in render_loss_terms([])
    runs = recovery_runs()
    printed = render_loss_terms(runs)
    for title in ("18 epochs", "6 epochs as all below", "range weight 100, 18 epochs", "twice as wide"):
        assert f"{title}</td>" in printed
    for term in RECOVERY_TERMS:
        assert f"without {term}</td>" in printed
    assert printed.count("<tr><td") == len(RECOVERY_TERMS) + 6


def test_the_committed_tables_are_whole_and_say_what_the_records_say() -> None:
    runs = recovery_runs()
    for task in TASKS:
        own = unseen_table(task, runs).set_index("method")
        parts = [load_signals(run) for run in runs if run.info.task == task and "fold" in run.variant]
        signals = pd.concat(parts).query("method == 'w-dualmine-recovery' and source == 'a'")
        assert signals["pair"].nunique() == 24
        assert own.loc["w-dualmine-recovery", "mean_a"] == pytest.approx(signals["recovery"].mean())
        assert len(bound_table(record_of(task, runs, "bound"))) == 3
    assert set(seeds_table(runs)["task"]) == set(TASKS)
    unseen = {task: unseen_table(task, runs) for task in TASKS}
    kept = on_unseen(unseen, "mean")
    assert kept.shape[0] == 2 * len(TASKS)
    own = unseen["ct-mri"].set_index("method").loc["w-dualmine-recovery"]
    assert kept["w-dualmine-recovery"]["ct-mri", "a"] == own["mean_a"]
    missed = missed_goals(unseen)
    assert ("CT-MRI" in missed.get("mean", [])) == (min(own["mean_a"], own["mean_b"]) < 0.9)
    assert on_unseen({"ct-mri": unseen_table("ct-mri", [])}, "mean").empty
    assert missed_goals({"ct-mri": unseen_table("ct-mri", [])}) == {}


@pytest.mark.parametrize("task", list(TASKS))
def test_the_recovery_weights_reproduce_their_record(task: str, harvard: Path) -> None:
    record = next(run for run in recovery_runs() if run.folder.name == f"{task}-recovery-seed0")
    pairs = load_pairs(task, "test", 2, data=find_data(harvard))
    again = measure_recovery(fuse_with(load_model(task, "recovery")), pairs, SIGNALS)
    signals = load_signals(record).query("method == 'w-dualmine-recovery'")
    known = signals[signals["pair"].isin([pair.name for pair in pairs])]
    keys = ["pair", "source", "row", "column"]
    both = again.merge(known, on=keys, suffixes=("", "_known"))
    assert len(both) == len(again) == len(known)
    np.testing.assert_allclose(both["recovery"], both["recovery_known"], atol=1e-4)


def test_training_for_recovery_leaves_its_signals(tmp_path: Path) -> None:
    run = train(make_experiment("ct-mri", "smoke", "recovery"), tmp_path, "phantom", "cpu", 1, progress=False)
    assert run.info.experiment.objective == "recovery"
    assert set(load_signals(run)["method"]) == {"w-dualmine-recovery", "w-dualmine-recovery-0.5"}
    assert {"signal", "brightness", "range"} <= set(run.log.columns)
    assert load_model(run.folder).config.residual_scale == 1
