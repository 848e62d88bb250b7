"""Systems of others trained until their own loss no longer falls, and how near they come."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wdualmine.background import BLACK, background
from wdualmine.checkpoints import read_tensors
from wdualmine.data import Pair, find_data, load_pairs, volume_of
from wdualmine.errors import WdualmineError
from wdualmine.methods import get_method
from wdualmine.metrics import score
from wdualmine_book.recorder import record
from wdualmine_book.systems import convergence, nearness, retrained
from wdualmine_book.systems.convergence import GAIN, PATIENCE, RATES, next_rate, split, train_to_convergence
from wdualmine_book.systems.nearness import (
    DECISIVE,
    METRICS,
    nearness_runs,
    nearness_table,
    render_nearness,
    trainings,
)
from wdualmine_book.systems.retrained import RETRAINED, SYSTEMS


def test_the_rate_falls_and_training_ends_where_the_loss_no_longer_falls() -> None:
    falling = [1 - 2 * GAIN * k for k in range(30)]
    assert next_rate([]) == next_rate(falling) == RATES[0]
    assert next_rate([*falling, *[falling[-1]] * (PATIENCE - 1)]) == RATES[0]
    assert next_rate([*falling, *[falling[-1]] * PATIENCE]) == RATES[1]
    assert next_rate([*falling, *[falling[-1]] * (2 * PATIENCE)]) == 0
    slow = [(1 - GAIN / 2) ** k for k in range(2 * PATIENCE + 3)]
    assert next_rate(slow) > 0  # slowly, yet by the gain within the patience


@given(st.lists(st.floats(0.1, 10), max_size=40))
def test_the_rate_never_rises_again(losses: list[float]) -> None:
    rates = [next_rate(losses[:k]) for k in range(len(losses) + 1)]
    assert all(later <= earlier for earlier, later in pairwise(rates))


def test_validation_pairs_are_of_volumes_that_give_no_training_pair() -> None:
    pairs = load_pairs("ct-mri", "train", data=find_data("phantom"))
    training, validation = split(pairs)
    volumes = [{volume_of(pair.name) for pair in part} for part in (training, validation)]
    assert training
    assert validation
    assert not volumes[0] & volumes[1]


def test_training_that_is_stopped_goes_on_and_keeps_the_best_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convergence, "MOST_EPOCHS", 2)
    options = {"patch_size": 64, "train_pairs": 12, "test_pairs": 3, "progress": False}

    def run(folder: Path) -> dict:
        made = train_to_convergence("sdnet-retrained", "ct-mri", folder, "phantom", threads=1, **options)
        assert [*made.table("log.csv")["epoch"]] == [1, 2]
        assert not (folder / "best.safetensors").exists()
        return read_tensors(folder / "model.safetensors")[0]

    whole = run(tmp_path / "whole")
    finish = convergence.finish
    monkeypatch.setattr(convergence, "finish", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "stopped")
    monkeypatch.setattr(convergence, "finish", finish)
    again = run(tmp_path / "stopped")
    assert all(whole[name].equal(again[name]) for name in whole)


def test_a_copy_of_a_network_reaches_its_authors_and_one_of_a_source_does_not(tmp_path: Path) -> None:
    """The table's rule, on scores made of images: the average for the authors, a source for the copy."""
    pairs = load_pairs("ct-mri", data=find_data("phantom"))[:6]

    def rows(method: str, source: bool) -> list[dict]:
        images = [(p.image_a if source else ((p.image_a.astype(int) + p.image_b) // 2)) for p in pairs]
        return [
            score(p.image_a, p.image_b, image.astype(np.uint8), METRICS)
            | {"task": "ct-mri", "split": "test", "pair": p.name, "method": method, "stretch": False}
            for p, image in zip(pairs, images, strict=True)
        ]

    class Fake:
        def __init__(self, metrics: pd.DataFrame, values: list[tuple[str, str, float]]) -> None:
            self.metrics = metrics
            self.recovery = pd.DataFrame(values, columns=["method", "source", "value"]).assign(
                view="luma", statistic="recovery", without=""
            )
            self.info = type("Info", (), {"task": "ct-mri"})

        def table(self, name: str, **_: object) -> pd.DataFrame:
            return black if name == "background.csv" else self.recovery

    names = ("sdnet-retrained", "ifcnn-retrained", "sdnet")  # IFCNN's authors' is not at hand
    black = pd.DataFrame(
        [
            {
                "method": n,
                "pair": str(k),
                "level": 7.0,
                "CC": k,
                "Qabf": k,
                "SSIM": k + 2 * (n == "sdnet"),
            }
            for n in names
            for k in range(3)
        ]
    )
    own = Fake(
        pd.DataFrame(rows("sdnet-retrained", False) + rows("ifcnn-retrained", True)),
        [(f"{name}-retrained", source, 0.5) for name in ("sdnet", "ifcnn") for source in "ab"],
    )
    authors = Fake(
        pd.DataFrame(rows("sdnet", False) + rows("ifcnn", False)),
        [(name, source, 0.5) for name in ("sdnet", "ifcnn") for source in "ab"],
    )
    table = nearness_table(own, authors, {}).set_index("method")  # type: ignore[arg-type]
    assert table["reached"].to_dict() == {"sdnet": True, "ifcnn": False}
    assert table["reached_black"].to_dict() == {"sdnet": False, "ifcnn": False}
    assert table.loc["sdnet", "background_authors"] == 7
    assert table.loc["sdnet", "CC"] == table.loc["sdnet", "CC_authors"]
    assert "no" in render_nearness(table.reset_index(), ("CT", "MRI"))


@pytest.mark.parametrize("task", ["ct-mri", "pet-mri"])
def test_a_gray_background_counts_until_it_is_made_black(task: str) -> None:
    """Lighting what is black in both scans lowers SSIM; blackened, the images score as if it had not been."""
    pairs = load_pairs(task, data=find_data("phantom"))[:3]

    def plain(pair: Pair) -> np.ndarray:
        return np.maximum(pair.image_a, pair.image_b if pair.image_a.ndim == 2 else pair.image_b[..., None])

    def lit(pair: Pair) -> np.ndarray:
        image = plain(pair)
        image[background(pair.grey_a, pair.grey_b)] = 9
        return image

    before, after = (nearness._blackened(images, pairs) for images in (plain, lit))
    assert (after["level"] == 9).all()
    assert (before["level"] <= BLACK).all()
    pd.testing.assert_frame_equal(before.drop(columns="level"), after.drop(columns="level"))
    assert score(pairs[0].image_a, pairs[0].image_b, lit(pairs[0]), ("SSIM",))["SSIM"] < before["SSIM"][0]


def test_the_committed_table_is_of_trainings_that_ended_by_themselves() -> None:
    runs = nearness_runs()
    if not runs:
        pytest.skip("none is committed yet: results/retrained")
    names = {name.removesuffix(" ct-mri") for name in trainings()}
    methods = [method for method in SYSTEMS if method.name in set(runs["ct-mri"].metrics["method"])]
    assert {method.system.name for method in methods if method.system} == names
    assert len(methods) == len(SYSTEMS)  # DenseFuse fuses by two rules
    for name, run in trainings().items():
        losses = run.table("log.csv")["validation"].tolist()
        assert next_rate(losses) == 0, name
        assert next_rate(losses[:-1]) > 0, name
        assert run.info.trained.method.endswith(RETRAINED)
    assert set(DECISIVE) <= set(METRICS)


def test_without_weights_there_is_nothing_to_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrained, "WEIGHTS", tmp_path)
    with pytest.raises(WdualmineError, match="wdualmine-book retrain"):
        record("nearness", "ct-mri", tmp_path / "x", "phantom", limit=3, progress=False)


def test_of_a_system_that_published_images_alone_ours_is_named() -> None:
    with pytest.raises(WdualmineError, match="choose adafuse-retrained, which was trained here"):
        get_method("adafuse")
