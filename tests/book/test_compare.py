"""The script that compares the numbers of two rendered books."""

from pathlib import Path

import pytest
from scripts import load_script

compare = load_script(Path(__file__).parents[2] / "book" / "compare.py")
PAGE = (
    "<article><p>{text}</p><div class='cell_input'>x = 7</div><table><td data-label='Seconds'>12</td></table>"
    "<p>At 2026-11-27T06:00:00+00:00, code 0f3a9bc1d2, torch 2.13.0, within 40 s.</p></article>"
)


def book(folder: Path, **pages: str) -> Path:
    folder.mkdir()
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(PAGE.format(text=text))
    return folder


def test_every_number_that_is_gone_or_new_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    before = book(tmp_path / "a", index="CC 0.8308 and −0.5 dB, 3 of 3", other="1")
    same = book(tmp_path / "b", index="3 of 3; -0.5 dB; CC 0.8308", other="1")
    assert compare.main([str(before), str(same)]) == 0
    assert capsys.readouterr().out == "5 numbers compared; 0 gone\n"
    other = book(tmp_path / "c", index="CC 0.8309 and −0.5 dB, 3 of 3", other="1 and 2")
    assert compare.main([str(before), str(other)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["index.html: gone: 0.8308", "index.html: new: 0.8309"]
    assert lines[2:4] == ["other.html: gone: nothing", "other.html: new: 2"]
