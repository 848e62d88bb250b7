import imageio.v3 as imageio
import numpy as np
import pytest
from sample_images import noise_triple

from wdualmine.data.images import write_image
from wdualmine.errors import WdualmineError
from wdualmine.metrics import score
from wdualmine.metrics.files import score_files


def in_color(grey, seed=0):
    shift = np.random.default_rng(seed).integers(0, 40, 3)
    return np.clip(grey[..., None].astype(int) + shift, 0, 255).astype(np.uint8)


@pytest.fixture
def folders(tmp_path):
    """Three folders: color PET, grey MRI and color fused images, for pairs 7, 30 and 200."""
    paths = [tmp_path / name for name in ("pet", "mri", "fused")]
    for path in paths:
        path.mkdir()
    for name in (200, 7, 30):
        pet, mri, fused = noise_triple((10, 11), name)
        for path, image in zip(paths, (in_color(pet), mri, in_color(fused)), strict=True):
            imageio.imwrite(path / f"{name}.png", image)
    return paths


def test_folders_are_matched_by_name_in_natural_order(folders):
    scores = score_files(*folders)
    assert list(scores.columns) == ["pair", "EN", "MI", "CC", "PSNR", "FMI"]
    assert scores["pair"].tolist() == ["7", "30", "200"]
    images = [imageio.imread(folder / "30.png") for folder in folders]
    assert images[0].ndim == 3
    assert images[1].ndim == 2
    assert scores.iloc[1, 1:].to_dict() == score(*images)


def test_three_files(folders):
    scores = score_files(*(folder / "7.png" for folder in folders), metrics=["MI", "EN"], convention="nats")
    assert list(scores.columns) == ["pair", "MI", "EN"]
    assert scores["pair"].tolist() == ["7"]
    images = [imageio.imread(folder / "7.png") for folder in folders]
    assert scores["MI"][0] == score(*images, ["MI"], "nats")["MI"]


def test_suffixes_may_differ_and_other_files_are_passed_over(folders):
    for path in folders[2].glob("*.png"):
        imageio.imwrite(path.with_suffix(".tif"), imageio.imread(path))
        path.unlink()
    (folders[2] / "notes.txt").write_text("not an image")
    assert score_files(*folders)["pair"].tolist() == ["7", "30", "200"]


def refusal(paths):
    with pytest.raises(WdualmineError) as raised:
        score_files(*paths)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_unmatched_names_are_listed(folders):
    (folders[0] / "7.png").rename(folders[0] / "8.png")
    (folders[1] / "200.png").unlink()
    message = refusal(folders)
    assert "pet lacks 1 (7)" in message
    assert "mri lacks 2 (8, 200)" in message
    assert "fused lacks 1 (8)" in message


def test_many_unmatched_names_are_cut_short(folders):
    image = imageio.imread(folders[0] / "7.png")
    for name in range(1000, 1100):
        imageio.imwrite(folders[0] / f"{name}.png", image)
    message = refusal(folders)
    assert "lacks 100 (1000, 1001," in message
    assert len(message) < 1000


def test_bad_files_and_folders(folders, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "empty" in refusal([folders[0], folders[1], empty])
    assert "nowhere" in refusal([folders[0], tmp_path / "nowhere", folders[2]])
    assert "7.png: is no folder" in refusal([folders[0], folders[1] / "7.png", folders[2]])
    assert "missing.png: no such image" in refusal(
        [*(folder / "7.png" for folder in folders[:2]), tmp_path / "missing.png"]
    )


def test_bad_images_are_named(folders):
    path = folders[2] / "30.png"
    whole = path.read_bytes()
    image = imageio.imread(path)
    imageio.imwrite(path, image[1:])
    assert f"{path}: is 9 x 11 but {folders[0] / '30.png'} is 10 x 11" in refusal(folders)
    imageio.imwrite(path, np.full_like(image, 9))
    assert f"{path}: is constant" in refusal(folders)
    imageio.imwrite(path, image[..., 0].astype(np.uint16) * 257)
    assert f"{path}: has 16 bits" in refusal(folders)
    path.write_bytes(whole[: len(whole) // 2])
    assert refusal(folders).startswith(f"{path}: ")
    path.write_bytes(b"")
    assert refusal(folders).startswith(f"{path}: ")


def test_sources_in_the_wrong_order_are_refused(tmp_path, rng):
    for name in ("CT", "MRI", "fused"):
        write_image(tmp_path / name / "1.png", rng.integers(0, 256, (16, 16)).astype(np.uint8))
    assert len(score_files(tmp_path / "CT", tmp_path / "MRI", tmp_path / "fused", ["EN"])) == 1
    with pytest.raises(WdualmineError, match="give the CT first"):
        score_files(tmp_path / "MRI", tmp_path / "CT", tmp_path / "fused", ["EN"])
