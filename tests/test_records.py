"""Records that are ill-formed, cut or altered: one clear line, never a traceback or a wrong number."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wdualmine.cli import main
from wdualmine.errors import WdualmineError
from wdualmine.records import Run, load_run, lock_folder, read_csv, seal, write_bytes, write_json


@pytest.fixture
def record(smoke_run: Run, tmp_path: Path) -> Path:
    """A copy of a finished training, to be spoiled."""
    return shutil.copytree(smoke_run.folder, tmp_path / "run")


def unsealed(folder: Path, **changes: Any) -> None:
    """Take the seals from run.json, and put other values here and there."""
    info = json.loads((folder / "run.json").read_text()) | {"files": {}} | changes
    info = {key: value for key, value in info.items() if value is not ...}
    write_json(folder / "run.json", info)


def one_line(caught: pytest.ExceptionInfo) -> None:
    assert "\n" not in str(caught.value)
    assert "run" in str(caught.value)


CONTENTS = [
    b"", b"{", b"[]", b"[1, 2]", b"null", b"3", b'"text"', b"\xff\xfe\x00", b"\0" * 64, b"[" * 100_000,
    b'{"schema": 1}', b'{"schema": "1"}', b'{"schema": 99}', b"9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: repr(content[:16]))
def test_a_run_json_that_is_none_is_named(record: Path, content: bytes) -> None:
    (record / "run.json").write_bytes(content)
    with pytest.raises(WdualmineError, match=r"run\.json: ") as caught:
        load_run(record)
    one_line(caught)


KEYS = ("kind", "task", "data", "code", "hardware", "finished", "evaluation_seconds", "experiment", "results")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", [..., 3, "text", [], [1], {}, {"a": 1}, True])
def test_a_missing_key_or_a_value_of_another_type_is_named(record: Path, key: str, value: Any) -> None:
    harmless = (
        (isinstance(value, str) and key in ("kind", "task", "finished"))
        or (key == "evaluation_seconds" and value == 3 and not isinstance(value, bool))
        or (key == "results" and value in (..., []))
    )
    unsealed(record, **{key: value})
    if harmless:
        assert load_run(record).info.data.name == "phantom"
        return
    with pytest.raises(WdualmineError, match=rf"run\.json: not a record \({key}") as caught:
        load_run(record)
    one_line(caught)


def first_cell(text: str, column: int, value: str) -> str:
    lines = text.splitlines()
    cells = lines[1].split(",")
    cells[column] = value
    return "\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n"


TABLES: dict[str, Callable[[str], str]] = {
    "empty": lambda text: "",
    "header alone": lambda text: text.splitlines()[0] + "\n",
    "half": lambda text: text[: len(text) // 2],
    "a row less": lambda text: "\n".join(text.splitlines()[:-1]) + "\n",
    "a row twice": lambda text: text + text.splitlines()[-1] + "\n",
    "no pair": lambda text: text.replace(",pair,", ",name,"),
    "no stretch": lambda text: text.replace(",stretch,", ",x,"),
    "no metric": lambda text: text.replace(",MI", ",XY", 1),
    "NaN": lambda text: first_cell(text, -1, ""),
    "text for a number": lambda text: first_cell(text, -1, "much"),
    "text for a truth": lambda text: first_cell(text, 4, "perhaps"),
    "another number": lambda text: first_cell(text, -1, "0.123"),
    "ragged": lambda text: text + "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z\n",
    "JSON": lambda text: '{"a": [1, 2]}',
    "binary": lambda text: "\0\1\2" * 50,
}  # fmt: skip


@pytest.mark.parametrize("spoil", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("resealed", [False, True])
def test_a_table_that_is_not_the_runs_is_named(record: Path, spoil: Callable, resealed: bool) -> None:
    path = record / "metrics.csv"
    path.write_text(spoil(path.read_text()))
    if resealed:  # the means in run.json tell all the same
        unsealed(record, files=load_run(record).info.files | seal(record, ["metrics.csv"]))
    with pytest.raises(WdualmineError, match=r"metrics\.csv: ") as caught:
        _ = load_run(record).metrics
    one_line(caught)


def test_the_log_is_sealed_too(record: Path) -> None:
    (record / "log.csv").write_text((record / "log.csv").read_text().replace("1,", "2,", 1))
    with pytest.raises(WdualmineError, match=r"log\.csv: is not the file that the run wrote"):
        _ = load_run(record).log
    assert load_run(record).altered() == ["log.csv"]


@pytest.mark.parametrize("name", ["run.json", "metrics.csv"])
def test_a_pipe_and_a_folder_in_a_files_place_are_no_wait(record: Path, name: str) -> None:
    for make in (os.mkfifo, os.mkdir):
        (record / name).unlink() if (record / name).is_file() else None
        make(record / name)
        with pytest.raises(WdualmineError, match=rf"{name}: .*no plain file"):
            _ = load_run(record).metrics
        (record / name).rmdir() if make is os.mkdir else (record / name).unlink()


def test_a_table_of_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "signals.csv").write_bytes("pair,größe\n".encode("latin-1"))
    with pytest.raises(WdualmineError, match=r"signals\.csv: not a table"):
        read_csv(tmp_path / "signals.csv")


def test_a_full_disk_names_the_file_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        WdualmineError, match=r"log\.csv: cannot be written \(No space left on device\); make"
    ):
        write_bytes(tmp_path / "log.csv", b"1")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_swept_and_its_lock_blocks_nobody(tmp_path: Path) -> None:
    for name in (".lock", ".metrics.csv.123.tmp", ".model.safetensors.9.tmp"):
        (tmp_path / name).write_bytes(b"half")
    with lock_folder(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
        with (
            pytest.raises(WdualmineError, match="another process writes to this folder"),
            lock_folder(tmp_path),
        ):
            pass
    (tmp_path / "a").write_text("")
    with (
        pytest.raises(WdualmineError, match="a file is where a folder is needed"),
        lock_folder(tmp_path / "a"),
    ):
        pass


def test_the_command_line_names_a_spoiled_record(
    record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    experiment = json.loads((record / "run.json").read_text())["experiment"]
    unsealed(record, experiment=experiment | {"model": {"depth": 3}})
    arguments = ["repeat", str(record), "-o", str(tmp_path / "again"), "--data", "phantom"]
    monkeypatch.setattr("sys.argv", ["wdualmine", *arguments])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    assert "holds no experiment of this package" in capsys.readouterr().err
