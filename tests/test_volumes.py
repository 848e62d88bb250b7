"""Volumes are fused slice by slice and keep their type, units and geometry."""

import csv
import gzip
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from calling import call

from wdualmine.data import find_data, load_pairs
from wdualmine.data.color import to_grey
from wdualmine.data.images import read_image
from wdualmine.data.volumes import Volume, are_volumes, read_volume, write_volume
from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse
from wdualmine.methods import average, maximum
from wdualmine.registration.check import distance
from wdualmine.volumes import fuse_volumes

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
    pair = load_pairs("ct-mri", limit=1, data=find_data("phantom"))[0]
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


def test_what_may_name_a_patient_is_kept_only_where_that_is_asked_for(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    image = nibabel.load(files[0])
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Doe, Jane, born 1970"))
    named = tmp_path / "named.nii.gz"
    nibabel.save(image, named)
    for number, (options, kept) in enumerate((([], False), (["--keep-metadata"], True))):
        output = tmp_path / f"{number}.nii"
        code, _, error = call(capsys, "fuse", named, files[1], "-o", output, "--method", "average", *options)
        assert code == 0, error
        fused = nibabel.load(output)
        assert (b"Doe, Jane" in output.read_bytes()) == kept
        assert [extension.get_content() for extension in fused.header.extensions] == [
            extension.get_content() for extension in image.header.extensions
        ] * kept
        assert str(fused.header["descrip"].astype(str)) == "Doe, Jane" * kept
        assert fused.get_fdata().std() > 0
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(5).random((9, 9, 7)))
    for a, b, output, message in (
        ("a.npy", "b.npy", "c.npy", "is on the grid of a volume without a NIfTI header"),
        ("a.png", "b.png", "c.png", "--keep-metadata: is for volumes"),
    ):
        paths = (tmp_path / a, tmp_path / b, "-o", tmp_path / output)
        code, _, error = call(capsys, "fuse", *paths, "--keep-metadata", "--method", "average")
        assert code == 2
        assert message in error


def test_arrays_of_three_dimensions(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    rng = np.random.default_rng(5)
    a, b = rng.random((2, 10, 12, 7))
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "b.npy", b)
    output = tmp_path / "c.npy"
    code, _, error = call(
        capsys, "fuse", tmp_path / "a.npy", tmp_path / "b.npy", "-o", output, "--method", "average",
        "--window-a=0,1", "--window-b=0,1",
    )  # fmt: skip
    assert code == 0, error
    np.testing.assert_allclose(np.load(output), (a + b) / 2, atol=1e-6)


MISTAKES = (
    "four dimensions, garbage, missing, suffix, axis, window, endless, stretch, source, NaN, "
    "constant, NaN affine, no spacing, color, complex, FreeSurfer, image, outside, full disk"
)


@pytest.mark.parametrize("kind", MISTAKES.split(", "))
def test_mistakes_are_one_clear_line(
    kind: str,
    files: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a, b = files
    output, options, message = tmp_path / "fused.nii", ["--method", "average"], ""
    values = np.zeros((12, 14, 5), np.float32) + np.arange(5, dtype=np.float32)
    if kind == "four dimensions":
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
        message = "is one of the sources"
    elif kind == "NaN":
        values[0] = np.nan
        nibabel.save(nibabel.Nifti1Image(values, AFFINE), b)
        message = "holds NaN or infinite values"
    elif kind == "constant":
        nibabel.save(nibabel.Nifti1Image(0 * values, AFFINE), b)
        message = "the volume is constant"
    elif kind in ("NaN affine", "no spacing"):
        image = nibabel.Nifti1Image(values, AFFINE)
        image.header["srow_x"] = np.nan if kind == "NaN affine" else 0
        nibabel.save(nibabel.Nifti1Image(values, None, image.header), b)
        message = "its affine holds NaN" if kind == "NaN affine" else "its affine has a spacing of 0"
    elif kind == "color":
        color = np.zeros(values.shape, [(channel, np.uint8) for channel in "RGB"])
        nibabel.save(nibabel.Nifti1Image(color, AFFINE), b)
        message = "holds colors; save it as integers or float"
    elif kind == "complex":
        nibabel.save(nibabel.Nifti1Image(values.astype(np.complex64), AFFINE), b)
        message = "holds complex numbers; save it as integers or float"
    elif kind == "FreeSurfer":
        b = tmp_path / "mri.mgz"
        nibabel.save(nibabel.MGHImage(values, AFFINE), b)
        message = "is a volume of another kind; convert it to NIfTI"
    elif kind == "image":
        b = tmp_path / "mri.npy"
        np.save(b, values[0])
        message = f"{b}: is an image but {a} a volume"
    elif kind == "outside":
        options += ["--window-a=5000,6000"]
        message = f"{a}: window 5000 to 6000 shows none of its values, -"
    elif kind == "full disk":
        options += ["--allow"]
        monkeypatch.setattr(nibabel, "save", lambda *_: _raise(OSError(28, "No space left on device")))
        message = f"{output}: cannot be written (No space left on device)"
    before = b.read_bytes() if b.exists() else b""
    code, out, error = call(capsys, "fuse", a, b, "-o", output, *options)
    assert (code, out) == (2, "")
    assert message in error
    assert error.count("\n") == 1
    assert output == b or not output.exists()
    assert (b.read_bytes() if b.exists() else b"") == before


def _raise(error: Exception) -> None:
    raise error


def test_the_task_of_the_weights_is_named(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    code, _, error = call(capsys, "fuse", *files, "-o", tmp_path / "fused.nii")
    hint = "; --method light shows more of both scans"
    assert (code, error) == (0, f"w-dualmine with the package's weights for ct-mri{hint}\n")


@pytest.fixture(scope="module")
def stacks() -> tuple[np.ndarray, np.ndarray]:
    """A registered CT and MRI of 20 slices that change from one to the next."""
    pair = load_pairs("ct-mri", limit=1, data=find_data("phantom"))[0]
    y, x = np.indices(pair.image_a.shape) - 128
    masks = [np.hypot(x, y) < 30 + 4 * number for number in range(20)]
    a, b = (np.stack([m * image for m in masks], axis=2) for image in (pair.image_a, pair.image_b))
    return a, b


@pytest.mark.parametrize(
    ("order", "what"),
    [
        (np.arange(20)[::-1], "seems reversed, last slice first"),
        (np.roll(np.arange(20), 5), "seems shifted by about 5 slices toward the last"),
        (np.roll(np.arange(20), -5), "seems shifted by about 5 slices toward the first"),
    ],
)
@pytest.mark.parametrize("axis", [0, 2])
def test_slices_out_of_step_are_refused(stacks: tuple, order: np.ndarray, what: str, axis: int) -> None:
    a, b = stacks
    fuse_volumes(Volume(a), Volume(b), average, axis)
    with pytest.raises(WdualmineError, match=rf"mri.nii: {what} \(undoing.* or go on with --allow"):
        fuse_volumes(Volume(a), Volume(b[:, :, order], name="mri.nii"), average, axis)
    fuse_volumes(Volume(a), Volume(b[:, :, order]), average, axis, allow=True)


@pytest.mark.parametrize("task", ["ct-mri", "pet-mri", "spect-mri"])
def test_real_volumes_pass_and_reversed_do_not(task: str, harvard: Path) -> None:
    with (Path(__file__).parents[1] / "data_manifest" / "pairs.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == task]
    for volume in {row["volume"] for row in rows}:
        slices = sorted((row for row in rows if row["volume"] == volume), key=lambda row: int(row["slice"]))
        a, b = (
            np.stack([to_grey(read_image(harvard / row[path])) for row in slices[-40:]], axis=2)
            for path in ("path_a", "path_b")
        )
        fuse_volumes(Volume(a), Volume(b), lambda x, y: x)
        with pytest.raises(WdualmineError, match="seems"):
            fuse_volumes(Volume(a), Volume(b[..., ::-1]), average)


@pytest.mark.parametrize(
    ("fuse", "message"),
    [
        (lambda x, y: x * torch.nan, "gave NaN or infinity"),
        (lambda x, y: x[..., :1, :1], r"gave shape \(1, 1, 1, 1\)"),
        (lambda x, y: x * 300 + 1, "gave values from"),
        (lambda x, y: None, "gave NoneType"),
    ],
)
def test_what_a_function_gives_is_checked(files: tuple[Path, Path], fuse: Fuse, message: str) -> None:
    a, b = map(read_volume, files)
    with pytest.raises(WdualmineError, match=f"slice 0 of .*{message}"):
        fuse_volumes(a, b, fuse)


@pytest.mark.parametrize(
    ("a", "b", "output", "expected"),
    [
        ((9, 9, 3), (9, 9), "c.png", False),
        ((9, 9), (9, 9, 3), "c.png", False),
        ((9, 9, 3), (9, 9, 3), "c.npy", True),
        ((9, 9, 3), (9, 9, 3), "c.png", False),
        ((9, 9, 3), (9, 9, 3), "c", None),
        ((9, 9, 7), (9, 9, 3), "c", True),
        ((9, 9, 7), (9, 9), "c", "is an image but"),
    ],
)
def test_arrays_are_volumes_or_color_images(
    a: tuple, b: tuple, output: str, expected: object, tmp_path: Path
) -> None:
    paths = tmp_path / "a.npy", tmp_path / "b.npy", tmp_path / output
    for path, shape in zip(paths, (a, b), strict=False):
        np.save(path, np.zeros(shape, np.uint8))
    if isinstance(expected, bool):
        assert are_volumes(*paths) is expected
        return
    with pytest.raises(WdualmineError, match=expected or "give --color or --volume"):
        are_volumes(*paths)
    if expected is None:
        assert are_volumes(*paths, volume=True)
        assert not are_volumes(*paths, volume=False)


def test_three_slices_and_a_color_image_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    a, b = np.random.default_rng(5).integers(0, 256, (2, 20, 20, 3)).astype(np.uint8)
    paths = tmp_path / "a.npy", tmp_path / "b.npy"
    np.save(paths[0], a)
    np.save(paths[1], b)
    code, _, error = call(capsys, "fuse", *paths, "-o", tmp_path / "c.npy", "--method", "maximum")
    assert code == 0, error
    assert np.load(tmp_path / "c.npy").shape == (20, 20, 3)
    np.save(paths[1], b[..., 0])
    code, _, error = call(capsys, "fuse", *paths, "-o", tmp_path / "c.png", "--method", "maximum")
    assert code == 0, error
    assert read_image(tmp_path / "c.png").shape == (20, 20, 3)
    code, _, error = call(capsys, "fuse", *paths, "-o", tmp_path / "c.png", "--window-b=300,400")
    assert f"{paths[1]}: window 300 to 400 shows none of its values, 0 to 255" in error


def _declare(path: Path, shape: tuple[int, ...], offset: float = 352) -> Path:
    """A compressed NIfTI that declares a shape and holds none of it."""
    header = nibabel.Nifti1Header()
    header.set_data_shape(shape)
    header["vox_offset"], header["magic"] = offset, b"n+1"
    path.write_bytes(gzip.compress(header.binaryblock + bytes(4)))
    return path


def test_what_a_header_declares_is_held_against_the_file(tmp_path: Path) -> None:
    large = _declare(tmp_path / "large.nii.gz", (700, 700, 700))
    with pytest.raises(WdualmineError, match=r"not a readable volume"):
        read_volume(large)
    with pytest.raises(WdualmineError, match=r"takes 29.8 GiB, more than the limit of 2; crop or resample"):
        read_volume(_declare(large, (2000, 2000, 2000)))
    with pytest.raises(WdualmineError, match="declares a header above"):
        read_volume(_declare(large, (9, 9, 9), 1e9))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize("name", ["x.npy", "x.nii.gz"])
def test_what_is_written_follows_the_umask(name: str, files: tuple[Path, Path], tmp_path: Path) -> None:
    values = read_volume(files[0])
    before = os.umask(0o077)
    try:
        path = write_volume(tmp_path / name, values.values, Volume(values.values) if "y" in name else values)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.glob(".volume*")] == []


def test_values_are_the_same_however_they_are_stored(tmp_path: Path) -> None:
    values = np.random.default_rng(5).integers(-1000, 1500, (12, 14, 5)).astype(np.int16)
    for shape in ((12, 14, 5), (12, 14, 5, 1)):
        for slope, intercept in ((1, 0), (0.5, -3)):
            image = nibabel.Nifti1Image(values.reshape(shape), AFFINE)
            image.header.set_slope_inter(slope, intercept)
            for name in ("x.nii", "x.nii.gz"):
                nibabel.save(image, tmp_path / name)
                expected = np.asarray(nibabel.load(tmp_path / name).dataobj).reshape(12, 14, 5)
                read = read_volume(tmp_path / name).values
                assert read.dtype == expected.dtype
                np.testing.assert_array_equal(read, expected)


def test_the_distance_is_that_of_the_farthest_corner(files: tuple[Path, Path]) -> None:
    a, b = map(read_volume, files)
    assert a.affine is not None
    assert b.affine is not None
    assert distance(a.affine, b.affine, a.values.shape) == 0
    with pytest.raises(WdualmineError, match="needs a name ending in"):
        write_volume(files[0].with_suffix(".png"), a.values, a)
