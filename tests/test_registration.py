"""Evident misalignment is seen; registered pairs pass."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from calling import call
from numpy.typing import NDArray
from scipy import ndimage

from wdualmine.data import Pair, find_data, load_pairs
from wdualmine.data.images import read_image, write_image
from wdualmine.errors import WdualmineError
from wdualmine.registration.check import misalignment, require_registered

MOVES: dict[str, tuple[Callable[[NDArray], NDArray], str]] = {
    "mirrored": (lambda x: x[:, ::-1], "mirrored left to right"),
    "flipped": (lambda x: x[::-1], "mirrored top to bottom"),
    "turned": (lambda x: x[::-1, ::-1], "turned by 180 degrees"),
    "left": (lambda x: np.rot90(x), "turned by 90 degrees to the left"),
    "tilted": (
        lambda x: ndimage.rotate(x, 15, reshape=False, order=1),
        "turned by about 15 degrees to the left",
    ),
    "shifted": (lambda x: np.roll(x, (-24, 16), (0, 1)), "pixels up and 16 pixels right"),
}


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return load_pairs("ct-mri", limit=3, data=find_data("phantom"))


def test_registered_pairs_pass(pairs: list[Pair]) -> None:
    for pair in pairs:
        assert misalignment(pair.image_a, pair.image_b) is None
        require_registered(pair.image_a, pair.image_b, ("a", "b"))


@pytest.mark.parametrize("shape", [(64, 2000), (64, 9000), (9000, 64), (64, 500)])
def test_a_strip_is_too_narrow_to_tell(shape: tuple[int, int], rng: np.random.Generator) -> None:
    noise = rng.integers(0, 256, (2, *shape)).astype(np.uint8)
    assert misalignment(*noise) is None


@pytest.mark.parametrize("move", MOVES)
def test_a_moved_source_is_named_with_what_it_seems(pairs: list[Pair], move: str) -> None:
    change, what = MOVES[move]
    pair = pairs[0]
    found = misalignment(pair.image_a, np.ascontiguousarray(change(pair.image_b)))
    assert found is not None
    assert what in found.what
    assert found.moved > found.given


def test_of_any_type_and_size(pairs: list[Pair]) -> None:
    a, b = pairs[0].image_a, np.ascontiguousarray(pairs[0].image_b[:, ::-1])
    color = np.stack([a, a // 2, a // 3], axis=-1)
    for first, second in ((a.astype(np.uint16) * 257, b), (a, b / 255), (color, b), (a[:, 3:], b[:, 3:])):
        assert misalignment(first, second) is not None
    assert misalignment(a[:30, :40], b[:30, :40]) is None  # too small to tell
    flat = np.full((64, 64), 9, np.uint8)
    assert misalignment(flat, flat) is None


def test_noise_is_not_called_misaligned() -> None:
    for seed in range(5):
        a, b = np.random.default_rng(seed).integers(0, 256, (2, 96, 80)).astype(np.uint8)
        assert misalignment(a, b) is None


def test_a_float_image_out_of_range_is_named() -> None:
    image = np.random.default_rng(0).random((70, 70))
    with pytest.raises(WdualmineError, match=r"^mri\.tif: float pixels from"):
        require_registered(image, image * 300, ("ct.tif", "mri.tif"))


def test_other_sizes_are_left_to_fusing() -> None:
    require_registered(np.zeros((64, 64), np.uint8), np.zeros((64, 60), np.uint8), ("a", "b"))


def test_fuse_and_report_say_so_and_go_on_with_allow(
    pairs: list[Pair], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    pair = pairs[0]
    a, b, output = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "fused.png"
    write_image(a, pair.image_a)
    write_image(b, np.ascontiguousarray(pair.image_b[::-1]))
    code, _, error = call(capsys, "fuse", a, b, "-o", output, "--method", "average")
    assert code == 2
    assert error.startswith(f"error: {b}: seems mirrored top to bottom (undoing that raises the normalized")
    assert error.endswith("; undo that, or go on with --allow\n")
    assert not output.exists()
    code, _, error = call(capsys, "fuse", a, b, "-o", output, "--method", "average", "--allow")
    assert code == 0, error
    assert read_image(output).shape == pair.image_b.shape

    report = ("report", a, b, output, "-o", tmp_path / "report", "--metrics", "CC")
    code, _, error = call(capsys, *report)
    assert code == 2
    assert "seems mirrored top to bottom" in error
    code, _, error = call(capsys, *report, "--allow")
    assert code == 0, error
    assert (
        "Source B of pair fused seems mirrored top to bottom"
        in (tmp_path / "report" / "report.html").read_text()
    )


@pytest.mark.parametrize("task", ["ct-mri", "pet-mri", "spect-mri"])
def test_the_real_pairs_pass(task: str, harvard: Path) -> None:
    for pair in load_pairs(task, data=harvard):
        assert misalignment(pair.image_a, pair.image_b) is None, pair.name


def test_the_message_names_both(pairs: list[Pair]) -> None:
    with pytest.raises(WdualmineError, match=r"^mri: seems mirrored .* against ct; undo that"):
        require_registered(pairs[0].image_a, np.ascontiguousarray(pairs[0].image_b[::-1]), ("ct", "mri"))
