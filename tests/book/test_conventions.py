"""Recorded evaluations: baselines with their limits, and every convention of every metric."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wdualmine.data import TASKS
from wdualmine.errors import WdualmineError
from wdualmine.metrics import METRICS
from wdualmine.metrics.metric import Metric
from wdualmine.records import Run, lock_folder
from wdualmine_book.metrics.tables import (
    convention_table,
    describe_metric,
    metric_reference,
    ranking_changes,
    render_conventions,
)
from wdualmine_book.recorder import record
from wdualmine_book.results.tables import comparison_table, comparison_with_average, render_with_average


@pytest.fixture(scope="module")
def baselines(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return record("baselines", "ct-mri", tmp_path_factory.mktemp("b") / "run", "phantom", 3, progress=False)


@pytest.fixture(scope="module")
def conventions(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return record("conventions", "ct-mri", tmp_path_factory.mktemp("c") / "run", "phantom", 1, progress=False)


def test_no_baseline_passes_the_limits(baselines: Run) -> None:
    scores = baselines.metrics.pivot_table(["CC", "PSNR"], "pair", ["method", "stretch"])
    for metric in ("CC", "PSNR"):
        limit = scores[metric, "limit", False]
        others = scores[metric].drop(columns=("limit", False))
        assert (others.sub(limit, axis=0) < 1e-4).all(axis=None)
    assert np.allclose(scores["PSNR", "average", False], scores["PSNR", "limit", False], atol=0.01)
    assert np.allclose(scores["CC", "standardized-sum", True], scores["CC", "limit", False], atol=1e-3)


def test_the_limit_is_a_row_that_is_never_the_best(baselines: Run) -> None:
    table = comparison_table(1, [baselines], []).query("column == 'This build'")
    limit = table[table["method"] == "Closed-form limit"]
    assert set(limit["metric"]) == {"CC", "PSNR"}
    assert not limit["best"].any()
    assert table.groupby("metric")["best"].any().all()


def test_a_record_is_kept_and_another_kind_refused(baselines: Run) -> None:
    before = (baselines.folder / "run.json").stat().st_mtime_ns
    record("baselines", "ct-mri", baselines.folder, "phantom", 3, progress=False)
    assert (baselines.folder / "run.json").stat().st_mtime_ns == before
    with pytest.raises(WdualmineError, match="holds a run of kind baselines"):
        record("conventions", "ct-mri", baselines.folder, "phantom", 1, progress=False)


def test_baselines_are_made_again_where_their_record_is_cut(tmp_path: Path) -> None:
    whole = record("baselines", "ct-mri", tmp_path, "phantom", 1, progress=False)
    content = (tmp_path / "metrics.csv").read_bytes()
    assert list(whole.info.files) == ["metrics.csv"]
    (tmp_path / "metrics.csv").write_bytes(content[:100])
    again = record("baselines", "ct-mri", tmp_path, "phantom", 1, progress=False)
    assert (tmp_path / "metrics.csv").read_bytes() == content
    pd.testing.assert_frame_equal(whole.metrics, again.metrics)
    assert not (tmp_path / ".lock").exists()
    with lock_folder(tmp_path), pytest.raises(WdualmineError, match="another process writes"):
        record("baselines", "ct-mri", tmp_path, "phantom", 1, progress=False)


def test_the_network_is_compared_with_the_average(baselines: Run, smoke_run: Run) -> None:
    table = comparison_with_average([smoke_run, baselines]).set_index("metric")
    assert list(table["pairs"].unique()) == [3]
    both = [
        run.metrics.query("stretch").set_index(["method", "pair"])["EN"] for run in (smoke_run, baselines)
    ]
    expected = (both[0]["w-dualmine"] - both[1]["average"]).mean()
    assert table.loc["EN", "difference"] == pytest.approx(expected)
    page = render_with_average(table.reset_index())
    assert "Network" in page
    assert "nan" not in page
    assert comparison_with_average([baselines], [baselines]).empty
    assert set(comparison_with_average([])["task"]) == set(TASKS)  # a build that trained nothing


def test_every_convention_is_scored(conventions: Run) -> None:
    columns = set(conventions.metrics.columns)
    for metric in METRICS.values():
        assert metric.key in columns
        assert {f"{metric.key}[{c.name}]" for c in metric.conventions[1:]} <= columns


def test_convention_table_holds_means_and_ranks(conventions: Run) -> None:
    table = convention_table([conventions], "ct-mri").set_index(["metric", "convention"])
    bits, nats = table.loc[("MI", "bits")], table.loc[("MI", "nats")]
    assert nats["Average"] == pytest.approx(bits["Average"] * np.log(2))
    assert (bits["order"], nats["order"], nats["tau"]) == ("default", "same", pytest.approx(1))
    with pytest.raises(WdualmineError, match="no conventions record of pet-mri"):
        convention_table([conventions], "pet-mri")


def test_convention_table_sees_a_changed_order(tmp_path: Path, conventions: Run) -> None:
    scores = conventions.metrics.copy()
    scores["MI[nats]"] = -scores["MI"]
    changed = Run(tmp_path)
    vars(changed).update(info=conventions.info, metrics=scores)  # cached properties, set by hand
    table = convention_table([changed], "ct-mri").set_index(["metric", "convention"])
    assert table.loc[("MI", "nats"), "order"] == "changes"
    assert ranking_changes(table.reset_index())["MI"] == "nats"
    assert ranking_changes(convention_table([conventions], "ct-mri").query("metric == 'MI'")) == {}
    assert "nats" in render_conventions(table.reset_index())


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_a_formula_breaks_between_its_parts_only(metric: Metric) -> None:
    text = describe_metric(metric)
    assert metric.source in text
    assert all(f"`{convention.name}`" in text for convention in metric.conventions)
    for formula in re.findall(r"\$(.*?)\$", text):
        assert formula.count("{") == formula.count("}")
        assert formula.count(r"\left") == formula.count(r"\right")
        assert formula.count(r"\begin") == formula.count(r"\end")


def test_metric_reference_lists_the_registry() -> None:
    table = metric_reference()
    assert list(table["Metric"]) == list(METRICS)
    assert pd.notna(table).all(axis=None)
