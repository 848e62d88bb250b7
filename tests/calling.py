"""Calling a program as a person does, in this process."""

import sys
from collections.abc import Callable

import pytest

from wdualmine.cli import main


def call(
    capsys: pytest.CaptureFixture, *arguments: object, main: Callable[[], None] = main
) -> tuple[int, str, str]:
    """Run the command line in this process: exit code, standard output, standard error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["wdualmine", *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving:
            main()
    captured = capsys.readouterr()
    return int(leaving.value.code or 0), captured.out, captured.err
