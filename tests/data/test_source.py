import shutil
import subprocess
import sys

import numpy as np
import pytest

from wdualmine.data import cache_folder, find_data, where
from wdualmine.data.images import write_image
from wdualmine.errors import WdualmineError


@pytest.fixture
def no_phantom(tmp_path, monkeypatch):
    """Stand in for the phantom, which takes seconds to make."""
    monkeypatch.setattr("wdualmine.data.phantom.make_phantom", lambda: tmp_path / "phantom")
    return tmp_path / "phantom"


def used():
    (place,) = (place for place in where() if place.used)
    return place.kind


def test_order_of_the_lookup(tiny, tmp_path, monkeypatch, no_phantom):
    assert (find_data().kind, find_data().name, find_data().root) == ("phantom", "phantom", no_phantom)
    assert used() == "phantom"
    shutil.copytree(tiny / "harvard", cache_folder() / "harvard")
    assert (find_data().kind, find_data().root) == ("cache", cache_folder() / "harvard")
    assert used() == "cache"
    attached = tmp_path / "kaggle" / "datasets" / "someone" / "pairs" / "v1"
    shutil.copytree(tiny / "harvard", attached)
    assert (find_data().kind, find_data().root) == ("kaggle", attached)
    assert used() == "kaggle"
    monkeypatch.setenv("WDUALMINE_DATA", str(tiny / "harvard"))
    assert (find_data().kind, find_data().root) == ("environment", tiny / "harvard")
    assert used() == "environment"
    other = shutil.copytree(tiny / "harvard", tmp_path / "other")
    assert (find_data(other).kind, find_data(other).root) == ("argument", other)
    assert find_data("phantom").root == no_phantom
    monkeypatch.setenv("WDUALMINE_DATA", "phantom")
    assert (find_data().kind, find_data().name) == ("environment", "phantom")


@pytest.mark.parametrize("below", ["harvard", "MyDatasets", "."])
def test_folder_around_the_tasks(tiny, tmp_path, below):
    root = shutil.copytree(tiny / "harvard", tmp_path / "copy" / below, dirs_exist_ok=True)
    assert find_data(tmp_path / "copy").root.resolve() == root.resolve()


def test_name_follows_the_files(tiny):
    root = tiny / "harvard"
    assert find_data(root).name == "harvard"
    (root / "CT-MRI/.DS_Store").write_bytes(b"")
    assert find_data(root).name == "harvard"
    write_image(root / "CT-MRI/test/CT/2010.png", np.zeros((8, 9), np.uint8))
    assert find_data(root).name == "custom"
    shutil.rmtree(root / "CT-MRI")
    assert find_data(root).name == "harvard"
    (root / "PET-MRI/train/PET/2004.png").unlink()
    assert find_data(root).name == "custom"


def test_some_of_the_tasks(tiny):
    root = tiny / "harvard"
    shutil.rmtree(root / "PET-MRI")
    source = find_data(root)
    assert source.tasks == ("ct-mri", "spect-mri")
    assert source.fingerprint("ct-mri")
    assert "only ct-mri, spect-mri" in source.describe()
    with pytest.raises(
        WdualmineError, match=r"does not hold pet-mri \(only ct-mri, spect-mri\); add the folder"
    ):
        source.fingerprint("pet-mri")


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_wrong_folder_is_an_error_never_passed_over(tiny, tmp_path, monkeypatch, no_phantom, by):
    def find(value):
        monkeypatch.delenv("WDUALMINE_DATA", raising=False)
        if by == "argument":
            return find_data(value)
        monkeypatch.setenv("WDUALMINE_DATA", str(value))
        return find_data()

    shutil.copytree(tiny / "harvard", cache_folder() / "harvard")
    with pytest.raises(WdualmineError, match=r"gone: no such folder .*; give the folder that holds CT-MRI"):
        find(tmp_path / "gone")
    with pytest.raises(WdualmineError, match=r"published: .* holds none of the folders CT-MRI"):
        find(tiny / "published")
    (tmp_path / "file").write_text("")
    with pytest.raises(WdualmineError, match="no such folder"):
        find(tmp_path / "file")


def test_unfinished_fetch(tiny, no_phantom):
    root = cache_folder() / "harvard"
    shutil.copytree(tiny / "harvard", root)
    (root / "SPECT-MRI/train/MRI/2004.png").unlink()
    source = find_data()
    assert (source.kind, source.name, source.tasks) == ("cache", "harvard", ("ct-mri", "pet-mri"))
    assert "finish with `wdualmine data fetch`: spect-mri" in source.describe()
    with pytest.raises(
        WdualmineError, match="run `wdualmine data fetch spect-mri`, or use the data 'phantom'"
    ):
        source.task_folder("spect-mri")
    (root / "CT-MRI/test/CT/2010.png").unlink()
    (root / "PET-MRI/test/PET/2010.png").unlink()
    assert (find_data().kind, find_data().root) == ("phantom", no_phantom)
    assert "ct-mri, pet-mri, spect-mri" in find_data().describe()


def test_fingerprint(tiny, tmp_path):
    here, there = find_data(tiny), find_data(shutil.copytree(tiny / "harvard", tmp_path / "there"))
    own = here.fingerprint("ct-mri")
    assert own == there.fingerprint("ct-mri") != here.fingerprint("pet-mri")
    everything = here.fingerprint("all")
    assert everything == there.fingerprint("all") != own
    path = tmp_path / "there/CT-MRI/test/CT/2010.png"
    (tmp_path / "there/CT-MRI/test/CT/notes.txt").write_text("not read, not hashed")
    assert there.fingerprint("ct-mri") == own
    write_image(path, np.zeros((8, 9), np.uint8))
    assert there.fingerprint("ct-mri") != own
    path.rename(path.with_name("2011.png"))
    assert there.fingerprint("ct-mri") != own
    assert there.fingerprint("all") != everything


def test_kaggle_takes_the_folder_with_most_tasks(tiny, tmp_path):
    shutil.copytree(tiny / "harvard" / "CT-MRI", tmp_path / "kaggle/a/CT-MRI")
    shutil.copytree(tiny / "harvard", tmp_path / "kaggle/b/c/harvard")
    assert find_data().root == tmp_path / "kaggle/b/c/harvard"


def test_kaggle_without_pairs(tiny, tmp_path, no_phantom):
    (tmp_path / "kaggle/other/CT-MRI/train").mkdir(parents=True)
    assert find_data().kind == "phantom"


def test_real_pairs_are_known(harvard):
    source = find_data(harvard)
    assert (source.name, source.tasks) == ("harvard", ("ct-mri", "pet-mri", "spect-mri"))


def test_where_makes_nothing(tmp_path):
    assert [place.kind for place in where()] == ["argument", "environment", "kaggle", "cache", "phantom"]
    assert not cache_folder().exists()


def test_import_is_light():
    """A machine that only trains need not have these; and the pipeline imports this package often."""
    heavy = "{'torch', 'pooch', 'nilearn', 'nibabel', 'matplotlib', 'pywt', 'scipy', 'rich', 'filelock'}"
    code = f"import sys, wdualmine.data; sys.exit({heavy} & set(sys.modules) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True)
