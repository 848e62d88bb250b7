"""Scans as they come are brought into one space: by headers, registration, or a saved transform."""

import gzip
from collections.abc import Callable
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import nibabel
import numpy as np
import pytest
from calling import call
from dicom_files import write_dicom
from numpy.typing import NDArray
from scipy import ndimage

import wdualmine as wd
from wdualmine.data.images import read_image, write_image
from wdualmine.data.volumes import Volume, read_volume
from wdualmine.errors import WdualmineError
from wdualmine.registration import align
from wdualmine.registration.align import Alignment, align_images, align_volumes

sitk = pytest.importorskip("SimpleITK", reason="SimpleITK registers")

TURNED = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
SPACING = (2.0, 2.0, 3.0)


def head(points: NDArray, second: bool = False) -> NDArray:
    """A skull, a brain with ventricles off center and a tumor, at points (..., 3) in millimeters."""
    x, y, z = np.moveaxis(points, -1, 0)
    radius = np.sqrt((x / 44) ** 2 + (y / 54) ** 2 + (z / 40) ** 2)
    levels = (20, 200, 120, 60) if second else (255, 60, 30, 90)
    image = np.where(radius < 1, levels[0], 0) + np.where(radius < 0.88, levels[1] - levels[0], 0)
    for center, size, level in (((-12, 8, 5), (7, 20, 12), 2), ((17, -14, -6), (13, 9, 9), 3)):
        inside = sum(((p - c) / s) ** 2 for p, c, s in zip((x, y, z), center, size, strict=True)) < 1
        image = np.where(inside, levels[level], image)
    return image.astype(np.float32)


def rigid(degrees: tuple[float, float, float], shift: tuple[float, float, float]) -> NDArray:
    """A move (4, 4): turns about the three axes, then a shift, in millimeters."""
    move = np.eye(4)
    for (i, j), angle in zip(((1, 2), (0, 2), (0, 1)), np.radians(degrees), strict=True):
        turn = np.eye(4)
        turn[[i, j, i, j], [i, j, j, i]] = np.cos(angle), np.cos(angle), -np.sin(angle), np.sin(angle)
        move = move @ turn
    move[:3, 3] = shift
    return move


def find_package(name: str) -> Path:
    spec = find_spec(name)
    assert spec
    assert spec.origin
    return Path(spec.origin).parent


def grid(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], axes: NDArray | None = None
) -> NDArray:
    """An affine whose middle voxel is at 0."""
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if axes is None else axes) @ np.diag(spacing)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def sample(
    shape: tuple[int, int, int], affine: NDArray, move: NDArray | None = None, second: bool = False
) -> NDArray:
    """The head on a grid, moved."""
    index = np.stack([*np.indices(shape), np.ones(shape)], axis=-1)
    return head((index @ ((np.eye(4) if move is None else move) @ affine).T)[..., :3], second)


def save(path: Path, values: NDArray, affine: NDArray | None) -> Path:
    image = nibabel.Nifti1Image(values, affine)
    image.header["descrip"] = b"Doe, Jane"
    nibabel.save(image, path)
    return path


SHAPE_A, SHAPE_B = (56, 64, 34), (52, 46, 28)
AFFINE_A, AFFINE_B = grid(SHAPE_A, SPACING), grid(SHAPE_B, (2.5, 2.4, 4.0), TURNED)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A CT and an MRI of one head, in place, on grids of other size, spacing and axes."""
    folder = tmp_path_factory.mktemp("scans")
    return (
        save(folder / "ct.nii.gz", sample(SHAPE_A, AFFINE_A).astype(np.int16), AFFINE_A),
        save(folder / "mri.nii.gz", sample(SHAPE_B, AFFINE_B, second=True), AFFINE_B),
    )


@pytest.mark.parametrize("chosen", ["a", "b", "finest"])
def test_headers_bring_other_grids_together(
    chosen: str, scans: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    output = tmp_path / "fused.nii.gz"
    arguments = ("fuse", *scans, "-o", output, "--method", "average", "--grid", chosen, "--window-a=0,255")
    code, out, error = call(capsys, *arguments, "--window-b=0,255")
    assert (code, out) == (0, f"{output}\n")
    kept = scans[chosen == "b"]
    assert f"resampled on the grid of {kept} (" in error
    fused, source = nibabel.load(output), nibabel.load(kept)
    np.testing.assert_allclose(fused.affine, source.affine, atol=1e-5)
    assert fused.shape == source.shape
    assert fused.get_data_dtype() == np.int16
    assert b"Doe" not in fused.header.binaryblock
    expected = (sample(fused.shape, source.affine) + sample(fused.shape, source.affine, second=True)) / 2
    assert np.median(np.abs(np.asarray(fused.dataobj) - expected)) <= 1
    assert np.corrcoef(np.asarray(fused.dataobj).ravel(), expected.ravel())[0, 1] > 0.97


def errors(transform: Path, move: NDArray) -> NDArray:
    """How far from its place, in millimeters, a transform takes points of the head, by a known move."""
    found, flip = sitk.ReadTransform(str(transform)), np.diag([-1.0, -1.0, 1.0, 1.0])
    points = [np.array([*point, 1.0]) for point in product((-30, 0, 30), (-40, 0, 40), (-25, 0, 25))]
    back = [move @ flip @ np.append(found.TransformPoint((flip @ point)[:3].tolist()), 1) for point in points]
    return np.linalg.norm(np.subtract(back, points)[:, :3], axis=1)


@pytest.mark.parametrize("kind", ["rigid", "affine", "deformable"])
def test_a_known_move_is_undone_saved_and_used_again(
    kind: str, scans: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    move = rigid((5, -4, 8), (9, -7, 6))
    moved = save(tmp_path / "moved.nii", sample(SHAPE_B, AFFINE_B, move, second=True), AFFINE_B)
    transform, outputs = tmp_path / "mri.h5", [tmp_path / f"{name}.nii.gz" for name in "xyz"]
    arguments = ("fuse", scans[0], moved, "--method", "average", "--transform", transform, "-o")
    code, _, error = call(capsys, *arguments, outputs[0], "--register", kind)
    assert code == 0, error
    assert "at most" in error
    assert "before" in error
    assert np.median(errors(transform, np.eye(4))) > 10
    assert np.median(errors(transform, move)) < (3 if kind == "rigid" else 6)
    code, _, error = call(capsys, *arguments, outputs[1])
    assert code == 0, error
    first, second = (np.asarray(nibabel.load(output).dataobj) for output in outputs[:2])
    np.testing.assert_array_equal(first, second)
    # The other way round, too: the CT is taken to the grid of the MRI as it was moved.
    code, _, error = call(capsys, *arguments, outputs[2], "--grid", "b")
    assert code == 0, error
    expected = (sample(SHAPE_B, AFFINE_B, move) + sample(SHAPE_B, AFFINE_B, move, second=True)) / 2
    fused = np.asarray(nibabel.load(outputs[2]).dataobj)
    assert np.corrcoef(fused.ravel(), expected.ravel())[0, 1] > 0.85
    if kind == "rigid":  # the same every time
        again = tmp_path / "again.h5"
        arguments = ("fuse", scans[0], moved, "--method", "average", "--register", kind, "-o", outputs[2])
        assert call(capsys, *arguments, "--transform", again)[0] == 0
        parameters = [sitk.ReadTransform(str(path)).GetParameters() for path in (transform, again)]
        assert parameters[0] == parameters[1]


@pytest.mark.skipif(find_spec("nilearn") is None, reason="nilearn carries the template")
def test_the_template_turned_and_moved(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Grey matter on the T1 of the same template, which was turned and moved, of another spacing."""
    folder = find_package("nilearn") / "datasets" / "data"
    t1, grey = (
        nibabel.load(folder / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz")
        for kind in ("t1", "gm")
    )
    values = np.asarray(t1.dataobj)[::3, ::3, ::4].astype(np.float32)
    a = save(tmp_path / "t1.nii.gz", values, t1.affine @ np.diag([3.0, 3.0, 4.0, 1.0]))
    # A point x of the moved scan shows the template at move x, so the transform is the move's inverse.
    move, shape = rigid((4, -3, 6), (6, -8, 5)), (70, 60, 50)
    affine = grid(shape, (3.0, 3.4, 3.2), TURNED)
    affine[:3, 3] += (0, -18, 10)
    place = np.linalg.inv(grey.affine) @ move @ affine
    moved = ndimage.affine_transform(np.asarray(grey.dataobj, np.float32), place, output_shape=shape, order=1)
    b = save(tmp_path / "grey.nii.gz", moved, affine)
    transform = tmp_path / "b.tfm"
    arguments = ("fuse", a, b, "-o", tmp_path / "fused.nii.gz", "--method", "average", "--window-b=0,1")
    code, _, error = call(capsys, *arguments, "--register", "rigid", "--transform", transform)
    assert code == 0, error
    assert np.median(errors(transform, move)) < 3.0  # the smallest voxel of the two
    assert nibabel.load(tmp_path / "fused.nii.gz").shape == shape


def series(folder: Path, values: NDArray, spacing: tuple[float, float, float], **changed: object) -> Path:
    """A DICOM series whose names run against its places."""
    folder.mkdir(exist_ok=True)
    uid = changed.pop("uid", "1.2.826.0.1.3680043.8.498.1")
    tilt = changed.pop("tilt", 0.0)
    for number in range(values.shape[2]):
        fields = {
            "SeriesInstanceUID": uid,
            "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.9",
            "PixelSpacing": [spacing[1], spacing[0]],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "ImagePositionPatient": [-10, -20 + tilt * number, 30 + spacing[2] * number],
            "FrameOfReferenceUID": "1.2.3",
            "InstanceNumber": 1 + (7 * number) % values.shape[2],
            "RescaleSlope": 1,
            "RescaleIntercept": -1000,
        }
        pixels = np.ascontiguousarray(values[..., number].T.astype(np.int16))
        write_dicom(folder / f"{uid[-1]}{99 - number}.dcm", pixels, **fields | changed)
    return folder


def test_a_series_is_read_in_the_order_of_its_places(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    values = np.random.default_rng(5).integers(0, 2000, (12, 10, 6))
    folder = series(tmp_path / "ct", values, (0.5, 0.75, 2.5))
    read = read_volume(folder)
    np.testing.assert_array_equal(read.values, values - 1000)
    expected = np.diag([-0.5, -0.75, 2.5, 1])
    expected[:3, 3] = 10, 20, 30
    assert read.affine is not None
    np.testing.assert_allclose(read.affine, expected, atol=1e-6)
    mri = save(tmp_path / "mri.nii", values.astype(np.float32), expected)
    output = tmp_path / "fused.nii.gz"
    code, _, error = call(capsys, "fuse", folder, mri, "-o", output, "--method", "average")
    assert (code, error) == (0, "")
    fused = nibabel.load(output)
    np.testing.assert_allclose(fused.affine, expected, atol=1e-5)
    assert b"Doe" not in output.read_bytes() + gzip.decompress(output.read_bytes())
    np.testing.assert_array_equal(wd.fuse(folder, mri, "average"), np.asarray(fused.dataobj))


SERIES: dict[str, tuple[Callable[[Path, NDArray], object], str]] = {
    "empty": (lambda folder, _: folder.mkdir(), "holds no DICOM series; give a folder of DICOM slices"),
    "two series": (
        lambda f, v: (series(f, v, (1, 1, 2)), series(f, v[..., :2], (1, 1, 2), uid="1.2.3.2")),
        r"holds 2 series \(\d and \d slices\); put each in a folder of its own",
    ),
    "one slice": (lambda f, v: series(f, v[..., :1], (1, 1, 2)), "holds one slice; give a series of several"),
    "missing": (
        lambda f, v: (series(f, v, (1, 1, 2)), (f / "197.dcm").unlink()),
        r"its slices are not evenly spaced \(4 mm from 32 to 36, else 2\), so one may be missing",
    ),
    "phases": (
        lambda f, v: series(f, v, (1, 1, 2), ImagePositionPatient=[0, 0, 30]),
        r"has two slices at one place \(30 mm\)",
    ),
    "tilt": (lambda f, v: series(f, v, (1, 1, 2), tilt=0.5), "with the gantry tilted by 14.0 degrees"),
    "no place": (
        lambda f, v: series(f, v, (1, 1, 2), ImagePositionPatient=None),
        "has slices that do not say where they are",
    ),
    "no spacing": (
        lambda f, v: series(f, v, (1, 1, 2), PixelSpacing=[0, 1]),
        r"its geometry is unusable \(pixel spacing 0 x 1 mm\)",
    ),
}


@pytest.mark.parametrize("kind", SERIES)
def test_a_series_of_no_use_is_one_clear_line(
    kind: str, tmp_path: Path, scans: tuple[Path, Path], capfd: pytest.CaptureFixture
) -> None:
    make, message = SERIES[kind]
    make(tmp_path / "ct", np.random.default_rng(5).integers(0, 2000, (12, 10, 6)))
    code, out, error = call(
        capfd, "fuse", tmp_path / "ct", scans[1], "-o", tmp_path / "o.nii", "--method", "average"
    )
    assert (code, out) == (2, "")
    assert error.count("\n") == 1, error
    with pytest.raises(WdualmineError, match=message):
        raise WdualmineError(error)


def patch(path: Path, **fields: object) -> Path:
    """Write fields of a header as they are, right or wrong."""
    raw = path.read_bytes()
    header = nibabel.Nifti1Header(raw[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.structarr.tobytes() + raw[348:])
    return path


HOSTILE: dict[str, tuple[dict[str, object], str | None]] = {
    "spacing of zero": (
        {"sform_code": 0, "qform_code": 1, "pixdim": [1, 2, 0, 3, 1, 1, 1, 1]},
        "has a spacing of 2 x 0 x 3 mm; export it again",
    ),
    "spacing of NaN": (
        {"sform_code": 0, "qform_code": 1, "pixdim": [1, 2, np.nan, 3, 1, 1, 1, 1]},
        "has a spacing of 2 x nan x 3 mm",
    ),
    "negative spacing": ({"sform_code": 0, "qform_code": 1, "pixdim": [1, -2, -2, -3, 1, 1, 1, 1]}, None),
    "NaN affine": ({"srow_x": np.nan}, "its affine holds NaN or infinity"),
    "flat affine": ({"srow_x": 0}, "its affine has a spacing of 0 or parallel axes"),
    "no codes": ({"sform_code": 0, "qform_code": 0}, "its header does not say how it lies"),
    "wrong codes": (
        {"sform_code": 99},
        "orientation codes 0 .qform. and 99 .sform., not 0 to 5",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_header_is_one_clear_line_or_read_right(
    kind: str, scans: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    fields, message = HOSTILE[kind]
    affine = grid((30, 30, 12), (2.0, 2.0, 3.0))
    b = patch(save(tmp_path / "mri.nii", sample((30, 30, 12), affine, second=True), affine), **fields)
    code, out, error = call(capsys, "fuse", scans[0], b, "-o", tmp_path / "o.nii", "--method", "average")
    if message is None:
        assert code == 0, error
        assert "resampled on the grid of" in error
        return
    assert (code, out, error.count("\n")) == (2, "", 1)
    with pytest.raises(WdualmineError, match=message):
        raise WdualmineError(error)


def test_no_overlap_few_slices_and_arrays(
    scans: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    far = AFFINE_B.copy()
    far[0, 3] += 900
    values = sample(SHAPE_B, AFFINE_B, second=True)
    cases = {
        "does not overlap": (save(tmp_path / "far.nii", values, far), ()),
        "is constant or too small (20 x 20 x 1;": (
            save(tmp_path / "one.nii", values[:20, :20, 14:15], AFFINE_B),
            ("--register", "rigid"),
        ),
        "has no spacing or place; save it as NIfTI": (tmp_path / "array.npy", ()),
        "choose rigid, affine or deformable": (scans[1], ("--register", "elastic")),
        "choose a, b or finest": (scans[1], ("--grid", "c")),
        "no such transform; give --register to make it": (scans[1], ("--transform", tmp_path / "t.tfm")),
        "needs a name ending in .tfm or .h5": (scans[1], ("--transform", tmp_path / "t.txt")),
        "not a readable transform": (scans[1], ("--transform", tmp_path / "broken.tfm")),
        "is no transform of 3 dimensions": (scans[1], ("--transform", tmp_path / "flat.tfm")),
    }
    np.save(tmp_path / "array.npy", values)
    (tmp_path / "broken.tfm").write_text("#Insight Transform File V1.0\nTransform: nothing\n")
    sitk.WriteTransform(sitk.Euler2DTransform(), str(tmp_path / "flat.tfm"))
    for message, (b, options) in cases.items():
        arguments = ("fuse", scans[0], b, "-o", tmp_path / "o.nii", "--method", "average", *options)
        code, out, error = call(capsys, *arguments)
        assert (code, out, error.count("\n")) == (2, "", 1), (message, error)
        assert message in error
    arguments = ("fuse", scans[0], tmp_path / "far.nii", "-o", tmp_path / "o.nii", "--method", "average")
    code, _, error = call(capsys, *arguments, "--register", "rigid", "--allow")  # centers on each other
    assert code == 0, error


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64, ">i2"])
def test_every_type_of_values_is_resampled_and_kept(kind: object) -> None:
    volumes = [
        Volume(sample(shape, affine, second=second).astype(kind), affine, name=str(second))
        for shape, affine, second in ((SHAPE_A, AFFINE_A, False), (SHAPE_B, AFFINE_B, True))
    ]
    a, b, said = align_volumes(*volumes, Alignment(grid="b"))
    assert a.values.shape == b.values.shape == SHAPE_B
    assert (a.values.dtype, b.values.dtype) == (np.dtype(kind).newbyteorder("="),) * 2
    assert said.startswith("False: resampled on the grid of True")
    same, other, said = align_volumes(a, b, Alignment())
    assert (same, other, said) == (a, b, "")


def test_frames_of_reference_that_differ_are_refused() -> None:
    values = sample(SHAPE_A, AFFINE_A)
    a, b = Volume(values, AFFINE_A, frame="1"), Volume(values[1:], AFFINE_A, name="mri", frame="2")
    with pytest.raises(WdualmineError, match="mri: has another frame of reference"):
        align_volumes(a, b, Alignment())
    assert align_volumes(a, b, Alignment(), allow=True)[0].values.shape == SHAPE_A
    with pytest.raises(WdualmineError, match="has another frame of reference"):
        align_volumes(a, Volume(values, AFFINE_A, frame="2"), Alignment())


@pytest.fixture(scope="module")
def pair() -> tuple[NDArray, NDArray]:
    found = wd.load_pairs("ct-mri", limit=1, data="phantom")[0]
    return found.image_a, found.image_b


def moved_image(image: NDArray) -> NDArray:
    """An image turned by 7 degrees about its center and shifted by 12 pixels down, 9 to the right."""
    channels = image[..., None] if image.ndim == 2 else image
    turned = ndimage.rotate(channels, 7, reshape=False, order=1)
    return ndimage.shift(turned, (12, 9, 0), order=1).reshape(image.shape)


def test_images_that_are_refused_are_registered(
    pair: tuple[NDArray, NDArray], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    a, b = write_image(tmp_path / "ct.png", pair[0]), write_image(tmp_path / "mri.png", moved_image(pair[1]))
    arguments = ("fuse", a, b, "-o", tmp_path / "o.png", "--method", "average")
    code, _, error = call(capsys, *arguments)
    assert code == 2
    assert "; try --register rigid, or go on with --allow" in error
    code, _, error = call(capsys, *arguments, "--register", "rigid")
    assert code == 0
    assert error.startswith(f"{b}: moved by 1")
    assert "normalized mutual information" in error
    wanted = wd.fuse(*pair, "average")
    registered, as_moved = read_image(tmp_path / "o.png"), wd.fuse(a, b, "average", allow=True)
    assert np.corrcoef(registered.ravel(), wanted.ravel())[0, 1] > 0.98
    assert np.corrcoef(as_moved.ravel(), wanted.ravel())[0, 1] < 0.95
    np.testing.assert_array_equal(wd.fuse(a, b, "average", register="rigid"), registered)


def test_a_registration_that_goes_astray_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that moves the second source away from where it was."""
    import SimpleITK

    pair = wd.load_pairs("ct-mri", limit=1, data="phantom")[0]
    images = pair.image_a, pair.image_b
    away = SimpleITK.Euler2DTransform((0.0, 0.0), 0.0, (60.0, 20.0))
    monkeypatch.setattr(align, "find_transform", lambda *_: away)
    with pytest.raises(WdualmineError, match=r"image B: moved by .* a worse match; .* or go on with --allow"):
        wd.fuse(*images, "average", register="rigid")
    assert wd.fuse(*images, "average", register="rigid", allow=True).shape == pair.image_a.shape


def test_a_source_that_hardly_covers_the_grid_is_refused() -> None:
    pair = wd.load_pairs("ct-mri", limit=1, data="phantom")[0]
    with pytest.raises(WdualmineError, match=r"image B: covers 0.4% of image A .*; crop both to one part"):
        align_images(pair.image_a, pair.image_b[100:116, 100:116], Alignment("rigid", "a"), allow=True)


def test_color_and_other_sizes_are_registered_by_luma() -> None:
    found = wd.load_pairs("pet-mri", limit=1, data="phantom")[0]
    color = np.ascontiguousarray(np.pad(moved_image(found.image_a), ((0, 0), (8, 8), (0, 0))))
    mri, warped, said = align_images(found.image_b, color, Alignment("rigid"))
    np.testing.assert_array_equal(mri, found.image_b)
    assert (warped.shape, warped.dtype) == (found.image_a.shape, np.uint8)
    assert "image B: moved by" in said
    for channel in range(3):
        one, other = warped[..., channel].ravel(), found.image_a[..., channel].ravel()
        assert np.corrcoef(one, other)[0, 1] > 0.97
    output = wd.fuse(color, found.image_b, "average", register="rigid", allow=True, grid="b")
    assert output.shape == found.image_a.shape
