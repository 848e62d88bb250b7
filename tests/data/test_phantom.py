import hashlib
import multiprocessing
from itertools import product

import numpy as np
import pytest

from wdualmine.data import TASKS, cache_folder, load_pairs, volume_and_slice
from wdualmine.data import phantom as module
from wdualmine.data.images import read_image, write_image
from wdualmine.errors import WdualmineError

# SHA-256 of the pixels of one slice; raise phantom.VERSION when they change.
NAME = "9074"
PIXELS = {
    "CT": "d599f18e44593404070ae0af0f55419cde99a0779dfec61df36bbffc40901554",
    "MRI": "64d698a8216beda02f5d0745ed7bf1244273f1aa27bff433f65500a00417f359",
    "PET": "c47501cecc98d089101691fe5aa52620201c8d7c705cb8e3098a7d9897055e28",
    "SPECT": "ff59fc94fa224f1c826643bf00455705eb9ea0b732f5196e53e25e24170cc04a",
}


@pytest.fixture(scope="module")
def template():
    return module._Template.load()


def test_same_pixels_everywhere(phantom):
    paths = {
        modality: phantom / task.folder / "test" / modality / f"{NAME}.png"
        for task in TASKS.values()
        for modality in task.modalities
    }
    assert {key: hashlib.sha256(read_image(path)).hexdigest() for key, path in paths.items()} == PIXELS


def test_made_again_it_is_the_same(phantom, template):
    for name, images in module.scan_subject(template, 3).items():
        for task in TASKS.values():
            for modality in task.modalities:
                path = phantom / task.folder / "train" / modality / f"{name}.png"
                assert (read_image(path) == images[modality]).all()


@pytest.mark.parametrize("task", TASKS)
def test_pairs(phantom, task):
    train, test = (load_pairs(task, split, data=phantom) for split in ("train", "test"))
    assert (len(train), len(test)) == (48, 24)
    volumes = [{volume_and_slice(pair.name)[0] for pair in pairs} for pairs in (train, test)]
    assert not volumes[0] & volumes[1]
    for pair in train + test:
        assert pair.image_a.shape == ((256, 256, 3) if TASKS[task].color else (256, 256))
        assert pair.image_b.shape == (256, 256)


@pytest.mark.parametrize("task", TASKS)
def test_background_is_exactly_black_and_the_head_inside_the_image(phantom, task):
    for split in ("train", "test"):
        for pair in load_pairs(task, split, data=phantom):
            for grey in (pair.grey_a, pair.grey_b):
                edge = np.concatenate(
                    [grey[:4].ravel(), grey[-4:].ravel(), grey[:, :4].ravel(), grey[:, -4:].ravel()]
                )
                assert not edge.any()
                assert 0.3 < (grey == 0).mean() < 0.85
                assert (grey > 20).mean() > 0.1


def test_modalities_look_like_themselves(phantom):
    ct = load_pairs("ct-mri", data=phantom)
    pet, spect = load_pairs("pet-mri", data=phantom), load_pairs("spect-mri", data=phantom)
    for pair in ct:
        bone = pair.image_a == 255
        assert 0.05 < bone.mean() < 0.25
        assert np.median(pair.image_b[bone]) < 60  # bone is dark in MRI
        assert pair.image_b.std() > 30

    def detail(pairs):
        """Mean gradient against contrast: falls with the scanner's resolution."""
        return np.mean(
            [np.hypot(*np.gradient(p.grey_a.astype(float))).mean() / p.grey_a.std() for p in pairs]
        )

    assert detail(spect) < 0.75 * detail(pet)
    assert all(np.ptp(pair.image_a.astype(int), axis=-1).max() > 150 for pair in pet + spect)


def test_slices_differ(phantom):
    images = [
        pair.image_b.tobytes()
        for split in ("train", "test")
        for pair in load_pairs("ct-mri", split, data=phantom)
    ]
    assert len(set(images)) == 72


def make(cache: str, answers) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WDUALMINE_CACHE", cache)
        patch.setattr(module, "VOLUMES", {"train": [1], "test": [9]})
        patch.setattr(module, "SLICES", 1)
        answers.put(str(module.make_phantom()))


def test_two_processes_at_once_get_one_phantom():
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    workers = [context.Process(target=make, args=(str(cache_folder()), answers)) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = {answers.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join()
    assert found == {str(module.phantom_folder())}
    made = module.phantom_folder()
    assert {path.name for path in cache_folder().iterdir()} == {".lock", made.name}
    assert [len(load_pairs(*which, data=made)) for which in product(TASKS, ("train", "test"))] == [1] * 6


def test_stopped_in_the_middle_leaves_nothing(monkeypatch):
    images = iter(range(3))

    def write(path, image):
        if next(images, None) is None:
            raise KeyboardInterrupt
        return write_image(path, image)

    monkeypatch.setattr(module, "SLICES", 1)
    monkeypatch.setattr(module, "write_image", write)
    with pytest.raises(KeyboardInterrupt):
        module.make_phantom()
    assert {path.name for path in cache_folder().iterdir()} == {".lock"}


def test_without_nilearn(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(WdualmineError, match=r"nilearn: is not installed.* or set WDUALMINE_DATA"):
        module.make_phantom()


def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WDUALMINE_CACHE", str(tmp_path / "file"))
    with pytest.raises(WdualmineError, match=r"file: cannot be written .*set WDUALMINE_CACHE"):
        module.make_phantom()
