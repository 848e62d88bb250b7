"""Volumes are fused slice by slice and keep their type, units and geometry."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from test_cli import call

from wdualmine.data import find_data, load_pairs
from wdualmine.data.volumes import Volume, is_volume, read_volume, write_volume
from wdualmine.errors import WdualmineError
from wdualmine.methods import average, maximum
from wdualmine.volumes import distance, fuse_volumes

AFFINE = np.array([[0.0, -2.0, 0.0, 90.0], [1.5, 0.0, 0.0, -70.0], [0.0, 0.0, 3.0, 12.0], [0, 0, 0, 1]])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A CT of 16-bit integers and an MRI of floats, on one grid that is turned and anisotropic."""
    rng = np.random.default_rng(5)
    ct = nibabel.Nifti1Image(rng.integers(-1000, 1500, (12, 14, 5)).astype(np.int16), AFFINE)
    ct.header["descrip"] = b"Doe, Jane"
    mri = nibabel.Nifti1Image(rng.random((12, 14, 5), np.float32) * 800, AFFINE)
    nibabel.save(ct, tmp_path / "ct.nii.gz")
    nibabel.save(mri, tmp_path / "mri.nii")
    return tmp_path / "ct.nii.gz", tmp_path / "mri.nii"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_across_any_axis(files: tuple[Path, Path], axis: int) -> None:
    a, b = map(read_volume, files)
    seen = []

    def fuse(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(x.shape))
        return average(x, y)

    fused = fuse_volumes(a, b, fuse, axis, ((-200, 600), (0, 800)))
    assert seen == [(1, 1, *np.delete(a.values.shape, axis))] * a.values.shape[axis]
    ct, mri = np.clip((a.values + 200.0) / 800, 0, 1), np.clip(b.values / 800.0, 0, 1)
    expected = (ct + mri) / 2 * 800 - 200
    assert fused.dtype == np.int16
    np.testing.assert_allclose(fused, expected, atol=0.51)


@pytest.mark.parametrize(
    ("stored", "window", "written"),
    [
        (np.uint8, (-20, 80), np.int16),
        (np.uint8, (0, 300), np.int16),
        (np.uint8, (0, 255), np.uint8),
        (np.int16, (-1000, 40000), np.int32),
        (np.int16, (-1e30, 1e30), np.float64),
        (np.float32, (-20, 80), np.float32),
    ],
)
def test_a_window_beyond_the_type_widens_it(stored: type, window: tuple, written: type) -> None:
    rng = np.random.default_rng(5)
    a, b = (Volume(rng.integers(0, 120, (9, 10, 3)).astype(stored)) for _ in "ab")
    fused = fuse_volumes(a, b, lambda x, y: x, windows=(window, None))
    assert fused.dtype == written
    np.testing.assert_allclose(fused, np.clip(a.values, *window), atol=max(0.51, 1e-6 * window[1]))
    for window in ((0, np.inf), (-np.inf, 80), (80, 80)):
        with pytest.raises(WdualmineError, match=r"volume: window .* give two finite numbers"):
            fuse_volumes(a, b, average, windows=(window, None))


def test_volumes_that_are_evidently_not_registered_are_refused() -> None:
    pair = load_pairs(find_data("phantom"), "ct-mri", limit=1)[0]
    a, b = (np.repeat(image[..., None], 3, axis=2) for image in (pair.image_a, pair.image_b))
    fuse_volumes(Volume(a), Volume(b), average)
    mirrored = Volume(np.ascontiguousarray(b[:, ::-1]), name="mri.nii")
    with pytest.raises(WdualmineError, match=r"mri.nii: seems mirrored left to right"):
        fuse_volumes(Volume(a), mirrored, average)
    assert fuse_volumes(Volume(a), mirrored, average, allow=True).shape == a.shape


def test_from_the_command_line_with_the_geometry_kept(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    output = tmp_path / "out" / "fused.nii.gz"
    arguments = ("fuse", *files, "-o", output, "--method", "maximum", "--axis", 1, "--window-a=-200,600")
    code, out, error = call(capsys, *arguments)
    assert (code, out.strip(), error) == (0, str(output), "")
    source, fused = nibabel.load(files[0]), nibabel.load(output)
    np.testing.assert_array_equal(fused.affine, source.affine)
    assert fused.shape == source.shape
    assert fused.get_data_dtype() == source.get_data_dtype()
    np.testing.assert_allclose(fused.header.get_zooms(), source.header.get_zooms())
    assert b"Doe" not in fused.header.binaryblock
    a, b = map(read_volume, files)
    expected = fuse_volumes(a, b, maximum, 1, ((-200, 600), None))
    np.testing.assert_array_equal(np.asarray(fused.dataobj), expected)


def test_arrays_of_three_dimensions(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    rng = np.random.default_rng(5)
    a, b = rng.random((2, 10, 12, 7))
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "b.npy", b)
    assert is_volume(tmp_path / "a.npy")
    output = tmp_path / "c.npy"
    code, _, error = call(
        capsys, "fuse", tmp_path / "a.npy", tmp_path / "b.npy", "-o", output, "--method", "average",
        "--window-a=0,1", "--window-b=0,1",
    )  # fmt: skip
    assert code == 0, error
    np.testing.assert_allclose(np.load(output), (a + b) / 2, atol=1e-6)
    np.save(tmp_path / "rgb.npy", np.zeros((9, 9, 3), np.uint8))
    assert not is_volume(tmp_path / "rgb.npy")


MISTAKES = (
    "shape, place, four dimensions, garbage, missing, suffix, axis, window, endless, stretch, source, NaN, "
    "constant"
)


@pytest.mark.parametrize("kind", MISTAKES.split(", "))
def test_mistakes_are_one_clear_line(
    kind: str, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    a, b = files
    output, options, message = tmp_path / "fused.nii", ["--method", "average"], ""
    values = np.zeros((12, 14, 5), np.float32) + np.arange(5, dtype=np.float32)
    if kind == "shape":
        nibabel.save(nibabel.Nifti1Image(values[:-1], AFFINE), b)
        message = "has shape (11, 14, 5) but"
    elif kind == "place":
        moved = AFFINE.copy()
        moved[0, 3] += 7
        nibabel.save(nibabel.Nifti1Image(values, moved), b)
        message = "lies up to 7.0 mm from"
    elif kind == "four dimensions":
        nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4, 2), np.float32), AFFINE), b)
        message = "has shape (4, 4, 4, 2); a volume (X, Y, Z) is needed"
    elif kind == "garbage":
        b.write_bytes(b"no volume" * 99)
        message = "not a readable volume"
    elif kind == "missing":
        b.unlink()
        message = "no such volume"
    elif kind == "suffix":
        output = tmp_path / "fused.png"
        message = "needs a name ending in .nii or .nii.gz"
    elif kind == "axis":
        options += ["--axis", "3"]
        message = "axis 3: choose 0, 1 or 2"
    elif kind == "window":
        options += ["--window-b=9,1"]
        message = "--window-b 9,1: give two numbers LOW,HIGH"
    elif kind == "endless":
        options += ["--window-a=0,inf"]
        message = "--window-a 0,inf: give two numbers LOW,HIGH"
    elif kind == "stretch":
        options += ["--stretch"]
        message = "--stretch: slices of a volume keep their intensities"
    elif kind == "source":
        output = b
        message = "is one of the volumes to fuse"
    elif kind == "NaN":
        values[0] = np.nan
        nibabel.save(nibabel.Nifti1Image(values, AFFINE), b)
        message = "no finite numbers"
    elif kind == "constant":
        nibabel.save(nibabel.Nifti1Image(0 * values, AFFINE), b)
        message = "the volume is constant"
    before = b.read_bytes() if b.exists() else b""
    code, out, error = call(capsys, "fuse", a, b, "-o", output, *options)
    assert (code, out) == (2, "")
    assert message in error
    assert error.count("\n") == 1
    assert output == b or not output.exists()
    assert (b.read_bytes() if b.exists() else b"") == before
    if kind == "place":
        code, _, error = call(capsys, "fuse", a, b, "-o", output, *options, "--allow")
        assert code == 0, error


def test_the_distance_is_that_of_the_farthest_corner(files: tuple[Path, Path]) -> None:
    a, b = map(read_volume, files)
    assert distance(a, b) == 0
    with pytest.raises(WdualmineError, match="needs a name ending in"):
        write_volume(files[0].with_suffix(".png"), a.values, a)
