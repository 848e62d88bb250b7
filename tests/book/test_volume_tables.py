"""The tables of volumes, from scores whose differences are known."""

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from wdualmine_book.scans.volume_record import CC_MARGIN, METHODS
from wdualmine_book.scans.volume_tables import gains, goals, render_volumes, volume_table, volumes_words

#: Continuity by method; the sources' mean is 2.
CONTINUITY = {"first-source": 3.0, "second-source": 1.0, "light": 1.5, "light-3d": 1.95}


def run(task: str, volumes: range, **changes: float) -> Any:
    """A record in which the network in three dimensions is better by 0.01 in CC, give or take by volume."""
    rows = []
    for volume in volumes:
        for method in METHODS:
            deep = method == "light-3d"
            found = (
                {"found_a": 0.5, "found_b": 0.25} if "source" not in method else {"found_a": 1, "found_b": 0}
            )
            if method == "second-source":
                found = {"found_a": 0, "found_b": 1}
            rows.append(
                {
                    "task": task, "split": "test", "pair": str(volume), "method": method, "stretch": False,
                    "slices": 10, "CC": 0.8 + 0.01 * deep + 1e-4 * volume * deep, "SSIM": 0.7,
                    "continuity": CONTINUITY.get(method, 1.0) + 1e-3 * volume * deep, "neighbors": 0.9,
                    "scatter": 0.05, "recovery_a": 0.9, "recovery_b": 0.7, "spheres_a": 4, "spheres_b": 2,
                    **found, **(changes if deep else {}),
                }
            )  # fmt: skip
    return SimpleNamespace(metrics=pd.DataFrame(rows), info=SimpleNamespace(task=task))


RUNS = [run("ct-mri", range(1, 4)), run("spect-mri", range(1, 3))]


def test_means_are_over_volumes_and_beside_the_sources_own() -> None:
    table = volume_table(RUNS)
    assert list(table.index) == list(METHODS)
    assert table.loc["light", "share"] == pytest.approx(0.75)
    assert table.loc["light", "efficiency"] == pytest.approx((4 * 0.5 + 2 * 0.25) / (4 + 2))
    assert table.loc["light", "recovery"] == pytest.approx(0.8)


def test_differences_are_paired_by_volume() -> None:
    table = gains(RUNS)
    assert (table["volumes"] == 5).all()
    mean = 0.01 + 1e-4 * (1 + 2 + 3 + 1 + 2) / 5
    assert table.loc["CC", "difference"] == pytest.approx(mean)
    assert table.loc["CC", "low"] < mean < table.loc["CC", "high"]
    assert table.loc["SSIM", ["difference", "low", "high"]].tolist() == pytest.approx([0, 0, 0])


def test_a_goal_is_reached_where_the_whole_interval_is() -> None:
    assert goals(RUNS)["reached"].all()
    worse = goals([run("ct-mri", range(1, 4), CC=0.8 - 2 * CC_MARGIN, continuity=1.5)])
    assert worse["reached"].tolist() == [False, False, False, True]


def test_the_table_names_every_method() -> None:
    html = render_volumes(RUNS)
    for words in (
        "Light network, 3-D",
        "Light network, slice by slice",
        "blurred across slices",
        "MRI alone",
    ):
        assert words in html
    assert volumes_words(RUNS) == "CT-MRI 1, 2, 3; SPECT-MRI 1, 2"
