"""Volumes in the page *Try it*: fused as on the command line, in three planes, mistakes in one sentence."""

import base64
import gzip
import json
import re
import shlex
import struct
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import nibabel
import numpy as np
import pytest
from calling import call
from try_page import PATIENCE, choose, drop, open_page, wait

from wdualmine.data import find_data, load_pairs

#: Turned, anisotropic, the first axis to the back and the second to the right.
AFFINE = np.array([[0, 0.9, 0, -60.0], [-0.8, 0, 0, 50], [0, 0, 4.0, -20], [0, 0, 0, 1]])
PAGE = "#fusion-page"


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A CT in Hounsfield units, packed, and an MRI of floats; 6 slices."""
    folder = tmp_path_factory.mktemp("volumes")
    pair = load_pairs("ct-mri", limit=1, data=find_data("phantom"))[0]
    y, x = np.indices(pair.image_a.shape) - 128
    masks = [np.hypot(x, y) < 60 + 12 * number for number in range(6)]
    # Rows run to the back and columns, of an image to the patient's left, to the right.
    ct, mri = (
        np.stack([(m * image)[::2, ::-2] for m in masks], axis=2) for image in (pair.image_a, pair.image_b)
    )
    paths = folder / "ct.nii.gz", folder / "mri.nii"
    image = nibabel.Nifti1Image(ct.astype(np.int16) * 8 - 1000, AFFINE)
    image.header["descrip"] = b"Doe, Jane"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Doe, Jane"))
    nibabel.save(image, paths[0])
    nibabel.save(nibabel.Nifti1Image(mri.astype(np.float32) * 3.5, AFFINE), paths[1])
    return paths


def save(tab: Any, path: Path) -> nibabel.Nifti1Image:
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Save the fused volume").click()
    download.value.save_as(path)
    return nibabel.load(path)


def canvases(tab: Any) -> list[np.ndarray]:
    """The pixels of the axial, the coronal and the sagittal plane."""
    script = "[...document.querySelectorAll('.planes canvas')].map(canvas => canvas.toDataURL())"
    pictures = (base64.b64decode(url.partition(",")[2]) for url in tab.evaluate(script))
    return [imageio.imread(picture, mode="L") for picture in pictures]


def test_volumes_fuse_as_on_the_command_line(
    tab: Any,
    address: str,
    scans: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    """The command that the page shows is run, and makes the file that the page saves."""
    open_page(tab, address)
    drop(tab, *scans)
    wait(tab)
    assert tab.locator(".planes canvas").count() == 3
    assert not tab.locator(f"{PAGE} .results").is_visible()
    monkeypatch.chdir(scans[0].parent)
    for method, slider, value, window in (
        ("light", "λ", 0.7, ""),
        ("maximum", None, 0, "-200, 300"),
        ("laplacian-pyramid", "Blend", 0.35, "-40000,300"),
    ):
        choose(tab, "Method", method)
        if window:
            tab.evaluate(f"document.querySelector('{PAGE}').dataset.scored = ''")
            field = tab.get_by_label("Window of image A")
            field.fill(window)
            field.press("Enter")
            wait(tab)
        if slider:
            input_ = tab.get_by_label(re.compile(f"^{slider}"))
            input_.evaluate("(i, v) => { i.value = v; i.dispatchEvent(new Event('input')); }", str(value))
            option = f"--{'residual-scale' if slider == 'λ' else 'blend'} {value}"
            tab.wait_for_selector(f"{PAGE} .volume pre.command:has-text({json.dumps(option)})")
        page = save(tab, tmp_path / f"{method}.nii.gz")
        program, *arguments = shlex.split(tab.inner_text(f"{PAGE} .volume pre.command"))
        assert program == "wdualmine"
        code, _, error = call(capsys, *arguments)
        assert code == 0, error
        fused = nibabel.load("fused.nii.gz")
        assert page.get_data_dtype() == fused.get_data_dtype()
        np.testing.assert_array_equal(page.affine, fused.affine)
        assert page.header.get_xyzt_units() == fused.header.get_xyzt_units()
        difference = np.abs(np.asarray(page.dataobj, float) - np.asarray(fused.dataobj))
        low, high = map(float, window.split(",")) if window else (-1000, 1040)
        assert difference.max() <= max(1, 1e-4 * (high - low)), method
        assert b"Doe" not in gzip.decompress((tmp_path / f"{method}.nii.gz").read_bytes())[:400]
        assert not page.header.extensions


def test_planes_show_the_patient_and_cross_where_the_reader_points(
    tab: Any, address: str, scans: tuple[Path, Path], tmp_path: Path
) -> None:
    open_page(tab, address)
    drop(tab, *scans)
    wait(tab)
    choose(tab, "Method", "average")
    tab.get_by_label("Show", exact=True).select_option("a")
    values = (np.asarray(nibabel.load(scans[0]).dataobj) + 1000) / 8.0
    tab.wait_for_timeout(100)
    axial, coronal, sagittal = canvases(tab)
    # Up are the front and the head, to the right the patient's left and, of the sagittal plane, the front.
    np.testing.assert_allclose(axial, values[:, ::-1, 3], atol=1)
    np.testing.assert_allclose(coronal, values[64, ::-1, ::-1].T, atol=1)
    np.testing.assert_allclose(sagittal, values[::-1, 64, ::-1].T, atol=1)
    frames = tab.locator(".planes .frame")
    box = frames.nth(1).bounding_box()
    assert box["width"] / box["height"] == pytest.approx(128 * 0.9 / (6 * 4), rel=0.02)
    place = tab.locator(".planes .place")
    assert place.inner_text().startswith("Voxel 64, 64, 3 (")
    assert f"A {values[64, 64, 3] * 8 - 1000:.4g}".replace("-", "−") in place.inner_text()
    frames.nth(0).scroll_into_view_if_needed()
    box = frames.nth(0).bounding_box()
    tab.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] * (20.5 / 128), box["y"] + box["height"] * (100.5 / 128))
    tab.mouse.up()
    tab.wait_for_selector(".planes .place:has-text('Voxel 100, 107, 3 (')")
    np.testing.assert_allclose(canvases(tab)[1], values[100, ::-1, ::-1].T, atol=1)
    frames.nth(0).focus()
    for key, voxel in (
        ("ArrowRight", "100, 106, 3"), ("ArrowUp", "99, 106, 3"), ("PageUp", "99, 106, 4"),
        ("Shift+ArrowLeft", "99, 116, 4"), ("Shift+PageUp", "99, 116, 5"), ("PageUp", "99, 116, 5"),
    ):  # fmt: skip
        frames.nth(0).press(key)
        tab.wait_for_selector(f".planes .place:has-text('Voxel {voxel} (')")
    frames.nth(2).focus()
    frames.nth(2).press("ArrowDown")
    tab.wait_for_selector(".planes .place:has-text('Voxel 99, 116, 4 (')")


def test_a_finger_moves_the_cross(tab: Any, address: str, scans: tuple[Path, Path]) -> None:
    open_page(tab, address)
    drop(tab, *scans)
    wait(tab)
    frame = tab.locator(".planes .frame").nth(0)
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    session = tab.context.new_cdp_session(tab)
    for kind, at in (("touchStart", 0.5), ("touchMove", 0.3), ("touchMove", 0.25)):
        point = {"x": box["x"] + box["width"] * at, "y": box["y"] + box["height"] * at}
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    tab.wait_for_function("wdualminePage.planes.place.every((v, k) => Math.abs(v - [32, 95, 3][k]) <= 1)")


def change(source: Path, path: Path, at: int, form: str, *values: float) -> Path:
    """A copy of a volume, unpacked, with other bytes in its header."""
    content = source.read_bytes()
    content = bytearray(gzip.decompress(content) if source.suffix == ".gz" else content)
    struct.pack_into(f"<{form}", content, at, *values)
    path.write_bytes(content)
    return path


HOSTILE = {
    "no NIfTI file; export it again": (344, "4s", b"nope"),
    "keeps its values in another file": (344, "4s", b"ni1\0"),
    "is NIfTI-2": (0, "i", 540),
    "has shape (128, 128); a volume (X, Y, Z) is needed": (40, "h", 2),
    "has shape (64, 128, 6, 2); a volume (X, Y, Z) is needed": (40, "5h", 4, 64, 128, 6, 2),
    "has shape (128, -3, 6); a volume": (44, "h", -3),
    "holds one slice": (46, "h", 1),
    "32000 × 32000 × 6 voxels are too many for the page": (42, "2h", 32000, 32000),
    "not a readable volume (it ends too early": (46, "h", 60),
    "holds colors": (70, "h", 128),
    "holds complex numbers": (70, "h", 32),
    "holds values of type 77": (70, "h", 77),
    "declares a header of NaN bytes": (108, "f", float("nan")),
    "has a slope but no intercept": (112, "2f", 2, float("inf")),
    "has the orientation codes 0 (qform) and 9 (sform)": (252, "2h", 0, 9),
    "its affine holds NaN or infinity": (280, "f", float("nan")),
    "its affine has a spacing of 0 or parallel axes": (280, "4f", 0, 0, 0, 0),
    "holds NaN or infinite values": (352, "f", float("nan")),
}


def test_hostile_files_are_one_sentence_and_old_results_leave(
    tab: Any, address: str, scans: tuple[Path, Path], tmp_path: Path
) -> None:
    open_page(tab, address)
    choose(tab, "Method", "average")
    hostile = {
        message: change(scans[1], tmp_path / f"bad-{number}.nii", *how)
        for number, (message, how) in enumerate(HOSTILE.items())
    }
    flat = change(scans[1], tmp_path / "spacing.nii", 254, "h", 0)  # no matrix, then no code at all
    for message, how in {
        "has a spacing of 0 x 0 x 0 mm": (76, "4f", 1, 0, 0, 0),
        "spacing of NaN x": (80, "f", float("nan")),
    }.items():
        hostile[message] = change(flat, tmp_path / f"{len(hostile)}.nii", *how)
    constant = nibabel.Nifti1Image(np.full((8, 8, 8), 7, np.uint8), AFFINE)
    nibabel.save(constant, tmp_path / "constant.nii.gz")
    hostile["the volume is constant"] = tmp_path / "constant.nii.gz"
    damaged = bytearray(scans[0].read_bytes())
    damaged[200:260] = bytes(60)
    (tmp_path / "damaged.nii.gz").write_bytes(damaged)
    hostile["not a readable volume (it ends too early or is damaged)"] = tmp_path / "damaged.nii.gz"
    (tmp_path / "short.nii.gz").write_bytes(scans[0].read_bytes()[:300])
    hostile["short.nii.gz: not a readable volume"] = tmp_path / "short.nii.gz"
    (tmp_path / "empty.nii").write_bytes(b"")
    hostile["empty.nii: not a readable volume"] = tmp_path / "empty.nii"
    moved = nibabel.load(scans[1])
    nibabel.save(nibabel.Nifti1Image(moved.dataobj[:], AFFINE + np.eye(4, k=3)), tmp_path / "moved.nii")
    command = "wdualmine fuse ct.nii.gz moved.nii -o fused.nii.gz"
    hostile[f"moved.nii: is on another grid than ct.nii.gz; bring them onto one with: {command}"] = (
        tmp_path / "moved.nii"
    )
    image = scans[1].with_suffix(".png")
    imageio.imwrite(image, np.eye(9, dtype=np.uint8) * 255)
    hostile["one is a volume, the other an image; choose two of a kind"] = image
    drop(tab, *scans)
    wait(tab)
    for message, path in hostile.items():
        drop(tab, scans[0], path)
        tab.wait_for_selector(
            f"{PAGE} .message:has-text({json.dumps(message, ensure_ascii=False)})", timeout=PATIENCE
        )
        assert "\n" not in tab.inner_text(f"{PAGE} .message:not(.warning)")
        assert not tab.locator(f"{PAGE} .volume").is_visible()
        assert not tab.locator(f"{PAGE} .results").is_visible()
    drop(tab, *scans)
    wait(tab)
    assert tab.inner_text(f"{PAGE} .message:not(.warning)") == ""
    assert tab.locator(f"{PAGE} .planes").is_visible()
    field = tab.get_by_label("Window of image B")
    for window, message in (("9,1", "give two numbers LOW,HIGH"), ("5000,6000", "shows none of its values")):
        field.fill(window)
        field.press("Enter")
        tab.wait_for_selector(f"{PAGE} .message:has-text({json.dumps(message, ensure_ascii=False)})")
        assert not tab.locator(f"{PAGE} .planes").is_visible()
    field.fill("")
    field.press("Enter")
    tab.wait_for_selector(f"{PAGE} .planes", state="visible")
    assert tab.inner_text(f"{PAGE} .message:not(.warning)") == ""


def test_any_order_of_bytes_and_any_axes(
    tab: Any, address: str, scans: tuple[Path, Path], tmp_path: Path
) -> None:
    """Big-endian integers with a slope, a quaternion in place of a matrix, slices along the first axis."""
    open_page(tab, address)
    choose(tab, "Method", "maximum")
    paths = []
    for path in scans:
        image = nibabel.load(path).as_reoriented(np.array([[1, 1], [2, -1], [0, 1]]))
        values = np.asarray(image.dataobj)
        header = nibabel.Nifti1Header(endianness=">")
        header.set_data_dtype(">i2")
        made = nibabel.Nifti1Image((values / 2).astype(np.int16), None, header)
        made.header.set_slope_inter(2, 1)
        made.set_qform(image.affine, 1)
        made.set_sform(None, 0)
        paths.append(tmp_path / path.name)
        nibabel.save(made, paths[-1])
    drop(tab, *paths)
    wait(tab)
    page = save(tab, tmp_path / "page.nii.gz")
    assert page.header.endianness == ">"
    first = nibabel.load(paths[0])
    np.testing.assert_allclose(page.affine, first.affine, atol=1e-5)
    windows = [(v.min(), v.max()) for v in (np.asarray(nibabel.load(path).dataobj) for path in paths)]
    a, b = (
        (np.asarray(nibabel.load(path).dataobj) - low) / (high - low)
        for path, (low, high) in zip(paths, windows, strict=True)
    )
    low, high = windows[0]
    np.testing.assert_allclose(page.dataobj, np.maximum(a, b) * (high - low) + low, atol=1e-3)


def test_a_volume_goes_when_images_come(tab: Any, address: str, scans: tuple[Path, Path]) -> None:
    open_page(tab, address)
    choose(tab, "Method", "average")
    drop(tab, *scans)
    wait(tab)
    pair = tab.get_by_label("Pair", exact=True).locator("option").first.get_attribute("value")
    choose(tab, "Pair", pair)
    assert tab.locator(f"{PAGE} .results").is_visible()
    assert not tab.locator(f"{PAGE} .volume").is_visible()
    choose(tab, "Pair", "own")
    assert tab.locator(f"{PAGE} .planes").is_visible()
    assert not tab.get_by_label("Stretch to the full range").is_visible()


def test_volumes_are_chosen_one_by_one(tab: Any, address: str, scans: tuple[Path, Path]) -> None:
    open_page(tab, address)
    choose(tab, "Method", "average")
    image = scans[1].with_suffix(".png")
    imageio.imwrite(image, np.eye(64, dtype=np.uint8) * 255)
    drop(tab, image, image)
    wait(tab)
    tab.get_by_label("Your image or volume A").set_input_files(scans[0])
    tab.wait_for_selector(f"{PAGE} .status:has-text('Choose or drop the other image')")
    assert tab.inner_text(f"{PAGE} .message:not(.warning)") == ""
    tab.get_by_label("Your image or volume B").set_input_files(scans[1])
    wait(tab)
    assert tab.locator(f"{PAGE} .planes").is_visible()
