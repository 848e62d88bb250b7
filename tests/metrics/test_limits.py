import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image
from sample_images import noise_triple, triples
from tolerances import TOLERANCES

from wdualmine.data import load_pairs
from wdualmine.data.color import is_color, to_grey, to_rgb
from wdualmine.errors import WdualmineError
from wdualmine.metrics import score
from wdualmine.metrics.correlation import correlation
from wdualmine.metrics.limits import best_correlation, best_psnr, limits
from wdualmine.metrics.psnr import psnr

EXACT = TOLERANCES["limit"].value


def real_psnr(a, b, fused):
    """The paper's PSNR of a real-valued fused image."""
    a, b, fused = (image / 255 for image in (a, b, fused))
    return 20 * math.log10(255 / math.sqrt((((a - fused) ** 2).mean() + ((b - fused) ** 2).mean()) / 2))


def real_correlation(a, b, fused):
    return np.mean([np.corrcoef(x.ravel(), fused.ravel())[0, 1] for x in (a, b)])


def average(a, b):
    """The image that reaches the best PSNR, in RGB as soon as one source is."""
    if is_color(a) or is_color(b):
        a, b = to_rgb(a), to_rgb(b)
    return (a.astype(np.float64) + b) / 2


def standardized_sum(a, b):
    """The image that reaches the best correlation: constant, without one, where b is the negative of a."""
    return sum((x - x.mean()) / x.std() for x in (a, b))


def assume_contrast(*images):
    assume(all(np.ptp(image) > 0 for image in images))


@given(triples())
def test_no_fused_image_passes_the_limits(images):
    a, b, fused = images
    assume_contrast(*images)
    bounds = limits(a, b)
    assert psnr(a, b, fused) <= bounds["PSNR"] + EXACT
    assert correlation(a, b, fused) <= bounds["CC"] + EXACT


@given(triples(low=3, high=6), st.integers(0, 10**6), st.sampled_from([1, 5, 60]))
def test_nothing_near_the_best_image_is_better(images, seed, amplitude):
    """Steps away from the two optima are the hardest attack on a bound: random images are far below it."""
    a, b, _ = images
    assume_contrast(a, b)
    bounds = limits(a, b)
    step = np.random.default_rng(seed).normal(0, amplitude, a.shape)
    if bounds["PSNR"] < math.inf:
        assert real_psnr(a, b, average(a, b) + step) <= bounds["PSNR"] + EXACT
    near = standardized_sum(a, b) + step / 50
    assume(near.std() > 1e-6)
    assert real_correlation(a, b, near) <= bounds["CC"] + EXACT


@given(triples())
def test_the_limits_are_reached(images):
    a, b, _ = images
    assume_contrast(a, b)
    if (a != b).any():
        assert real_psnr(a, b, average(a, b)) == pytest.approx(best_psnr(a, b), abs=EXACT)
    best = standardized_sum(a, b)
    assume(best.std() > 1e-6)  # else b is the negative of a
    assert real_correlation(a, b, best) == pytest.approx(best_correlation(a, b), abs=EXACT)


def test_special_sources():
    a = noise_triple((9, 9))[0]
    assert limits(a, a) == {"CC": 1, "PSNR": math.inf}
    assert limits(a, 255 - a)["CC"] == 0
    with pytest.raises(WdualmineError, match=r"b\.png: is constant"):
        limits(a, np.zeros_like(a), ("a.png", "b.png"))


# CC limit with the paper's grey, then with Pillow's luma as it was measured before this package was written
CC_LIMITS = {
    "ct-mri": ((0.8362, 0.0204), (0.8362, 0.0204)),
    "pet-mri": ((0.8709, 0.0215), (0.8708, 0.0215)),
    "spect-mri": ((0.9151, 0.0143), (0.9149, 0.0143)),
}
RGB_AVERAGE = {"ct-mri": (64.1184, 0.8056), "pet-mri": (62.9502, 0.6087), "spect-mri": (68.0447, 0.9125)}


@pytest.mark.parametrize("task", CC_LIMITS)
def test_limits_of_the_real_pairs(task, harvard):
    pairs = load_pairs(task, data=harvard)
    bounds = pd.DataFrame([limits(pair.image_a, pair.image_b) for pair in pairs])
    printed = TOLERANCES["printed"].value
    expected, with_pillow = CC_LIMITS[task]
    assert (bounds["CC"].mean(), bounds["CC"].std(ddof=0)) == pytest.approx(expected, abs=printed)
    measured = [best_correlation(pillow_luma(pair.image_a), pair.grey_b) for pair in pairs]
    assert (np.mean(measured), np.std(measured)) == pytest.approx(with_pillow, abs=printed)

    rounded = [np.rint(average(pair.image_a, pair.image_b)).astype(np.uint8) for pair in pairs]
    scores = [
        score(pair.image_a, pair.image_b, fused, ("CC", "PSNR"))
        for pair, fused in zip(pairs, rounded, strict=True)
    ]
    reached = pd.DataFrame(scores)
    assert (reached["PSNR"].mean(), reached["PSNR"].std(ddof=0)) == pytest.approx(
        RGB_AVERAGE[task], abs=printed
    )
    for metric in ("CC", "PSNR"):
        assert (reached[metric] <= bounds[metric]).all()
    assert (bounds["PSNR"] - reached["PSNR"]).max() < 0.002  # what rounding to 8 bits costs


def test_the_papers_rows_stay_below_the_limits(root, harvard):
    paper = pd.read_csv(root / "data_manifest" / "paper_tables.csv").query("table <= 3")
    for task in CC_LIMITS:
        pairs = load_pairs(task, data=harvard)
        bounds = pd.DataFrame([limits(pair.image_a, pair.image_b) for pair in pairs]).mean()
        for metric in ("CC", "PSNR"):
            best = paper.query("task == @task and metric == @metric")["mean"].max()
            assert best < bounds[metric]


def pillow_luma(image):
    if image.ndim == 2:
        return to_grey(image)
    return np.array(Image.fromarray(image).convert("YCbCr").getchannel(0))
