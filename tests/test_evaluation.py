"""Evaluations: the package's weights give the committed scores, and what has no score gets none."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from calling import call
from tolerances import TOLERANCES

from wdualmine.data import TASKS, find_data, get_task, load_pairs
from wdualmine.evaluation import Candidate, evaluate
from wdualmine.methods import average
from wdualmine.metrics import PAPER_METRICS
from wdualmine.records import load_run, summarize


@pytest.mark.parametrize("task", list(TASKS))
def test_the_packages_weights_reproduce_the_committed_record(
    task: str, root: Path, harvard: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    chosen = get_task(task)
    sources = [harvard / chosen.folder / "test" / modality for modality in chosen.modalities]
    for command in (
        ("fuse", *sources, "-o", tmp_path, "--task", task),
        ("evaluate", *sources, tmp_path, "--csv"),
    ):
        code, out, error = call(capsys, *command)
        assert code == 0, error
    scores = pd.read_csv(io.StringIO(out), dtype={"pair": str}).set_index("pair").sort_index()
    record = load_run(root / "results" / "reference" / f"{task}-seed0").metrics
    record = record.query("method == 'w-dualmine'").set_index("pair").sort_index()
    assert len(scores) == 24
    tolerance = TOLERANCES["record, color" if chosen.color else "record"].value
    np.testing.assert_allclose(scores, record[scores.columns], atol=tolerance, rtol=0)


def test_a_constant_fused_image_has_no_scores() -> None:
    pairs = load_pairs("ct-mri", "test", data=find_data("phantom"))
    candidates = [Candidate("nothing", lambda a, b: 0 * a), Candidate("average", average)]
    frame = evaluate(candidates, pairs[:2], "ct-mri")
    assert frame.query("method == 'nothing'")[list(PAPER_METRICS)].isna().all(axis=None)
    nothing, mean = summarize(frame)
    assert nothing["mean"] == {}
    assert set(mean["mean"]) == set(PAPER_METRICS)
