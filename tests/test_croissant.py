"""The Croissant description: valid, up to date with the manifest, and readable offline by mlcroissant."""

import csv
import hashlib
import json
import shutil
import socket
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from make_croissant import PAIRS, PUBLICATION, make_croissant
from wdualmine.data import TASKS, read_manifest
from wdualmine.data.manifest import PUBLISHED, Entry

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "data_manifest"


@pytest.fixture(scope="module")
def dataset() -> Any:
    """The committed description as mlcroissant reads it."""
    mlcroissant = pytest.importorskip("mlcroissant")
    return mlcroissant.Dataset(FOLDER / "croissant.json")


def records(dataset: Any, name: str) -> list[dict[str, Any]]:
    """The records of a set, as plain values by column."""
    return [
        {
            key.split("/")[1]: value.decode() if isinstance(value, bytes) else value
            for key, value in record.items()
        }
        for record in dataset.records(name)
    ]


def test_it_is_up_to_date_with_the_manifest(tmp_path: Path) -> None:
    copy = shutil.copytree(FOLDER, tmp_path / "manifest")
    for path in make_croissant(copy):
        assert path.read_bytes() == (FOLDER / path.name).read_bytes(), (
            f"{path.name}: run `python data_manifest/make_croissant.py`"
        )
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["date-released"].isoformat() == PUBLICATION


def test_the_specification_has_nothing_to_say_against_it(dataset: Any) -> None:
    assert not dataset.metadata.issues.errors
    assert not dataset.metadata.issues.warnings


def test_it_says_what_is_not_known() -> None:
    described = json.loads((FOLDER / "croissant.json").read_text())
    assert described["license"].startswith("Unknown for the images")
    assert "We know of no citation" in described["citeAs"]
    assert "not independent" in described["rai:dataLimitations"]
    commits = [source["commit"] for source in json.loads((FOLDER / "sources.json").read_text()).values()]
    addresses = [
        part["contentUrl"] for part in described["distribution"] if "git+https" in part["encodingFormat"]
    ]
    assert [address.rsplit("/", 1)[1] for address in addresses] == commits


def test_the_lists_have_the_hashes_it_states() -> None:
    described = json.loads((FOLDER / "croissant.json").read_text())
    lists = [part for part in described["distribution"] if part.get("encodingFormat") == "text/csv"]
    assert {part["contentUrl"] for part in lists} == {
        path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.csv")
    } - {"paper_tables.csv", "networks.csv"}
    for part in lists:
        content = (FOLDER / part["contentUrl"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == part["sha256"]
        assert part["contentSize"] == f"{len(content)} B"


@pytest.mark.parametrize("name", [*TASKS, *PUBLISHED])
def test_files_load_offline(dataset: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it went to the network"))
    expected = read_manifest(tasks=[name]) if name in TASKS else read_manifest(name)
    columns = [field.name for field in fields(Entry)]
    loaded = [tuple(record[column] for column in columns) for record in records(dataset, name)]
    assert loaded == [astuple(entry) for entry in expected]


def test_pairs_load_and_join_the_two_images(dataset: Any) -> None:
    loaded = records(dataset, "pairs")
    with (FOLDER / "pairs.csv").open() as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == PAIRS
    assert [[str(record[column]) for column in PAIRS] for record in loaded] == rows
    hashes = {entry.path: entry.sha256 for entry in read_manifest()}
    assert {path for record in loaded for path in (record["path_a"], record["path_b"])} == set(hashes)
    for record in loaded:
        task = TASKS[record["task"]]
        for side, modality in zip("ab", task.modalities, strict=True):
            path = f"{task.folder}/{record['split']}/{modality}/{record['name']}.png"
            assert record[f"path_{side}"] == path
            assert record[f"sha256_{side}"] == hashes[path]
        assert int(record["name"]) == 1000 * record["volume"] + record["slice"]
