"""Recorded evaluations: baselines with their limits, and every convention of every metric."""

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tolerances import TOLERANCES

from wdualmine.data import TASKS, Task, find_data, load_pairs
from wdualmine.errors import WdualmineError
from wdualmine.evaluation import Candidate, evaluate
from wdualmine.methods import average
from wdualmine.metrics import METRICS, PAPER_METRICS
from wdualmine.metrics.metric import Metric
from wdualmine.records import Run, summarize
from wdualmine_book.metrics.tables import (
    convention_table,
    describe_metric,
    metric_reference,
    ranking_changes,
    render_conventions,
)
from wdualmine_book.recorder import record
from wdualmine_book.records import reference_runs
from wdualmine_book.results.tables import comparison_table, comparison_with_average, render_with_average


@pytest.fixture(scope="module")
def baselines(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return record("baselines", "ct-mri", tmp_path_factory.mktemp("b") / "run", "phantom", 3, progress=False)


@pytest.fixture(scope="module")
def conventions(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return record("conventions", "ct-mri", tmp_path_factory.mktemp("c") / "run", "phantom", 1, progress=False)


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_the_packages_weights_reproduce_the_committed_record(
    task: Task, harvard: Path, tmp_path: Path
) -> None:
    sources = [harvard / task.folder / "test" / modality for modality in task.modalities]
    commands = (
        ["fuse", *sources, "-o", tmp_path, "--task", task.key],
        ["evaluate", *sources, tmp_path, "--csv"],
    )
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "wdualmine", *map(str, command)],
            check=True,
            capture_output=True,
            text=True,
        )
    scores = pd.read_csv(io.StringIO(done.stdout), dtype={"pair": str}).set_index("pair").sort_index()
    record = next(run for run in reference_runs() if run.folder.name == f"{task.key}-seed0").metrics
    record = record.query("method == 'w-dualmine'").set_index("pair").sort_index()
    assert len(scores) == 24
    tolerance = TOLERANCES["record, color" if task.color else "record"].value
    np.testing.assert_allclose(scores, record[scores.columns], atol=tolerance, rtol=0)


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
    assert "MI (nats)" in ranking_changes(table.reset_index())
    assert ranking_changes(convention_table([conventions], "ct-mri").query("metric == 'MI'")) == "none"
    assert "nats" in render_conventions(table.reset_index())


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_a_formula_breaks_between_its_parts_only(metric: Metric) -> None:
    text = describe_metric(metric)
    assert text.startswith(f"**{metric.key}**")
    assert all(f"`{convention.name}`" in text for convention in metric.conventions)
    for formula in re.findall(r"\$(.*?)\$", text):
        assert formula.count("{") == formula.count("}")
        assert formula.count(r"\left") == formula.count(r"\right")
        assert formula.count(r"\begin") == formula.count(r"\end")


def test_metric_reference_lists_the_registry() -> None:
    table = metric_reference()
    assert list(table["Metric"]) == list(METRICS)
    assert pd.notna(table).all(axis=None)


def test_a_constant_fused_image_has_no_scores() -> None:
    pairs = load_pairs("ct-mri", "test", data=find_data("phantom"))
    candidates = [Candidate("nothing", lambda a, b: 0 * a), Candidate("average", average)]
    frame = evaluate(candidates, pairs[:2], "ct-mri")
    assert frame.query("method == 'nothing'")[list(PAPER_METRICS)].isna().all(axis=None)
    nothing, mean = summarize(frame)
    assert nothing["mean"] == {}
    assert set(mean["mean"]) == set(PAPER_METRICS)
