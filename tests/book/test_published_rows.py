"""The paper's rows for AdaFuse and ASFE-Fusion, from the images that these methods published."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tolerances import TOLERANCES

from wdualmine.data import DataSource, get_task, load_pairs
from wdualmine.data.color import join_color, split_color
from wdualmine.errors import WdualmineError
from wdualmine.metrics import score
from wdualmine.metrics.files import score_files
from wdualmine_book.metrics.published import METHODS, main, published_folder, score_published

DECODED = ("EN", "MI", "CC", "PSNR")

# Haghighat's Fast-FMI of the published images, measured before this package was written: mean, std
FMI = {
    ("ct-mri", "AdaFuse"): (0.4266, 0.0079),
    ("pet-mri", "AdaFuse"): (0.4518, 0.0126),
    ("spect-mri", "AdaFuse"): (0.4422, 0.0111),
    ("ct-mri", "ASFE-Fusion"): (0.4207, 0.0087),
    ("pet-mri", "ASFE-Fusion"): (0.4411, 0.0136),
    ("spect-mri", "ASFE-Fusion"): (0.4101, 0.0127),
}

# Trivial fusions measured before this package was written: means and stds of EN, MI, CC, PSNR
AVERAGE = {
    ("ct-mri", "rounded"): ((4.1805, 3.6855, 0.8308, 64.1184), (0.2340, 0.2447, 0.0238, 0.8056)),
    ("ct-mri", "stretched"): ((4.2326, 3.7695, 0.8308, 64.0879), (0.2378, 0.3006, 0.0237, 0.7908)),
    ("pet-mri", "rounded"): ((5.2004, 4.3431, 0.8690, 62.1221), (0.6081, 0.3632, 0.0233, 0.5093)),
    ("pet-mri", "stretched"): ((5.2772, 4.4801, 0.8686, 62.0767), (0.6243, 0.3876, 0.0235, 0.5111)),
    ("spect-mri", "rounded"): ((4.6678, 3.8699, 0.9120, 66.7886), (0.5878, 0.3970, 0.0165, 0.7048)),
    ("spect-mri", "stretched"): ((4.8992, 4.2400, 0.9117, 64.8835), (0.6430, 0.4548, 0.0165, 1.1065)),
}


@pytest.fixture(scope="module")
def paper(root):
    """Rows of Tables 1-3 by task, method and metric: printed mean and standard deviation, as strings."""
    tables = pd.read_csv(root / "data_manifest" / "paper_tables.csv", dtype=str)
    return tables[tables["table"].isin(["1", "2", "3"])].set_index(["task", "row", "metric"])


@pytest.fixture(scope="module")
def committed(root):
    return pd.read_csv(root / "results" / "published" / "metrics.csv", dtype={"pair": str})


@pytest.fixture(scope="module")
def scored(harvard, published):
    """Without FMI, which takes ten times as long as the others; see the sample of it below."""
    return score_published(harvard, published, DECODED)


def summarize(scores, metrics):
    """Mean and population deviation over the pairs, with the columns of the paper's tables."""
    tidy = scores.melt(["task", "method"], list(metrics), var_name="metric", value_name="value")
    groups = tidy.rename(columns={"method": "row"}).groupby(["task", "row", "metric"], sort=False)["value"]
    return groups.agg(mean="mean", std=lambda values: values.std(ddof=0)).reset_index()


def assert_equals_the_paper(scores, paper):
    summary = summarize(scores, DECODED)
    assert len(summary) == 3 * 2 * 4  # tasks, methods, metrics
    wrong = []
    for row in summary.itertuples(index=False):
        printed = paper.loc[(row.task, row.row, row.metric)]
        ours = f"{row.mean:.4f}", f"{row.std:.4f}"
        if ours != (printed["mean"], printed["std"]):
            wrong.append((row.task, row.row, row.metric, ours, tuple(printed[["mean", "std"]])))
    assert not wrong


def test_the_48_published_values_from_the_images(scored, paper):
    assert_equals_the_paper(scored, paper)


def test_the_48_published_values_from_the_committed_scores(committed, paper):
    assert_equals_the_paper(committed, paper)


def test_fmi_is_haghighats_and_not_the_papers(committed, paper):
    for row in summarize(committed, ["FMI"]).itertuples(index=False):
        measured = pytest.approx(FMI[row.task, row.row], abs=TOLERANCES["facts"].value)
        assert (row.mean, row.std) == measured
        # the paper's variant is unknown: that must stay visible
        assert abs(row.mean - float(paper.loc[(row.task, row.row, "FMI"), "mean"])) > 0.005


def test_committed_scores_are_those_of_the_images(scored, committed):
    pd.testing.assert_frame_equal(scored, committed.drop(columns="FMI"), check_dtype=False, rtol=0, atol=1e-6)


def test_committed_fmi_is_that_of_the_images(committed, harvard, published):
    for row in committed.iloc[::11].itertuples(index=False):  # 14 of the 144, from every task and method
        task = get_task(row.task)
        name = f"{row.pair}.png"
        sources = (harvard / task.folder / "test" / modality / name for modality in task.modalities)
        folder = {method: key for key, method in METHODS.items()}[row.method]
        scores = score_files(*sources, published / folder / task.folder / name, ["FMI"])
        assert scores["FMI"][0] == pytest.approx(row.FMI, abs=1e-6)


def test_committed_scores_hold_24_pairs_a_task_and_method(committed):
    assert committed.groupby(["task", "method"]).size().tolist() == [24] * 6
    assert not committed.duplicated(["task", "method", "pair"]).any()


@pytest.mark.parametrize(("task", "rule"), AVERAGE)
def test_the_plain_average(task, rule, harvard):
    rows = []
    for pair in load_pairs(task, data=harvard):
        luma = (pair.luma_a.astype(float) + pair.luma_b) / 2
        stretched = np.floor((luma - luma.min()) / np.ptp(luma) * 255)
        luma = np.rint(luma) if rule == "rounded" else stretched
        fused = join_color(luma.astype(np.uint8), split_color(pair.image_a)[1])
        rows.append(score(pair.image_a, pair.image_b, fused, DECODED))
    scores = pd.DataFrame(rows)
    means, stds = AVERAGE[task, rule]
    assert scores.mean().tolist() == pytest.approx(means, abs=TOLERANCES["facts"].value)
    assert scores.std(ddof=0).tolist() == pytest.approx(stds, abs=TOLERANCES["facts"].value)


def test_paper_tables_are_complete(root):
    tables = pd.read_csv(root / "data_manifest" / "paper_tables.csv")
    assert tables.groupby("table").size().tolist() == [15, 15, 15, 20, 30]
    assert set(tables["metric"]) == {*DECODED, "FMI"}
    assert tables["std"].isna().equals(tables["table"] > 3)
    assert not tables.duplicated(["table", "task", "row", "metric"]).any()
    proposed = tables[tables["row"] == "proposed"].pivot(index="metric", columns="table", values="mean")
    assert proposed[4].equals(proposed[5])  # the same network is printed twice


def test_the_command_that_makes_the_committed_scores(tmp_path):
    command = [sys.executable, "-m", "wdualmine_book.metrics.published"]
    usage = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (usage.returncode, usage.stdout) == (2, "")
    assert usage.stderr.startswith("error: give three paths")
    with pytest.raises(WdualmineError, match="no such image file"):
        main([str(tmp_path), str(tmp_path), str(tmp_path / "metrics.csv")])
    assert not (tmp_path / "metrics.csv").exists()


def test_published_results_beside_the_pairs(tmp_path, monkeypatch):
    monkeypatch.setenv("WDUALMINE_CACHE", str(tmp_path / "cache"))
    source = DataSource("argument", tmp_path / "harvard", "harvard")
    assert published_folder(source) is None
    for folder in (tmp_path / "cache" / "published", tmp_path / "published"):
        folder.mkdir(parents=True)
        assert published_folder(source) == folder
    assert published_folder(replace(source, name="phantom")) is None
