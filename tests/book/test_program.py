"""The book's own program, and how the library's leads to it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from calling import call

from wdualmine.cli import MOVED
from wdualmine.experiments import make_experiment
from wdualmine.records import Run
from wdualmine.training import train
from wdualmine_book.__main__ import main as book_main


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


@pytest.mark.parametrize("verb", MOVED)
def test_a_verb_of_the_book_says_where_it_went(capsys: pytest.CaptureFixture, verb: str) -> None:
    code, _, error = call(capsys, verb, "ct-mri")
    assert (code, error.strip()) == (2, f"error: {verb}: belongs to the book now: `{MOVED[verb]}`")
    words = MOVED[verb].split()[1:]
    assert call(capsys, *words, "--help", main=book_main)[0] == 0
