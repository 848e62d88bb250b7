"""Progress: bars on a terminal, a line a minute elsewhere."""

import sys

import pytest
import torch

from wdualmine import progress
from wdualmine.methods import pieces
from wdualmine.model import ModelConfig, WDualMine


def test_a_line_a_minute_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    clock = iter(range(0, 10_000, 25))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.task_bar("fuse", 8) as advance:
        for _ in range(8):
            advance()
    assert capsys.readouterr().err.splitlines() == [
        "fuse: 3 of 8, about 2 minutes left",
        "fuse: 6 of 8, about 1 minute left",
    ]
    with progress.task_bar("fuse", 99, enabled=False) as advance:
        for _ in range(99):
            advance()
    assert capsys.readouterr().err == ""


def test_a_loop_inside_of_another_has_a_bar_below_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress.task_bar("outer", 2) as outer, progress.task_bar("inner", 3) as inner:
        inner()
        outer()
        (shown, same) = progress._shown
        assert shown is same
        assert shown is not None
        assert [(task.description, task.completed) for task in shown.tasks] == [("outer", 1), ("inner", 1)]
    assert not progress._shown


def test_pieces_of_a_large_image_are_counted_where_a_loop_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    model = WDualMine(ModelConfig(widths=(4, 4))).eval()
    image = torch.rand(1, 1, 64, 64)
    pieces.residual_in_pieces(model, image, image, side=32)
    assert capsys.readouterr().err == ""
    with progress.task_bar("fuse", 1):
        pieces.residual_in_pieces(model, image, image, side=32)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines if line.startswith("fuse")] == [
        f"fuse: {n} of 4" for n in (1, 2, 3)
    ]
    assert sum(line.startswith("look at scale") for line in lines) == 6
