import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from literal_fmi import literal_map, literal_window
from sample_images import KINDS, make_image, noise_triple, smooth_triple, triples
from tolerances import TOLERANCES

from wdualmine.errors import WdualmineError
from wdualmine.metrics import METRICS
from wdualmine.metrics import feature_mutual_information as fmi

FEATURES = (fmi.cosines, fmi.pixels, fmi.gradient, fmi.edges, fmi.wavelets)
VARIANTS = ("FMI", "FMI-pixel", "FMI-gradient", "FMI-edge", "FMI-wavelet")


def literal(u, v):
    return np.array([literal_window(x.tolist(), y.tolist()) for x, y in zip(u.T, v.T, strict=True)])


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("make", [noise_triple, smooth_triple])
def test_every_window_is_that_of_the_literal_loop(feature, make):
    a, b, fused = make((17, 23))
    maps = fmi.feature_information_maps((a, b), fused, feature)
    rows = slice(20, 28) if feature is fmi.wavelets else slice(None)  # its bands are 39 x 42 each
    for source, scores in zip((a, b), maps, strict=True):
        expected = literal_map(feature(source)[rows], feature(fused)[rows])
        found = scores[rows][: len(expected)]
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCES["literal FMI"].value)
    value = fmi.feature_mutual_information(a, b, fused, feature)
    assert value == pytest.approx(np.mean(maps), abs=TOLERANCES["library"].value)


@pytest.mark.parametrize("feature", FEATURES)
def test_windows_of_real_images_are_those_of_the_literal_loop(feature, harvard, published, rng):
    from wdualmine.data.color import to_grey
    from wdualmine.data.images import read_image

    pair = harvard / "PET-MRI" / "test"
    paths = pair / "PET" / "25038.png", published / "asfe" / "PET-MRI" / "25038.png"
    u, v = (fmi.windows(feature(to_grey(read_image(path)))) for path in paths)
    chosen = rng.choice(u.shape[1], 300, replace=False)
    u, v = u[:, chosen], v[:, chosen]
    np.testing.assert_allclose(
        fmi.window_scores(u, v), literal(u, v), rtol=0, atol=TOLERANCES["literal FMI"].value
    )


@settings(max_examples=3 * settings.default.max_examples)
@given(st.lists(st.tuples(*[st.integers(0, 3) | st.integers(0, 255)] * 18), min_size=1, max_size=4))
def test_windows_of_few_levels_are_those_of_the_literal_loop(values):
    windows = np.array(values, dtype=float).T
    u, v = windows[:9], windows[9:]
    np.testing.assert_allclose(
        fmi.window_scores(u, v), literal(u, v), rtol=0, atol=TOLERANCES["literal FMI"].value
    )


def test_spiky_windows_are_those_of_the_literal_loop(rng):
    """Windows around the lowest DCT coefficients span many orders of magnitude; phi is then far above 1."""
    u, v = (rng.exponential(1, (9, 2000)) ** 4 for _ in range(2))
    scores = fmi.window_scores(u, v)
    np.testing.assert_allclose(scores, literal(u, v), rtol=0, atol=TOLERANCES["literal FMI, spiky"].value)
    assert scores.max() > 1  # so that the negative masses are tested


def test_special_windows():
    flat, other_flat, ramp = np.full(9, 4.0), np.full(9, 5.0), np.arange(9.0)
    peak, other_peak = np.eye(9)[3], np.eye(9)[7]
    cases = [
        (ramp, ramp, 1),  # identical
        (flat, flat, 1),
        (flat, other_flat, 0),  # two uniform distributions, without correlation
        (flat, ramp, 0),
        (peak, 2 * peak, 0),  # no entropy, so no information, though the distributions agree
        (peak, other_peak, 0),
        (peak, flat, 0),
    ]
    u, v = (np.array([case[side] for case in cases]).T for side in (0, 1))
    np.testing.assert_array_equal(fmi.window_scores(u, v), [case[2] for case in cases])


def test_windows_are_read_column_by_column():
    feature = np.arange(20.0).reshape(4, 5)
    windows = fmi.windows(feature)
    assert windows.shape == (9, 2 * 3)
    np.testing.assert_array_equal(windows[:, 0], feature[:3, :3].ravel(order="F"))
    np.testing.assert_array_equal(windows[:, 5], feature[1:4, 2:5].ravel(order="F"))


@given(triples(low=3, high=12))
def test_symmetric_finite_and_one_for_identical_images(images):
    a, b, fused = images
    for key in VARIANTS:
        metric = METRICS[key]
        assert np.isfinite(metric(a, b, fused))
        assert metric(a, b, fused) == metric(b, a, fused)
        assert metric(fused, fused, fused) == 1


@given(st.sampled_from(KINDS), st.integers(0, 10**6), st.sampled_from([1, 30, 512, 2000]))
def test_the_size_of_a_chunk_changes_nothing(kind, seed, chunk):
    image, other = make_image(kind, seed, (24, 31)), make_image("noise", seed, (24, 31))
    with pytest.MonkeyPatch.context() as patch:
        (usual,) = fmi.feature_information_maps((image,), other)
        patch.setattr(fmi, "_CHUNK", chunk)
        (changed,) = fmi.feature_information_maps((image,), other)
    np.testing.assert_array_equal(usual, changed)


def test_features_on_a_known_image():
    step = np.zeros((8, 10), dtype=np.uint8)
    step[:, 5:] = 100
    assert fmi.cosines(step)[0, 0] == pytest.approx(step.sum() / np.sqrt(step.size))
    assert (fmi.cosines(step) ** 2).sum() == pytest.approx((step.astype(float) ** 2).sum())
    np.testing.assert_array_equal(fmi.gradient(step)[0], [0, 0, 0, 0, 50, 50, 0, 0, 0, 0])
    np.testing.assert_array_equal(fmi.edges(step)[4], [0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(fmi.edges(step.T), fmi.edges(step).T)
    bands = fmi.wavelets(step)
    middle = bands.shape[1] // 2
    assert (
        np.abs(bands[:, middle:]).max() < 0.5
    )  # nothing varies down the image (the filter's own sum is 2e-3)
    assert np.abs(bands[bands.shape[0] // 2 :, :middle]).max() > 50  # the step is in the vertical details


def test_images_smaller_than_a_window_are_refused():
    a, b, fused = noise_triple((2, 9))
    with pytest.raises(WdualmineError, match=r"FMI: an image of 2 x 9 is too small; use at least 3 x 3"):
        fmi.feature_mutual_information(a, b, fused)
