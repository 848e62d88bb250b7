"""The edge: any size and pixel type in, the same out; worked values of the average; the methods."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tolerances import TOLERANCES

from wdualmine import fuse_with
from wdualmine.data import load_pairs
from wdualmine.errors import WdualmineError
from wdualmine.evaluation import Candidate, evaluate
from wdualmine.fusion import fuse_images
from wdualmine.methods import CLASSICAL, average, get_method, load_model, maximum
from wdualmine.metrics import score
from wdualmine.model import ModelConfig, WDualMine
from wdualmine.records import Run

METHODS = [method.fuse for method in CLASSICAL.values() if method.fuse]


@pytest.fixture(scope="module")
def network() -> WDualMine:
    torch.manual_seed(0)
    return WDualMine(ModelConfig(widths=(4, 4, 8, 8))).eval()


@pytest.mark.parametrize("shape", [(256, 256), (1, 1), (17, 33), (100, 7), (31, 240)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("color", [False, True])
def test_size_and_type_out_as_in(
    shape: tuple, dtype: type, color: bool, network: WDualMine, rng: np.random.Generator
) -> None:
    scale = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    a = (rng.random((*shape, 3) if color else shape) * scale).astype(dtype)
    b = (rng.random(shape) * scale).astype(dtype)
    for fuse in (fuse_with(network), *METHODS):
        fused = fuse_images(a, b, fuse)
        assert fused.shape == a.shape
        assert fused.dtype == dtype
        assert np.isfinite(fused).all()
        assert fused.min() >= 0
        assert fused.max() <= scale


def test_what_a_function_gives_is_checked(rng: np.random.Generator) -> None:
    a, b = rng.random((2, 16, 16)).astype(np.float32)
    for wrong, message in (
        ("average", "fuse 'average': give a function"),
        (lambda x, y: average(x, y) * 255, r"gave values from .* to .*; it must give numbers in \[0, 1\]"),
        (lambda x, y: average(x, y).numpy().astype(int), "gave ndarray; it must give a tensor"),
        (WDualMine(), "WDualMine: is a network; wdualmine.fuse_with makes a function of it"),
        (lambda x, y: WDualMine()(x, y), "gave Fusion; .*wdualmine.fuse_with"),
    ):
        with pytest.raises(WdualmineError, match=message):
            fuse_images(a, b, wrong)
    assert np.array_equal(
        fuse_images(a, b, lambda x, y: np.maximum(x.numpy(), y.numpy())), fuse_images(a, b, maximum)
    )
    half = fuse_images(a, b, lambda x, y: average(x, y).bfloat16(), stretch=False)
    np.testing.assert_allclose(half, (a + b) / 2, atol=2**-8)


def test_color_of_either_source_is_kept(rng: np.random.Generator) -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = rng.integers(60, 200, (16, 16))
    mri = red[..., 0] // 2 + 20
    for pair in ((red, mri), (mri, red)):
        fused = fuse_images(*pair, average, stretch=False).astype(int)
        assert (fused[..., 0] > fused[..., 1] + 20).all()


@pytest.mark.parametrize("dtype", [np.uint16, np.float64])
def test_deep_color_agrees_with_8_bits(dtype: type, rng: np.random.Generator) -> None:
    a, b = (
        rng.integers(60, 180, (16, 16, 3)).astype(np.uint8),
        rng.integers(60, 180, (16, 16)).astype(np.uint8),
    )
    scale = 257 if dtype == np.uint16 else 1 / 255
    deep = fuse_images(
        (a * float(scale)).astype(dtype), (b * float(scale)).astype(dtype), average, stretch=False
    )
    shallow = fuse_images(a, b, average, stretch=False)
    assert np.abs(deep / scale - shallow).max() <= 2  # 8-bit YCrCb rounds three times


def test_stretch_fills_the_range_and_a_constant_stays(network: WDualMine) -> None:
    ramp = np.tile(np.arange(50, 114, dtype=np.uint8), (64, 1))
    stretched = fuse_images(ramp, ramp, average)
    assert (stretched.min(), stretched.max()) == (0, 255)
    assert np.array_equal(fuse_images(ramp, ramp, average, stretch=False), ramp)
    constant = np.full((16, 16), 90, np.uint8)
    assert np.array_equal(fuse_images(constant, constant, average), constant)


@given(arrays(np.uint8, (6, 5)), arrays(np.uint8, (6, 5)))
def test_the_average_rounds_as_integers_do(a: np.ndarray, b: np.ndarray) -> None:
    exact = np.rint((a.astype(int) + b) / 2)  # ties to even, in exact arithmetic
    assert np.array_equal(fuse_images(a, b, average, stretch=False), exact)
    low, high = (a.astype(int) + b).min(), (a.astype(int) + b).max()
    if high > low:
        stretched = (a.astype(int) + b - low) * 255 // (high - low)
        assert np.array_equal(fuse_images(a, b, average), stretched)


@given(st.integers(0, 2**32 - 1))
def test_the_standardized_sum_has_the_highest_mean_correlation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, 12, 12))
    rho = np.corrcoef(a.ravel(), b.ravel())[0, 1]
    fuse = CLASSICAL["standardized-sum"].fuse
    fused = fuse(*(torch.from_numpy(x)[None, None] for x in (a, b)))[0, 0].numpy()
    reached = np.mean([np.corrcoef(x.ravel(), fused.ravel())[0, 1] for x in (a, b)])
    assert reached == pytest.approx(np.sqrt((1 + rho) / 2), abs=1e-9)


def test_identical_images_come_back_from_every_method(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (40, 48)).astype(np.uint8)
    for name, method in CLASSICAL.items():
        if name not in ("standardized-sum", "detail-average"):  # the one rescales, the other sharpens
            fused = fuse_images(image, image, method.fuse, stretch=False)
            assert np.abs(fused.astype(int) - image).max() <= (1 if name == "laplacian-pyramid" else 0), name


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8), "image A is 4 x 4 but image B is 4 x 5"),
        (np.full((4, 4), np.nan), np.zeros((4, 4)), "image A: holds NaN"),
        (np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4), np.uint8), "image A: has"),
        (
            np.full((4, 4), 2.0),
            np.zeros((4, 4)),
            r"image A: float pixels from 2 to 2; scale them to \[0, 1\]",
        ),
        (np.zeros((4, 4), np.int64), np.zeros((4, 4), np.uint8), "image A: has pixel type int64"),
        (np.zeros((0, 4), np.uint8), np.zeros((0, 4), np.uint8), "image A: is empty"),
        (np.eye(4, dtype=np.uint8)[..., None] * [1, 2, 3] // 1, np.zeros((4, 4), np.uint8), "int64"),
    ],
)
def test_bad_input_is_named(a: np.ndarray, b: np.ndarray, message: str) -> None:
    with pytest.raises(WdualmineError, match=message):
        fuse_images(a, b, average)


def test_two_color_images_are_refused(rng: np.random.Generator) -> None:
    color = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
    with pytest.raises(WdualmineError, match="both in color"):
        fuse_images(color, color, average)


@pytest.mark.parametrize(
    ("task", "stretch", "expected"),
    [
        ("ct-mri", False, (4.1805, 0.2340, 3.6855, 0.2447, 0.8308, 0.0238, 64.1184, 0.8056)),
        ("ct-mri", True, (4.2326, 0.2378, 3.7695, 0.3006, 0.8308, 0.0237, 64.0879, 0.7908)),
        ("pet-mri", False, (5.2004, 0.6081, 4.3431, 0.3632, 0.8690, 0.0233, 62.1221, 0.5093)),
        ("pet-mri", True, (5.2772, 0.6243, 4.4801, 0.3876, 0.8686, 0.0235, 62.0767, 0.5111)),
        ("spect-mri", False, (4.6678, 0.5878, 3.8699, 0.3970, 0.9120, 0.0165, 66.7886, 0.7048)),
        ("spect-mri", True, (4.8992, 0.6430, 4.2400, 0.4548, 0.9117, 0.0165, 64.8835, 1.1065)),
    ],
)
def test_worked_values_of_the_average(harvard: Path, task: str, stretch: bool, expected: tuple) -> None:
    names = ["EN", "MI", "CC", "PSNR"]
    pairs = load_pairs(task, data=harvard)
    frame = evaluate([Candidate("average", average, stretch)], pairs, task, metrics=names)
    found = pd.concat([frame[names].mean(), frame[names].std(ddof=0)], axis=1).to_numpy().ravel()
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCES["facts"].value)


def test_evaluation_tidy_table(smoke_run: Run) -> None:
    frame = smoke_run.metrics
    assert list(frame.columns[:6]) == ["task", "split", "pair", "method", "stretch", "seed"]
    assert not frame.duplicated(["pair", "method"]).any()


def test_a_recorded_score_is_reproduced_from_the_recorded_weights(smoke_run: Run) -> None:
    fuse = fuse_with(load_model(smoke_run.folder))
    row = smoke_run.metrics.query("method == 'w-dualmine'").iloc[0]
    pair = next(pair for pair in load_pairs("ct-mri", data="phantom") if pair.name == row["pair"])
    fused = fuse_images(pair.image_a, pair.image_b, fuse)
    found = score(pair.image_a, pair.image_b, fused, ["CC"])["CC"]
    assert found == pytest.approx(row["CC"], abs=1e-6)


def test_padding_does_not_reach_the_picture(network: WDualMine, rng: np.random.Generator) -> None:
    a, b = (torch.from_numpy(rng.random((1, 1, 48, 64))).float() for _ in range(2))
    with torch.inference_mode():
        assert torch.equal(fuse_with(network)(a, b), network(a, b).fused)
        assert fuse_with(network)(a[..., :41, :57], b[..., :41, :57]).shape == (1, 1, 41, 57)


def test_residual_scale_zero_is_the_average(network: WDualMine, rng: np.random.Generator) -> None:
    a, b = rng.integers(0, 256, (2, 20, 20)).astype(np.uint8)
    assert np.array_equal(fuse_images(a, b, fuse_with(network, 0.0)), fuse_images(a, b, average))


def test_unknown_methods_and_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(WdualmineError, match=r"unknown method 'median'; choose one of .*average"):
        get_method("median")
    with pytest.raises(WdualmineError, match="no such weights"):
        load_model(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(WdualmineError, match="not a file of this package"):
        load_model(tmp_path / "bad.safetensors")


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda a, b: a[..., 1:], r"gave shape \(1, 1, 8, 7\) for images of shape \(1, 1, 8, 8\)"),
        (lambda a, b: a[0], "gave shape"),
        (lambda a, b: torch.cat((a, b)), "gave shape"),
        (lambda a, b: a[0].numpy(), r"gave shape \(1, 8, 8\)"),
        (lambda a, b: None, "gave NoneType"),
        (lambda a, b: a.to(torch.uint8), r"gave torch\.uint8"),
        (lambda a, b: a / 0, "gave NaN or infinity"),
    ],
)
def test_a_fusing_function_that_gives_no_image_is_named(result: Callable, message: str) -> None:
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    with pytest.raises(WdualmineError, match=message):
        fuse_images(image, image, result)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(1, 1, 16, 16, dtype=torch.uint8), torch.zeros(1, 1, 16, 16), r"type torch\.uint8"),
        (torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16).double(), r"type torch\.float64"),
        (torch.zeros(1, 1, 16, 16), np.zeros((1, 1, 16, 16)), "type ndarray"),
        (None, None, "type NoneType"),
        (torch.zeros(1, 1, 16, 16, device="meta"), torch.zeros(1, 1, 16, 16), "on meta"),
        (torch.zeros(16, 16), torch.zeros(16, 16), "two tensors of one shape"),
        (torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16), "two tensors of one shape"),
        (torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 32), "two tensors of one shape"),
    ],
)
def test_the_network_names_what_it_cannot_fuse(network: WDualMine, a: Any, b: Any, message: str) -> None:
    for entry in (network, *([fuse_with(network)] if "meta" not in message else [])):
        with pytest.raises(WdualmineError, match=message):
            entry(a, b)


def test_an_image_is_finished_in_strips_as_it_is_whole(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey, color = rng.integers(0, 256, (40, 30)), rng.integers(0, 256, (40, 30, 3))
    for dtype, scale in ((np.uint8, 1), (np.uint16, 257), (np.float32, 1 / 255)):
        a, b = (color * scale).astype(dtype), (grey * scale).astype(dtype)
        for stretch in (True, False):
            whole = fuse_images(a, b, average, stretch)
            with monkeypatch.context() as patch:
                patch.setattr("wdualmine.fusion.ROWS", 7)
                assert np.array_equal(fuse_images(a, b, average, stretch), whole)
