import numpy as np
import pytest
from dicom_files import write_dicom
from hypothesis import given
from hypothesis import strategies as st

from wdualmine.data import TASKS, find_data, load_pairs
from wdualmine.data.color import split_color, to_grey
from wdualmine.data.images import write_image
from wdualmine.data.pairs import check_folder_order, natural_key
from wdualmine.errors import WdualmineError


def folder(tiny, task="ct-mri", split="test", modality="CT"):
    return tiny / "harvard" / TASKS[task].folder / split / modality


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_real_pairs(harvard, task, split):
    pairs = load_pairs(task, split, limit=6, data=harvard)
    for pair in pairs:
        assert pair.image_a.shape == ((256, 256, 3) if TASKS[task].color else (256, 256))
        assert pair.image_b.shape == (256, 256)
        assert pair.image_a.dtype == pair.image_b.dtype == np.uint8
    assert [pair.name for pair in pairs] == sorted((pair.name for pair in pairs), key=int)


def test_counts_of_real_pairs(harvard):
    source = find_data(harvard)
    counts = {task: len(load_pairs(task, data=source)) for task in TASKS}
    assert counts == dict.fromkeys(TASKS, 24)


def test_sorted_as_numbers_and_limited(tiny):
    assert [pair.name for pair in load_pairs("ct-mri", data=tiny)] == ["2010", "16011", "41002"]
    assert [pair.name for pair in load_pairs("CT-MRI", "train", data=tiny)] == ["2004", "16009"]
    assert [pair.name for pair in load_pairs("pet-mri", limit=2, data=str(tiny))] == ["2010", "16011"]
    assert len(load_pairs("pet-mri", limit=99, data=tiny)) == 3


@given(st.lists(st.from_regex(r"[0-9a-c]{1,4}", fullmatch=True)))
def test_natural_key_orders_any_names(names):
    ordered = sorted(names, key=natural_key)
    numbers = [name for name in ordered if name.isdigit()]
    assert [int(name) for name in numbers] == sorted(int(name) for name in numbers)


def test_properties_of_a_color_pair(tiny):
    pair = load_pairs("pet-mri", data=tiny)[0]
    luma, _ = split_color(pair.image_a)
    assert (pair.grey_a == to_grey(pair.image_a)).all()
    assert (pair.luma_a == luma).all()
    assert (pair.luma_b == pair.image_b).all()
    assert (pair.grey_b == pair.image_b).all()


def test_color_image_without_color_stays_rgb(tiny):
    black = write_image(folder(tiny, "pet-mri", modality="PET") / "2010.png", np.zeros((8, 9, 3), np.uint8))
    pair = load_pairs("pet-mri", data=tiny)[0]
    assert black.stem == pair.name
    assert pair.image_a.shape == (8, 9, 3)
    assert (pair.luma_a == 0).all()


def test_constant_image_is_left_to_the_metric(tiny):
    write_image(folder(tiny) / "2010.png", np.full((8, 9), 7, np.uint8))
    assert load_pairs("ct-mri", data=tiny)[0].image_a.max() == 7


@pytest.mark.parametrize(("lone", "other"), [("CT", "MRI"), ("MRI", "CT")])
def test_name_without_partner(tiny, lone, other):
    (folder(tiny, modality=other) / "16011.png").unlink()
    with pytest.raises(
        WdualmineError, match=rf"{lone}/16011\.png: has no partner of that name in .*{other}; "
    ):
        load_pairs("ct-mri", data=tiny)


def test_sizes_differ(tiny):
    write_image(folder(tiny, modality="MRI") / "2010.png", np.zeros((9, 8), np.uint8))
    with pytest.raises(
        WdualmineError, match=r"CT/2010\.png: is 8 x 9 but .*MRI/2010\.png is 9 x 8 \(height x width\)"
    ):
        load_pairs("ct-mri", data=tiny)


def test_truncated_file(tiny):
    path = folder(tiny) / "16011.png"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(WdualmineError, match=r"CT/16011\.png: not a readable image"):
        load_pairs("ct-mri", data=tiny)


def test_nan(tiny):
    (folder(tiny) / "2010.png").unlink()
    write_image(folder(tiny) / "2010.tif", np.full((8, 9), np.nan, np.float32))
    with pytest.raises(WdualmineError, match=r"CT/2010\.tif: holds NaN"):
        load_pairs("ct-mri", data=tiny)


@pytest.mark.parametrize("modality", ["CT", "MRI"])
def test_color_where_grey_is_needed(tiny, modality):
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    write_image(folder(tiny, modality=modality) / "2010.png", image)
    with pytest.raises(WdualmineError, match=rf"{modality}/2010\.png: is a color image where a grey"):
        load_pairs("ct-mri", data=tiny)


def test_sixteen_bits(tiny):
    write_image(folder(tiny) / "2010.png", np.arange(72, dtype=np.uint16).reshape(8, 9) * 900)
    with pytest.raises(WdualmineError, match=r"CT/2010\.png: has pixel type uint16; save it with 8 bits"):
        load_pairs("ct-mri", data=tiny)


def test_two_files_of_one_name(tiny):
    write_image(folder(tiny) / "2010.tif", np.zeros((8, 9), np.uint8))
    with pytest.raises(WdualmineError, match=r"2010\.tif: has the same name as 2010\.png"):
        load_pairs("ct-mri", data=tiny)


def test_other_files_are_passed_over(tiny):
    (folder(tiny) / "notes.txt").write_text("mine")
    (folder(tiny) / "._2010.png").write_bytes(b"left by another system")
    assert len(load_pairs("ct-mri", data=tiny)) == 3


def test_missing_and_empty_folders(tiny):
    for path in folder(tiny).iterdir():
        path.unlink()
    with pytest.raises(WdualmineError, match=r"test/CT: holds no images"):
        load_pairs("ct-mri", data=tiny)
    folder(tiny).rmdir()
    with pytest.raises(WdualmineError, match=r"test/CT: no such folder"):
        load_pairs("ct-mri", data=tiny)


def test_bad_arguments(tiny):
    with pytest.raises(WdualmineError, match="unknown task"):
        load_pairs("mri-ct", data=tiny)
    with pytest.raises(WdualmineError, match="val: unknown split; choose one of train, test"):
        load_pairs("ct-mri", "val", data=tiny)
    with pytest.raises(WdualmineError, match="limit 0: give an integer of at least 1"):
        load_pairs("ct-mri", limit=0, data=tiny)


@pytest.mark.parametrize("task", TASKS)
def test_sources_in_the_wrong_order_are_noticed_by_name_or_by_content(task, tiny, tmp_path):
    a, b = (folder(tiny, task, modality=modality) for modality in TASKS[task].modalities)
    unknown = {}
    for source in (a, b):  # other images under the names of the modalities
        image = write_image(tmp_path / source.name / "1.png", np.full((8, 9), 3, np.uint8))
        unknown[source.name] = image
    first, second = unknown[a.name], unknown[b.name]
    named, listed = (a.rename(tmp_path / "one"), b.rename(tmp_path / "two")), (first.parent, second.parent)
    for one, two in (named, listed, (first, second)):
        check_folder_order(one, two)
        with pytest.raises(WdualmineError, match=f"give the {TASKS[task].a} first"):
            check_folder_order(two, one)
    check_folder_order(second, first.rename(tmp_path / "other.png"))  # nothing tells


def test_the_order_of_volumes_and_of_dicom_slices_is_noticed(tmp_path):
    first, second = tmp_path / "ct.nii.gz", tmp_path / "mri.nii.gz"
    check_folder_order(first, second)
    with pytest.raises(WdualmineError, match="give the CT first"):
        check_folder_order(second, first)
    for name, modality in (("one", "PT"), ("two", "MR")):
        (tmp_path / name).mkdir()
        write_dicom(tmp_path / name / "IM0001", np.zeros((4, 5), np.uint16), Modality=modality)
    check_folder_order(tmp_path / "one", tmp_path / "two")
    with pytest.raises(WdualmineError, match="hold MRI and PET; give the PET first"):
        check_folder_order(tmp_path / "two" / "IM0001", tmp_path / "one")


@pytest.mark.parametrize("limit", [1.5, "2", True, 0])
def test_a_limit_that_is_no_count_is_refused(limit, tiny):
    with pytest.raises(WdualmineError, match="limit"):
        load_pairs("ct-mri", limit=limit, data=tiny)
