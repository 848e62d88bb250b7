"""The book's own program, and how the library's leads to it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from calling import call

from wdualmine.data.manifest import file_sha256
from wdualmine.experiments import make_experiment
from wdualmine.records import Run
from wdualmine.training import train
from wdualmine_book.__main__ import main as book_main
from wdualmine_book.codecheck import differences, regenerate
from wdualmine_book.crate import PROFILE, write_crate

ROOT = Path(__file__).resolve().parents[2]


def test_table_prints_three_forms(capsys: pytest.CaptureFixture, smoke_run: Run) -> None:
    header = "metric,method,column,mean,std,seeds,seed_std,run,best"
    for form, mark in (("md", "| EN ↑"), ("latex", r"\begin{tabular}"), ("csv", header)):
        code, out, error = call(
            capsys, "table", 1, "--run", smoke_run.folder, "--format", form, main=book_main
        )
        assert code == 0, error
        assert mark in out
        assert "0.8308" in out


def test_a_run_of_another_system_is_in_no_table(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    experiment = make_experiment("pet-mri", "smoke", method="sdnet-retrained", epochs=1)
    run = train(experiment, tmp_path, "phantom", "cpu", 1, progress=False)
    code, _, error = call(capsys, "table", 2, "--run", run.folder, main=book_main)
    assert (code, "holds no run of W-DUALMINE for table 2" in error) == (2, True)


def test_an_encoding_without_arrows_spells_them_out() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wdualmine_book", "table", "1"],
        env=os.environ | {"PYTHONIOENCODING": "cp1252"}, capture_output=True, check=True,
    )  # fmt: skip
    assert "EN \\N{UPWARDS ARROW}" in done.stdout.decode("cp1252")


def test_a_run_becomes_a_process_run_crate(tmp_path: Path) -> None:
    """What the profile asks for; `rocrate-validator` needs the network and was run by hand."""
    path = write_crate(ROOT / "results/reference/ct-mri-seed0", tmp_path)
    graph = {entity["@id"]: entity for entity in json.loads(path.read_text())["@graph"]}
    action = next(entity for entity in graph.values() if entity["@type"] == "CreateAction")
    assert graph["./"]["conformsTo"]["@id"] == PROFILE
    assert graph["./"]["mentions"]["@id"] == action["@id"]
    assert graph[action["instrument"]["@id"]]["@type"] == "SoftwareApplication"
    assert {"run.json", "metrics.csv", "log.csv"} <= {file["@id"] for file in action["result"]}
    for file in action["result"]:
        assert file_sha256(tmp_path / file["@id"]) == graph[file["@id"]]["sha256"]
    assert action["endTime"] > action["startTime"]


def test_the_codecheck_finds_what_was_changed_and_its_manifest_is_complete(tmp_path: Path) -> None:
    """The files are made from the records and are those that are committed; a changed number is named."""
    committed = ROOT / "results/codecheck"
    manifest = yaml.safe_load((ROOT / "codecheck.yml").read_text())["manifest"]
    written = regenerate(tmp_path)
    assert {entry["file"] for entry in manifest} == {f"results/codecheck/{path.name}" for path in written}
    assert [line for path in written for line in differences(path, committed / path.name)] == []
    cost = tmp_path / "cost.csv"
    frame = pd.read_csv(cost)
    frame.loc[1, "processor_seconds"] *= 1.001
    frame.to_csv(cost, index=False)
    assert len(differences(cost, committed / "cost.csv")) == 1
    assert differences(cost, tmp_path / "none.csv") == ["cost.csv: is not committed"]
