import numpy as np
import pytest
from literal_phase import literal_phase_congruency
from sample_images import noise_triple, smooth_triple
from tolerances import TOLERANCES

from wdualmine.errors import WdualmineError
from wdualmine.metrics.phase_congruency import phase_congruency
from wdualmine.metrics.qp import qp, qp_mixed_moment_slip

EXACT = TOLERANCES["literal"].value


@pytest.mark.parametrize("mixed", [4.0, 1.0], ids=["eigenvalues", "slip"])
def test_phase_congruency_agrees_with_loops(mixed):
    image = smooth_triple((20, 24))[0]
    for ours, literal in zip(
        phase_congruency(image.astype(float), mixed / 2), literal_phase_congruency(image, mixed), strict=True
    ):
        np.testing.assert_allclose(ours, literal, atol=EXACT)


def literal_qp(a, b, fused, mixed):
    maps = [literal_phase_congruency(image, mixed) for image in (a, b, fused)]
    k = np.arange(-5, 6)
    kernel = np.exp(-np.add.outer(k**2, k**2) / (2 * 1.5**2))
    kernel /= kernel.sum()

    def moment(x, i, j):
        return (np.pad(x, 5)[i : i + 11, j : j + 11] * kernel).sum()

    marks = [maps[0][0] > 0.1, maps[1][0] > 0.1]
    marks.append(np.maximum(maps[0][0], maps[1][0]) > 0.1)
    value = 1
    for k in range(3):
        larger = np.where(maps[0][0] > maps[1][0], maps[0][k], maps[1][k])
        total = 0
        for place in np.ndindex(*fused.shape):
            best = []
            for source, mark in zip((maps[0][k], maps[1][k], larger), marks, strict=True):
                if not mark[place]:
                    best.append(0)
                    continue
                s, f = source * mark, maps[2][k]
                mean_s, mean_f = moment(s, *place), moment(f, *place)
                variance_s = abs(moment(s * s, *place) - mean_s**2)
                variance_f = abs(moment(f * f, *place) - mean_f**2)
                together = moment(s * f, *place) - mean_s * mean_f
                best.append((together + 0.0001) / (np.sqrt(variance_s * variance_f) + 0.0001))
            total += max(best)
        value *= total / marks[2].sum()
    return value


@pytest.mark.parametrize(("function", "mixed"), [(qp, 4.0), (qp_mixed_moment_slip, 1.0)])
def test_agrees_with_loops(function, mixed):
    a, b, fused = smooth_triple((20, 24))
    assert function(a, b, fused) == pytest.approx(literal_qp(a, b, fused, mixed), abs=EXACT)


def test_edges_of_any_contrast_and_direction_are_features():
    """Phase congruency does not depend on contrast: a faint step is as congruent as a steep one."""
    for turned in (False, True):
        step = np.zeros((48, 48))
        step[:, 24:] = 1
        step = step.T if turned else step
        faint, steep = (phase_congruency(20 + height * step)[0] for height in (20, 200))
        along = (24, slice(20, 28)) if not turned else (slice(20, 28), 24)
        assert faint[along].max() > 0.5
        assert faint[along].max() == pytest.approx(steep[along].max(), abs=0.01)


def test_symmetry_and_what_it_rewards():
    a, b, fused = smooth_triple((40, 41))
    assert qp(a, b, fused) == pytest.approx(qp(b, a, fused), abs=1e-12)
    assert qp(a, a, a) > 0.9
    assert qp(a, a, a) > qp(a, a, np.roll(a, 5, axis=1))
    assert -1 <= qp(*noise_triple((30, 30))) <= 1


def test_nothing_to_keep_is_refused():
    flat = np.full((20, 20), 90, np.uint8)
    with pytest.raises(WdualmineError, match="Qp: no source has a feature"):
        qp(flat, flat, noise_triple((20, 20))[2])
    with pytest.raises(WdualmineError, match="Qp: an image of 10 x 12 is too small"):
        qp(*noise_triple((10, 12)))
