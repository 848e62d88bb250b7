"""The ranking by what survives: its record, and the tables, figures and sentences made of it."""

import math
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from wdualmine.data import SPLITS, TASKS, Pair, find_data, load_pairs, volume_of
from wdualmine.methods import CLASSICAL, LIGHT, average
from wdualmine.recovery.measure import measure_alone, measure_recovery
from wdualmine.recovery.observers import CHANCE, REGION
from wdualmine.recovery.signals import AMPLITUDES
from wdualmine.recovery.summary import LOST, summarize_recovery
from wdualmine_book.recorder import record
from wdualmine_book.recovery.figures import plot_spot, quiet_place, spot_shares
from wdualmine_book.recovery.html import render_goals, render_seeds, render_survival
from wdualmine_book.recovery.record import ALONE, RANKING_METRICS, RETIRED, load_recovery
from wdualmine_book.recovery.tables import (
    DETAILS,
    GOALS,
    RANKED,
    SHARED,
    WINDOWS,
    agreement,
    agreement_table,
    best_of,
    correlation,
    goals,
    rankings,
    recovery_runs,
    seeds_table,
    survival,
    unseen_pairs,
    wide,
    without_shared,
)

NOTEBOOK = Path(__file__).parents[2] / "notebooks/recovery.ipynb"
COMMITTED = rankings(recovery_runs())


def test_every_task_has_a_ranking_of_every_method() -> None:
    assert list(COMMITTED) == list(TASKS)
    for run in COMMITTED.values():
        names = set(load_recovery(run)["method"])
        assert {ALONE, "average", "maximum", "w-dualmine", "ifcnn", "u2fusion", LIGHT.name, RETIRED} <= names
        assert {f"{LIGHT.name}-seed-{seed}" for seed in range(1, 5)} <= names
        assert set(WINDOWS) | set(DETAILS) <= names


@pytest.mark.parametrize("task", TASKS)
def test_the_closed_forms_hold_in_the_records(task: str) -> None:
    """One source alone shows all of itself and nothing of the other; the average keeps half the contrast."""
    run = COMMITTED[task]
    found = wide(run, "search", "share")
    assert found.loc["first-source", "a"] == pytest.approx(1)
    assert found.loc["second-source", "b"] == pytest.approx(1)
    contrast = wide(run, "recovery", "value")
    assert contrast.loc["average", ["a", "b"]].tolist() == pytest.approx([0.5, 0.5], abs=1e-3)
    assert contrast.loc["first-source", "b"] == 0


def test_a_ranking_is_what_the_library_measures(tmp_path: Path, small_pairs: Path) -> None:
    run = record("ranking", "ct-mri", tmp_path / "run", str(small_pairs), 1, progress=False)
    assert not list((tmp_path / "run").glob("parts-*"))
    names = unseen_pairs(run)
    pairs = [pair for pair in load_pairs("ct-mri", data=find_data(str(small_pairs))) if pair.name in names]
    expected = summarize_recovery(
        measure_recovery(average, pairs, volume_of), measure_alone(pairs, group=volume_of), volume_of
    ).set_index(["source", "statistic"])
    own = survival(run)
    own = own[own["method"] == "average"].set_index(["source", "statistic"])
    pd.testing.assert_series_equal(own["share"], expected["share"], atol=1e-5, check_index=False)


def test_the_light_network_is_the_mean_of_its_seeds() -> None:
    run = COMMITTED["ct-mri"]
    seeds = seeds_table(run)
    assert len(seeds) == 5
    assert seeds["search_a"].mean() == pytest.approx(wide(run, "search", "share").loc[LIGHT.name, "a"])
    gap = correlation(run)
    assert seeds["CC"].mean() == pytest.approx(gap[LIGHT.name] - gap["average"], abs=1e-9)


def test_goals_follow_from_the_numbers() -> None:
    for run in COMMITTED.values():
        reached = {goal.goal: goal.reached for goal in goals(run)}
        gap, detection = correlation(run), wide(run, "detectability", "share", "average")
        assert reached["CC at most 0.004 lower"] == (gap[LIGHT.name] - gap["average"] >= -0.004)
        own = detection.loc[LIGHT.name, "worse"]
        assert reached["d′ at least 1.2 times the average's"] == (own >= 1.2)
    assert "reached" in render_goals(COMMITTED)
    assert len(render_seeds(COMMITTED)) > 100


def test_the_best_baseline_is_within_its_limit() -> None:
    run = COMMITTED["ct-mri"]
    gap, shares = correlation(run), wide(run, "search", "share")["worse"]
    within = [name for name in DETAILS if gap[name] - gap["average"] >= -0.004]
    best = best_of(run, DETAILS)
    assert best in within
    assert shares[best] == shares[within].max()
    assert best_of(run, DETAILS, least=1.0) == ""


def test_agreement_is_spearmans_over_methods() -> None:
    run = COMMITTED["spect-mri"]
    table = agreement_table(run).set_index("metric")
    assert set(table.index) == set(RANKING_METRICS)
    found = agreement(agreement_table(run))
    assert sorted([*found.agree, *found.against, *found.open]) == sorted(RANKING_METRICS)
    scores = run.metrics[~run.metrics["stretch"].astype(bool) & run.metrics["pair"].isin(unseen_pairs(run))]
    worse = wide(run, "search", "share")["worse"]
    names = [name for name in RANKED if name in worse.index and name in set(scores["method"])]
    means = scores.groupby("method")["MI"].mean()
    expected = spearmanr(means[names], worse[names]).statistic
    assert table.loc["MI", "correlation"] == pytest.approx(expected)


def test_the_text_defines_what_the_code_measures() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    text = " ".join(" ".join(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    assert f"a region of {2 * REGION + 1} × {2 * REGION + 1} pixels" in text
    assert f"Chance is {100 * CHANCE:.0f} %" in text
    assert f"{min(AMPLITUDES):.0f} to {max(AMPLITUDES):.0f} grey levels" in text
    assert f"Below {LOST} we call it lost" in text
    assert f"at a CC within {-GOALS.correlation} of the average's" in text


def test_the_table_names_every_column_of_both_scans() -> None:
    text = render_survival(COMMITTED["pet-mri"], form="md")
    assert "PET: found" in text
    assert len(render_survival(COMMITTED["pet-mri"], few=True, form="md")) < len(text) * 2 / 3
    assert "nan" not in text
    assert not math.isnan(correlation(COMMITTED["pet-mri"])["average"])


def test_the_one_patient_of_two_tasks_is_named(harvard: Path) -> None:
    """Equal MRI slices in two tasks, where one's volume is scored and the other's was trained on."""
    source, seen = find_data(harvard), {}
    for task in TASKS:
        for split in SPLITS:
            for pair in load_pairs(task, split, data=source):
                seen.setdefault(pair.image_b.tobytes(), set()).add((task, volume_of(pair.name)))
    shared = {place for places in seen.values() if len({task for task, _ in places}) > 1 for place in places}
    scored = {
        (task, volume_of(pair)) for task, run in COMMITTED.items() for pair in unseen_pairs(run)
    } & shared
    assert scored == {*SHARED.items()}
    assert without_shared(COMMITTED["pet-mri"]) == {}
    share = without_shared(COMMITTED["ct-mri"])
    found = wide(COMMITTED["ct-mri"], "search", "share").loc[LIGHT.name]
    assert share["a"] == pytest.approx(found["a"], abs=0.03)
    assert share["b"] == pytest.approx(found["b"], abs=0.03)


def test_a_spot_vanishes_where_the_other_scan_outshines_it() -> None:
    """In a flat scan under a brighter one the maximum shows nothing, the average half; it is put there."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(60, 140, (2, 128, 128), dtype=np.uint8)
    a[40:80, 50:90], b[40:80, 50:90] = 80, 200
    pair = Pair("7", a, b)
    _, row, column = quiet_place(pair)
    assert 40 <= row < 80
    assert 50 <= column < 90
    fusers = {name: fuse for name in ("average", "maximum") if (fuse := CLASSICAL[name].fuse)}
    shares = [share for _, share in spot_shares(pair, fusers).values()]
    assert shares == pytest.approx([1, 0, 0.5, 0], abs=1e-4)
    titles = [axes.get_title() for axes in plot_spot(pair, "ct-mri", fusers).axes]
    assert titles == ["CT\n100%", "MRI\n0%", "average\n50%", "maximum\n0%"]
