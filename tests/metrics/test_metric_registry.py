import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_images import noise_triple, smooth_triple

from wdualmine.errors import WdualmineError
from wdualmine.metrics import METRICS, PAPER_METRICS, get_metric, score
from wdualmine.metrics.registry import choose

PERMUTABLE = ("EN", "MI", "CC", "PSNR")


def test_the_registry_holds_what_papers_of_the_field_print():
    assert PAPER_METRICS == ("EN", "MI", "CC", "PSNR", "FMI")
    assert tuple(METRICS)[:5] == PAPER_METRICS
    fmi = {"FMI-pixel", "FMI-gradient", "FMI-edge", "FMI-wavelet"}
    more = {"SD", "SF", "AG", "Qabf", "Nabf", "SCD", "VIF", "SSIM", "MS-SSIM", "NMI", "Qcb"}
    benchmarks = {"CE", "EI", "RMSE", "Qncie", "TE", "Qm", "Qp", "Qc", "Qs", "Qw", "Qe", "Qy", "Qcv", "VIFF"}
    assert set(METRICS) == {*PAPER_METRICS, *fmi, *more, *benchmarks}


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_every_metric_declares_itself(metric):
    assert METRICS[metric.key] is metric
    assert metric.direction in ("higher", "lower")
    assert metric.range[0] < metric.range[1]
    assert any(word in metric.source for word in ("DOI", "http"))
    assert metric.name
    assert len({convention.name for convention in metric.conventions}) == len(metric.conventions) >= 1
    for convention in metric.conventions:
        assert convention.formula.count("{") == convention.formula.count("}")
        assert "$" not in convention.formula
        assert convention.used_by
        assert convention.name == convention.name.lower().replace(" ", "-")


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_every_convention_can_be_asked_for(metric):
    a, b, fused = smooth_triple((180, 181))
    for convention in metric.conventions:
        value = score(a, b, fused, [metric.key], convention.name)[metric.key]
        assert math.isfinite(value)
        assert value == convention.function(a, b, fused)
    default = score(a, b, fused, [metric.key])[metric.key]
    assert default == metric.conventions[0].function(a, b, fused)
    assert metric.range[0] <= default <= metric.range[1]


def test_a_convention_goes_to_the_metrics_that_have_it():
    images = noise_triple((20, 20))
    plain, nats = score(*images), score(*images, convention="nats")
    assert nats["MI"] == pytest.approx(plain["MI"] * math.log(2))
    assert {key for key in plain if plain[key] != nats[key]} == {"MI"}
    with pytest.raises(WdualmineError, match="bogus: no convention of EN, MI; choose from bits, nats"):
        score(*images, ("EN", "MI"), "bogus")


def test_keys_in_any_case_and_clear_refusals():
    assert get_metric("psnr") is METRICS["PSNR"]
    assert list(score(*noise_triple((8, 8)), ["cc", "EN"])) == ["CC", "EN"]
    assert list(score(*noise_triple((8, 8)), "EN")) == ["EN"]
    assert [metric.key for metric in choose(["CC", "EN", "cc", " CC"])] == ["CC", "EN"]
    with pytest.raises(WdualmineError, match="LPIPS: unknown metric; choose from EN, MI, CC"):
        get_metric("LPIPS")
    for empty in ("", " "):
        with pytest.raises(
            WdualmineError, match=f"^'{empty}': is no metric's name, as after a comma too many"
        ):
            choose(["CC", empty])
    with pytest.raises(WdualmineError, match="no metric asked for"):
        score(*noise_triple((8, 8)), [])


@given(st.integers(0, 10**6))
def test_pixels_may_be_permuted_where_only_their_values_count(seed):
    """Exactly: the sums run over integers, or in an order that the values alone decide."""
    rng = np.random.default_rng(seed)
    color = [rng.integers(0, 256, (9, 11, 3)).astype(np.uint8) for _ in range(3)]
    order = rng.permutation(99)
    shuffled = [image.reshape(99, 3)[order].reshape(11, 9, 3) for image in color]
    assert score(*color, PERMUTABLE) == score(*shuffled, PERMUTABLE)


@given(st.integers(0, 10**6))
def test_the_papers_metrics_are_symmetric_in_the_sources(seed):
    a, b, fused = noise_triple((7, 8), seed)
    assert score(a, b, fused) == score(b, a, fused)
    assert score(a, b, fused, ["MI"], "nats") == score(b, a, fused, ["MI"], "nats")


def test_identical_images():
    image = smooth_triple((30, 40))[2]
    scores = score(image, image, image)
    assert scores == {
        "EN": scores["EN"],
        "MI": pytest.approx(2 * scores["EN"]),
        "CC": 1,
        "PSNR": math.inf,
        "FMI": 1,
    }


def test_color_reaches_psnr_and_grey_the_rest():
    rng = np.random.default_rng(3)
    a, fused = (rng.integers(0, 256, (16, 16, 3)).astype(np.uint8) for _ in range(2))
    b = rng.integers(0, 256, (16, 16)).astype(np.uint8)
    grey = [np.floor(image @ [0.299, 0.587, 0.114] + 0.5).astype(np.uint8) for image in (a, fused)]
    in_color, in_grey = score(a, b, fused), score(grey[0], b, grey[1])
    assert {key for key in in_color if in_color[key] != in_grey[key]} == {"PSNR"}


def test_importing_the_metrics_stays_light():
    heavy = ("torch", "nilearn", "pooch", "pywt", "matplotlib", "skimage", "pandas")
    code = f"import sys, wdualmine.metrics; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "nilearn", "pooch", "pywt", "matplotlib"} & set(eval(loaded)), loaded
