import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from make_manifest import make_manifest
from wdualmine.data import TASKS, manifest_hash, read_manifest, verify, volume_and_slice
from wdualmine.data.manifest import PUBLISHED, collections, manifest_folder
from wdualmine.errors import WdualmineError

TRAINING_PAIRS = {"ct-mri": 160, "pet-mri": 245, "spect-mri": 333}
MANIFEST_HASH = "58fed1f7b791cc25f8c975f3cf064759dd4881aa4a5b4203c6bd2ef080de60b4"


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_counts_and_partners(task):
    entries = read_manifest(tasks=[task])
    counts = Counter((entry.split, entry.modality) for entry in entries)
    assert counts == {
        ("train", task.a): TRAINING_PAIRS[task.key],
        ("train", "MRI"): TRAINING_PAIRS[task.key],
        ("test", task.a): 24,
        ("test", "MRI"): 24,
    }
    for split in ("train", "test"):
        a, b = ({e.name for e in entries if (e.split, e.modality) == (split, m)} for m in task.modalities)
        assert a == b


def test_entries_are_well_formed():
    entries = read_manifest()
    assert len({entry.path for entry in entries}) == len(entries) == 2 * (160 + 245 + 333 + 3 * 24)
    for entry in entries:
        folder = TASKS[entry.task].folder
        assert entry.path == f"{folder}/{entry.split}/{entry.modality}/{entry.name}.png"
        assert re.fullmatch("[0-9a-f]{64}", entry.sha256)
        assert (entry.volume, entry.slice) == volume_and_slice(entry.name)
        assert entry.bytes > 100


def test_no_pair_is_in_both_splits_but_every_test_volume_is_trained_on():
    for key in TASKS:
        entries = [entry for entry in read_manifest(tasks=[key]) if entry.modality == "MRI"]
        train, test = ([e for e in entries if e.split == split] for split in ("train", "test"))
        assert not {entry.name for entry in train} & {entry.name for entry in test}
        assert {entry.volume for entry in test} <= {entry.volume for entry in train}
    pet = [e for e in read_manifest(tasks=["pet-mri"]) if e.modality == "MRI"]
    volumes = {entry.volume for entry in pet if entry.split == "test"}
    slices = Counter(entry.volume for entry in pet if entry.split == "train")
    assert {volume: slices[volume] for volume in volumes} == {25: 86, 30: 73, 41: 86}


@pytest.mark.parametrize("method", PUBLISHED)
def test_published_results_have_the_test_names(method):
    for key in TASKS:
        names = [entry.name for entry in read_manifest(method, [key])]
        assert names == [
            e.name for e in read_manifest(tasks=[key]) if (e.split, e.modality) == ("test", "MRI")
        ]


def test_sources_are_pinned():
    sources = collections()
    assert set(sources) == {"harvard", *PUBLISHED}
    assert all(re.fullmatch("[0-9a-f]{40}", source.commit) for source in sources.values())
    assert (
        sources["harvard"]
        .url("CT-MRI/test/CT/16009.png")
        .endswith("/984d169e8abd01baa130db3c5b9be3ba80191c1f/MyDatasets/CT-MRI/test/CT/16009.png")
    )


def test_manifest_is_that_of_the_real_files(harvard, published, tmp_path):
    assert verify(harvard).ok
    for method in PUBLISHED:
        assert verify(published / method, collection=method).ok
    if harvard.name == "harvard" and harvard.parent == published.parent:
        for path in make_manifest(harvard.parent, tmp_path):
            committed = manifest_folder() / path.relative_to(tmp_path)
            assert path.read_bytes() == committed.read_bytes()


def test_unknown_names():
    with pytest.raises(
        WdualmineError, match="harvard2: unknown collection; choose one of harvard, adafuse, asfe"
    ):
        read_manifest("harvard2")
    with pytest.raises(WdualmineError, match="mr-ct: unknown task"):
        read_manifest(tasks=["mr-ct"])


@pytest.mark.parametrize(
    ("name", "expected"), [("16009", (16, 9)), ("2004", (2, 4)), ("41115", (41, 115)), ("100000", (100, 0))]
)
def test_volume_and_slice(name, expected):
    assert volume_and_slice(name) == expected


@given(st.integers(1, 10**6), st.integers(0, 999))
def test_volume_and_slice_of_every_number(volume, number):
    assert volume_and_slice(f"{volume}{number:03d}") == (volume, number)


@pytest.mark.parametrize("name", ["", "009", "a009", "16009.png", "-2004", "16 009", "²004"])
def test_volume_and_slice_of_other_names(name):
    with pytest.raises(WdualmineError, match="is not a volume number"):
        volume_and_slice(name)


def test_verify_names_missing_extra_and_altered_files(tiny):
    root = tiny / "harvard"
    report = verify(root)
    assert report.ok
    assert report.checked == 3 * 2 * (2 + 3)
    (root / "CT-MRI/test/CT/2010.png").unlink()
    (root / "PET-MRI/train/MRI/99001.png").write_bytes(b"new")
    (root / "PET-MRI/notes.txt").write_text("of mine")
    altered = root / "SPECT-MRI/train/SPECT/16009.png"
    content = bytearray(altered.read_bytes())
    content[-20] ^= 1  # same size
    altered.write_bytes(content)
    (root / "SPECT-MRI/test/MRI/41002.png").write_bytes(b"short")
    (root / ".DS_Store").write_bytes(b"")
    (root / "CT-MRI/.DS_Store").write_bytes(b"")
    report = verify(root)
    assert not report.ok
    assert report.missing == ("CT-MRI/test/CT/2010.png",)
    assert report.extra == ("PET-MRI/notes.txt", "PET-MRI/train/MRI/99001.png")
    assert report.altered == ("SPECT-MRI/test/MRI/41002.png", "SPECT-MRI/train/SPECT/16009.png")
    assert verify(root, ["CT-MRI"]).missing == report.missing
    assert verify(root, ["ct-mri"]).extra == ()


def test_verify_of_no_folder(tmp_path):
    with pytest.raises(WdualmineError, match=r"none: no such folder; run `wdualmine data fetch`"):
        verify(tmp_path / "none")


def test_manifest_hash_is_one_number_for_the_source_pairs():
    # Recorded with every run: changes only when the manifest does.
    assert manifest_hash() == MANIFEST_HASH


def test_make_manifest_refuses_an_empty_folder(tmp_path):
    with pytest.raises(WdualmineError, match="holds no PNG files"):
        make_manifest(tmp_path, tmp_path / "out")
