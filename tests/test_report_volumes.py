"""The report on fused volumes: slices are scored as images are, planes show the patient as he lies."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from calling import call
from dicom_files import write_dicom
from PIL import Image

import wdualmine as wd
from wdualmine.data import find_data, load_pairs
from wdualmine.data.scans import show
from wdualmine.metrics import score
from wdualmine.volumes import continuity

#: From voxels that run to the left, the front and the head.
AFFINE = np.array([[-0.9, 0, 0, 110], [0, 0.9, 0, -120], [0, 0, 4.0, -30], [0, 0, 0, 1.0]])


@pytest.fixture(scope="module")
def scans() -> tuple[np.ndarray, np.ndarray]:
    """A CT in Hounsfield units and an MRI, 13 slices, the first of them empty."""
    pair = load_pairs("ct-mri", limit=1, data=find_data("phantom"))[0]
    y, x = np.indices(pair.image_a.shape) - 128
    masks = [(np.hypot(x, y) < 30 + 8 * k) * (k > 0) for k in range(13)]
    ct, mri = (
        np.stack([(mask * image)[::-2, ::2].T for mask in masks], axis=2).astype(np.int16)
        for image in (pair.image_a, pair.image_b)
    )
    return ct * 8 - 1000, mri * 4


def save(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


@pytest.fixture
def files(tmp_path: Path, scans: tuple[np.ndarray, np.ndarray]) -> list[Path]:
    """The scans and their average, in the units of the CT."""
    a, b = save(tmp_path / "ct.nii.gz", scans[0]), save(tmp_path / "mri.nii", scans[1])
    wd.fuse(a, b, "average", output=tmp_path / "fused.nii.gz")
    return [a, b, tmp_path / "fused.nii.gz"]


def report(capsys: pytest.CaptureFixture, *arguments: object) -> tuple[dict, str, str]:
    """Run the command; the record, the page and what was printed as an error."""
    output = Path(str(arguments[0])).parent / "report"
    code, out, error = call(capsys, "report", *arguments, "--metrics", "EN,CC", "-o", output)
    assert code == 0, error
    assert out.endswith(f"{output / 'report.html'}\n")
    return json.loads((output / "report.json").read_text()), (output / "report.html").read_text(), error


def test_slices_are_scored_as_images_are(
    files: list[Path], scans: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture
) -> None:
    record, page, _ = report(capsys, *files, "--name", "ours")
    ct, mri = scans
    windows = (ct.min(), ct.max()), (mri.min(), mri.max()), (ct.min(), ct.max())
    fused = np.asarray(nibabel.load(files[2]).dataobj)
    a, b, f = (
        np.moveaxis(show(volume, window, np.uint8), 2, 0)
        for volume, window in zip((ct, mri, fused), windows, strict=True)
    )
    assert record["pairs"] == [f"axial-{k:03d}" for k in range(1, 13)]
    expected = [score(*slices, ("EN", "CC")) for slices in zip(a[1:], b[1:], f[1:], strict=True)]
    for key in ("EN", "CC"):
        assert record["means"][0]["mean"][key] == pytest.approx(np.mean([row[key] for row in expected]))
    assert record["continuity"]["ours"] == pytest.approx(continuity(a, b, f))
    assert set(record["continuity"]) == {"average", "source A", "source B", "ours"}
    assert "means over 12 of 13 axial slices" in page
    assert "12 pairs of 1 volume cannot tell whether ours is better" in page
    assert "Continuity across slices" in page
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_planes_show_the_patient_whatever_the_order_of_the_axes(
    tmp_path: Path, scans: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture
) -> None:
    """A bright block at the patient's left, front and head is at the right and at the top of the planes."""
    ct = scans[0].copy()
    ct[100:110, 110:120, 10:12] = 3000
    pages = []
    for number, order in enumerate((None, "SPR")):
        folder = tmp_path / str(number)
        folder.mkdir()
        images = [nibabel.Nifti1Image(values, AFFINE) for values in (ct, scans[1])]
        if order:
            turn = nibabel.orientations.ornt_transform(
                nibabel.io_orientation(AFFINE), nibabel.orientations.axcodes2ornt(order)
            )
            images = [image.as_reoriented(turn) for image in images]
        for name, image in zip(("a.nii", "b.nii", "f.nii"), (*images, images[0]), strict=True):
            nibabel.save(image, folder / name)
        at = "--at=105,115,11" if not order else f"--at=11,{127 - 115},{127 - 105}"
        _, page, _ = report(capsys, folder / "a.nii", folder / "b.nii", folder / "f.nii", at)
        pages.append(shown(page))
    assert [title.split(",")[0] for title in pages[0]] == ["axial", "coronal", "sagittal"]
    assert list(pages[0]) == ["axial, 11 of 0 to 12", "coronal, 115 of 0 to 127", "sagittal, 105 of 0 to 127"]
    for one, other in zip(*(page.values() for page in pages), strict=True):
        np.testing.assert_array_equal(one, other)
        height, width = one.shape[:2]
        rows, columns = np.nonzero((one == 255).all(axis=2))
        assert columns.mean() > 0.75 * width
        assert rows.mean() < 0.25 * height
    axial, coronal, _ = (image.shape for image in pages[0].values())
    assert axial[:2] == (512, 512)
    assert coronal[0] / coronal[1] == pytest.approx(13 * 4 / (128 * 0.9), abs=0.01)


def shown(page: str) -> dict[str, np.ndarray]:
    """The three planes of source A, by title."""
    planes = page[page.index("Three planes") : page.index("<h2>Scores")]
    pictures = {}
    for title, picture in re.findall(r'<h3>([^<]+)</h3>.*?src="data:image/png;base64,([^"]+)"', planes, re.S):
        pictures[title] = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))))
    return pictures


def test_sources_are_brought_to_the_grid_of_the_fused_volume(
    tmp_path: Path, files: list[Path], scans: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture
) -> None:
    coarse = save(tmp_path / "coarse.nii.gz", scans[1][::2, ::2], AFFINE @ np.diag([2, 2, 1, 1]))
    for grid, count in (("a", 12), ("b", 12)):
        fused = tmp_path / f"{grid}.nii.gz"
        code, *_ = call(
            capsys, "fuse", files[0], coarse, "-o", fused, "--grid", grid, "--method", "average", "--allow"
        )
        assert code == 0
        record, _, error = report(capsys, files[0], coarse, fused, "--allow")
        assert len(record["pairs"]) == count
        assert "resampled on the grid of" in error
        assert record["means"][0]["mean"]["CC"] == pytest.approx(record["means"][1]["mean"]["CC"], abs=2e-3)


def test_dicom_series_and_arrays(
    tmp_path: Path, scans: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture
) -> None:
    for name, volume in zip(("ct", "mri"), scans, strict=True):
        (tmp_path / name).mkdir()
        np.save(tmp_path / f"{name}.npy", volume)
        for k in range(volume.shape[2]):
            pixels = np.ascontiguousarray(volume[:, ::-1, k].T)
            write_dicom(
                tmp_path / name / f"{k}.dcm", pixels, PixelSpacing=[0.9, 0.9],
                ImagePositionPatient=[-110, -120, 4 * k], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                SeriesInstanceUID=f"1.2.{len(name)}", RescaleSlope=1, RescaleIntercept=0,
            )  # fmt: skip
    wd.fuse(tmp_path / "ct", tmp_path / "mri", "maximum", output=tmp_path / "fused.nii.gz")
    series, *_ = report(capsys, tmp_path / "ct", tmp_path / "mri", tmp_path / "fused.nii.gz")
    assert "Doe^Jane" not in (tmp_path / "report" / "report.html").read_text()
    wd.fuse(tmp_path / "ct.npy", tmp_path / "mri.npy", "maximum", output=tmp_path / "fused.npy")
    arrays, *_ = report(capsys, tmp_path / "ct.npy", tmp_path / "mri.npy", tmp_path / "fused.npy")
    assert series["pairs"][0] == "axial-001"
    assert arrays["pairs"][0] == "slice-001"
    assert series["means"][0]["mean"] == pytest.approx(arrays["means"][0]["mean"], rel=1e-6)


def test_from_python(files: list[Path], tmp_path: Path) -> None:
    page = wd.report(*files, tmp_path / "out", metrics=["CC"], at=(1, 2, 3), progress=False)
    assert "sagittal, 1 of 0 to 127" in page.read_text()


MISTAKES: dict[str, tuple[list[str], str]] = {
    "axis": (["--axis", "3"], "--axis 3: choose 0, 1 or 2"),
    "outside": (["--at=1,2,13"], "--at 1,2,13: is outside the volume; give 0 to 127, 0 to 127, 0 to 12"),
    "no place": (["--at", "middle"], "--at middle: give three whole numbers X,Y,Z"),
    "window": (["--window-b=5000,6000"], "window 5000 to 6000 shows none of its values"),
    "groups": (["--groups", "x"], "--groups: is for images"),
    "8 bits": (["--to-8-bit"], "--to-8-bit: is for images"),
    "two of a name": (["FUSED"], "fused.nii.gz: is the name of a baseline, of a column or of another method"),
    "transform": (["--transform", "no.tfm"], "no.tfm: no such transform"),
    "units": ([], "holds 0 to 2000, more than source A's window of -1000 to 1040; say what to show with"),
    "empty": ([], "no slice shows anything in all volumes"),
    "grid": ([], "is on the grid of neither source; fuse onto one grid, or resample it"),
    "mirrored": ([], "seems mirrored top to bottom"),
    "image": ([], "is an image but"),
    "missing": ([], "no such volume; check the path"),
    "four dimensions": ([], "has shape (128, 128, 13, 2); a volume (X, Y, Z) is needed"),
    "NaN": ([], "holds NaN or infinite values"),
    "for volumes": (["--at=1,1,1"], "--at: is for volumes"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISTAKES)
def test_mistakes_are_one_clear_line(
    kind: str,
    files: list[Path],
    scans: tuple[np.ndarray, np.ndarray],
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    options, message = MISTAKES[kind]
    a, b, fused = files
    values: Any = np.asarray(nibabel.load(fused).dataobj)
    if kind == "units":
        values = (np.clip(values, 0, 1000) * 2).astype(np.int16)
        save(fused, np.where(values == values.max(), 2000, values).astype(np.int16))
    elif kind == "empty":
        save(fused, np.full_like(values, 5))
    elif kind == "grid":
        save(fused, values, AFFINE @ np.diag([1, 1, 1.5, 1]))
    elif kind == "mirrored":
        save(b, scans[1][::-1].copy())
    elif kind == "image":
        b = tmp_path / "mri.png"
    elif kind == "missing":
        fused.unlink()
    elif kind == "four dimensions":
        save(fused, np.stack([values, values], axis=3))
    elif kind == "NaN":
        save(fused, np.where(values == values.max(), np.nan, values).astype(np.float32))
    elif kind == "for volumes":
        a, b, fused = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    options = [str(fused) if option == "FUSED" else option for option in options]
    code, out, error = call(
        capsys, "report", a, b, fused, *options, "--metrics", "CC", "-o", tmp_path / "out"
    )
    assert (code, out) == (2, "")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_is_not_registered_is_said_where_that_is_allowed(
    files: list[Path], scans: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture
) -> None:
    save(files[1], scans[1][::-1].copy())
    record, page, _ = report(capsys, *files, "--allow")
    assert len(record["misaligned"]) == 1
    assert record["misaligned"][0].startswith("Source B seems mirrored top to bottom")
    assert "Not registered" in page
