"""The training loop: it learns, it is deterministic, and it survives kill -9 to the bit."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from calling import call

from wdualmine.checkpoints import read_tensors, write_tensors
from wdualmine.data import TASKS, Pair, find_data, load_fold, load_pairs, volume_and_slice
from wdualmine.errors import WdualmineError
from wdualmine.evaluation import Candidate, evaluate
from wdualmine.experiments import FOLDS, Experiment, make_experiment
from wdualmine.methods import load_fuse
from wdualmine.metrics import PAPER_METRICS
from wdualmine.records import Run, largest_differences, load_run, seal, summarize, write_csv, write_json
from wdualmine.resuming import CHECKPOINT
from wdualmine.training import (
    augment,
    check_same_data,
    initial_state,
    make_objective,
    stack,
    train,
    train_epoch,
)


def command(folder: Path, *options: str) -> list[str]:
    return [
        sys.executable, "-m", "wdualmine", "train", "ct-mri", "--preset", "smoke", "--data", "phantom",
        "--threads", "1", "--device", "cpu", "-o", str(folder), *options,
    ]  # fmt: skip


def test_the_loss_falls_and_the_record_is_complete(smoke_run: Run) -> None:
    log = smoke_run.log
    assert list(log["epoch"]) == [1, 2]
    assert log["total"].iloc[-1] < log["total"].iloc[0]
    terms = {"average", "gradient", "correlation", "mutual_information", "reconstruction"}
    assert terms <= set(log.columns)
    info = smoke_run.info
    assert info.trained.model_dump() == json.loads(json.dumps(make_experiment("ct-mri", "smoke").as_dict()))
    assert info.data.name == "phantom"
    assert len(info.data.fingerprint) == len(info.code.source) == 64
    assert set(smoke_run.metrics["method"]) == {"w-dualmine", "untrained"}
    assert len(smoke_run.metrics) == 2 * 3
    assert sorted(path.name for path in smoke_run.folder.iterdir()) == [
        "log.csv", "metrics.csv", "model.safetensors", "run.json",
    ]  # fmt: skip


def test_the_total_in_the_log_is_the_weighted_sum(smoke_run: Run) -> None:
    weights = smoke_run.info.experiment.loss
    expected = sum(weights[name] * smoke_run.log[name] for name in weights)
    np.testing.assert_allclose(smoke_run.log["total"], expected, rtol=1e-5)


def test_killed_and_started_again_the_weights_are_the_same_bytes(tmp_path: Path) -> None:
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    train(make_experiment("ct-mri", "smoke", epochs=5), straight, "phantom", "cpu", 1, progress=False)
    again = command(broken, "--epochs", "5")
    process = subprocess.Popen(again, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while _epochs(broken) < 1 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (broken / "run.json").exists(), "it finished before it could be killed"
    assert _epochs(broken) >= 1
    subprocess.run(again, check=True, capture_output=True)
    assert _weights(broken) == _weights(straight)
    assert len(load_run(broken).info.sessions) == 2
    left, right = load_run(broken).log, load_run(straight).log
    assert left.drop(columns="seconds").equals(right.drop(columns="seconds"))


def _epochs(folder: Path) -> int:
    path = folder / CHECKPOINT
    if not path.exists():
        return 0
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return len(json.loads(header["__metadata__"]["wdualmine"])["log"])


def test_a_finished_run_is_returned_untouched(smoke_run: Run) -> None:
    before = (smoke_run.folder / "model.safetensors").stat().st_mtime_ns
    again = train(make_experiment("ct-mri", "smoke"), smoke_run.folder, "phantom", progress=False)
    assert again.info == smoke_run.info
    assert (smoke_run.folder / "model.safetensors").stat().st_mtime_ns == before


def test_another_experiment_in_the_folder_is_refused(smoke_run: Run) -> None:
    with pytest.raises(WdualmineError, match="another experiment"):
        train(make_experiment("ct-mri", "smoke", seed=1), smoke_run.folder, "phantom", progress=False)
    with pytest.raises(WdualmineError, match="another"):
        train(make_experiment("pet-mri", "smoke"), smoke_run.folder, "phantom", progress=False)


def test_a_broken_checkpoint_is_named(smoke_run: Run, tmp_path: Path) -> None:
    started = smoke_run.info.model_dump(include={"kind", "experiment", "data"})
    (tmp_path / "started.json").write_text(json.dumps(started))
    (tmp_path / CHECKPOINT).write_bytes(b"half a file")
    with pytest.raises(WdualmineError, match=r"checkpoint\.safetensors: not a file of this package"):
        train(make_experiment("ct-mri", "smoke"), tmp_path, "phantom", progress=False)


def test_a_loss_that_explodes_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(WdualmineError, match="no longer finite in epoch 1"):
        train(make_experiment("ct-mri", "smoke", learning_rate=1e30), tmp_path, "phantom", progress=False)


def test_seeds_differ(tmp_path: Path, smoke_run: Run) -> None:
    other = train(make_experiment("ct-mri", "smoke", seed=1), tmp_path, "phantom", "cpu", 1, progress=False)
    assert _weights(other.folder) != _weights(smoke_run.folder)


def _weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("task", ["pet-mri", "spect-mri"])
def test_the_color_tasks_train_too(task: str, tmp_path: Path) -> None:
    run = train(make_experiment(task, "smoke", epochs=1), tmp_path, "phantom", progress=False)
    assert run.info.task == task
    assert run.metrics[["EN", "MI", "CC", "PSNR", "FMI"]].notna().all(axis=None)


def test_augmentation_moves_both_images_alike_and_changes_no_pixel() -> None:
    first = torch.arange(4 * 64.0).reshape(4, 1, 8, 8)
    a, b = augment(first, first + 1000, None, torch.Generator().manual_seed(0))
    assert torch.equal(a + 1000, b)
    assert torch.equal(a.flatten(1).sort().values, first.flatten(1))
    assert not torch.equal(a, first)


def test_augmentation_reaches_all_eight_orientations() -> None:
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    generator = torch.Generator().manual_seed(0)
    seen = {tuple(augment(image, image, None, generator)[0].flatten().tolist()) for _ in range(200)}
    assert len(seen) == 8


def test_crops_lie_inside_and_everywhere() -> None:
    image = torch.arange(64.0).reshape(1, 1, 8, 8)
    generator = torch.Generator().manual_seed(0)
    crops = [augment(image, image, 4, generator)[0] for _ in range(300)]
    assert all(crop.shape == (1, 1, 4, 4) for crop in crops)
    assert torch.cat(crops).unique().numel() == 64


def test_pairs_of_another_size_and_patches_too_large_are_named(tmp_path: Path) -> None:
    def pair(name: str, side: int) -> Pair:
        return Pair(name, np.zeros((side, side), np.uint8), np.zeros((side, side), np.uint8))

    with pytest.raises(WdualmineError, match="training pair b is 6 x 6, the first one 4 x 4"):
        stack([pair("a", 4), pair("b", 6)])
    experiment = make_experiment("ct-mri", "smoke")
    for size, message in ((512, "larger than the 256 x 256"), (40, "multiples of 16")):
        changed = replace(experiment, schedule=replace(experiment.schedule, patch_size=size))
        with pytest.raises(WdualmineError, match=message):
            train(changed, tmp_path / str(size), "phantom", progress=False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_trains_with_the_same_code(tmp_path: Path) -> None:
    run = train(make_experiment("ct-mri", "smoke"), tmp_path, "phantom", "cuda", progress=False)
    assert run.log["total"].iloc[-1] < run.log["total"].iloc[0]


def test_a_record_is_repeated_from_its_run_json(
    tmp_path: Path, smoke_run: Run, capsys: pytest.CaptureFixture
) -> None:
    options = ("--device", "cpu", "--data", "phantom", "-o", tmp_path / "again", "--tolerance", "0")
    code, out, error = call(capsys, "repeat", smoke_run.folder, *options)
    assert code == 0, error
    assert [line.split()[1] for line in out.splitlines()[-5:]] == ["0"] * 5
    assert (largest_differences(smoke_run, load_run(tmp_path / "again")) == 0).all()
    assert _weights(tmp_path / "again") == _weights(smoke_run.folder)


def test_differences_between_records_are_found_and_other_data_is_refused(
    tmp_path: Path, smoke_run: Run
) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    metrics = smoke_run.metrics.assign(MI=smoke_run.metrics["MI"] + 0.25)
    info = smoke_run.info.model_dump()
    info["data"]["fingerprint"] = "0" * 64
    write_csv(changed / "metrics.csv", metrics)
    info |= {"files": seal(changed, ["metrics.csv"]), "results": summarize(metrics)}
    write_json(changed / "run.json", info)
    found = largest_differences(smoke_run, load_run(changed))
    assert found["MI"] == pytest.approx(0.25)
    assert found["EN"] < 1e-9
    with pytest.raises(WdualmineError, match=r"was computed on .*; name its data"):
        check_same_data(load_run(changed), "phantom")


@pytest.mark.parametrize("task", list(TASKS))
def test_folds_keep_volumes_apart_and_score_each_test_pair_once(task: str) -> None:
    source, tested = find_data("phantom"), []
    for fold in range(FOLDS):
        parts = {split: load_fold(source, task, split, fold, FOLDS) for split in ("train", "test")}
        volumes = {split: {volume_and_slice(p.name)[0] for p in pairs} for split, pairs in parts.items()}
        assert not volumes["train"] & volumes["test"]
        tested += [pair.name for pair in parts["test"]]
    assert sorted(tested) == sorted(pair.name for pair in load_pairs(task, "test", data=source))
    with pytest.raises(WdualmineError, match="fold 3: choose one of 0 to 2"):
        load_fold(source, task, "test", FOLDS, FOLDS)


def test_an_experiment_with_a_fold_trains_on_it(tmp_path: Path) -> None:
    experiment = make_experiment("ct-mri", "smoke", "fold-1", epochs=1)
    run = train(experiment, tmp_path, "phantom", "cpu", 1, progress=False)
    fold = load_fold(find_data("phantom"), "ct-mri", "test", 1, FOLDS)
    limit = experiment.schedule.test_pairs
    assert set(run.metrics["pair"]) == {pair.name for pair in fold[:limit]}
    assert run.info.experiment.fold == 1


def test_a_network_of_all_tasks_is_scored_on_each(light_run: Run) -> None:
    assert light_run.info.task == light_run.info.trained.task == "all"
    rows = light_run.metrics.groupby(["task", "method"]).size()
    assert dict(rows) == {(task, method): 3 for task in TASKS for method in ("light", "untrained")}
    assert {result.method: result.pairs for result in light_run.info.results} == {"light": 9, "untrained": 9}
    assert {"detection", "signal", "correlation", "brightness", "range", "residual"} <= set(light_run.log)
    assert light_run.log["residual"].iloc[-1] > 0
    check_same_data(light_run, "phantom")


def test_a_network_of_all_tasks_resumes_to_the_same_bits(
    light_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    experiment = make_experiment("all", "smoke", method="light")
    with monkeypatch.context() as patch:
        patch.setattr("wdualmine.training.train_epoch", _stopping_after(1))
        with pytest.raises(KeyboardInterrupt):
            train(experiment, tmp_path / "run", "phantom", "cpu", 1, progress=False)
    assert _epochs(tmp_path / "run") == 1
    options = ("--preset", "smoke", "--data", "phantom", "--device", "cpu", "--threads", 1)
    code, _, error = call(capsys, "train", "all", "--method", "light", *options, "-o", tmp_path / "run")
    assert code == 0, error
    assert _weights(tmp_path / "run") == _weights(light_run.folder)
    again = load_run(tmp_path / "run")
    assert again.log.drop(columns="seconds").equals(light_run.log.drop(columns="seconds"))
    assert (largest_differences(light_run, again) == 0).all()


def test_weights_of_16_bits_are_what_was_scored(light_run: Run, smoke_run: Run) -> None:
    for run, kind in ((light_run, torch.float16), (smoke_run, torch.float32)):
        tensors, _ = read_tensors(run.folder / "model.safetensors")
        assert {tensor.dtype for tensor in tensors.values()} == {kind}
    fuse = load_fuse("light", light_run.folder)
    own = light_run.metrics.query("task == 'pet-mri' and method == 'light'")
    pairs = load_pairs("pet-mri", "test", 3, data="phantom")
    again = evaluate([Candidate("light", fuse, seed=0)], pairs, "pet-mri")
    assert list(again["pair"]) == list(own["pair"])
    np.testing.assert_allclose(again[list(PAPER_METRICS)], own[list(PAPER_METRICS)], rtol=1e-9)


def _fused_by(experiment: Experiment, images: list[tuple[torch.Tensor, torch.Tensor]]) -> list[torch.Tensor]:
    """What the objective is given in an epoch: both images of each batch, one above the other."""
    state, seen = initial_state(experiment, torch.device("cpu")), []
    inputs = state.objective.inputs

    def watched(a: torch.Tensor, b: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
        seen.append(torch.cat((a, b)))
        return inputs(a, b, generator)

    state.objective.inputs = watched  # type: ignore[method-assign,assignment]
    train_epoch(state, images, experiment, 3, False)
    return seen


@pytest.mark.parametrize(
    ("changes", "sizes"), [({}, (4, 1)), ({"epoch_pairs": 7}, (2,)), ({"epoch_pairs": 1}, (1,))]
)
def test_batches_of_each_task_come_in_turn_and_as_many_of_each(changes: dict, sizes: tuple[int, ...]) -> None:
    experiment = make_experiment("all", "smoke", method="light", **changes)
    images = [
        (torch.full((n, 1, 64, 64), level), torch.full((n, 1, 64, 64), level))
        for level, n in ((0.25, 9), (0.5, 5), (0.75, 7))
    ]
    seen = [(float(both.mean()), len(both) // 2) for both in _fused_by(experiment, images)]
    assert seen == [(level, size) for size in sizes for level in (0.25, 0.5, 0.75)]


@pytest.mark.parametrize("method", ["w-dualmine", "light"])
def test_of_one_task_the_pairs_are_drawn_as_ever(method: str) -> None:
    """The order first, then each batch's patches and what its objective draws: so older records were made."""
    experiment = make_experiment("ct-mri", "smoke", seed=2, method=method, epoch_pairs=6)
    first, second = torch.rand(2, 9, 1, 96, 80, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(2 * 1_000_003 + 3)
    objective = make_objective(experiment)
    expected = []
    for batch in torch.randperm(9, generator=generator)[:6].split(4):
        expected.append(torch.cat(augment(first[batch], second[batch], 64, generator)))
        objective.inputs(*expected[-1].chunk(2), generator)
    seen = _fused_by(experiment, [(first, second)])
    assert len(seen) == len(expected) == 2
    assert all(torch.equal(x, y) for x, y in zip(seen, expected, strict=True))


@pytest.mark.full
def test_a_second_training_in_the_folder_is_refused_while_the_first_one_runs(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first = subprocess.Popen(
        command(folder, "--epochs", "200"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while _epochs(folder) < 1 and first.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert first.poll() is None
        with pytest.raises(WdualmineError, match="run: another process writes to this folder"):
            train(make_experiment("ct-mri", "smoke", seed=1), folder, "phantom", progress=False)
    finally:
        first.kill()
        first.wait()
    with pytest.raises(WdualmineError, match="holds a run with another experiment"):  # the lock is free
        train(make_experiment("ct-mri", "smoke", seed=1), folder, "phantom", progress=False)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a training of two epochs was stopped after the first."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wdualmine.training.train_epoch", _stopping_after(1))
        with pytest.raises(KeyboardInterrupt):
            train(make_experiment("ct-mri", "smoke"), folder, "phantom", "cpu", 1, progress=False)
    return folder


def _stopping_after(epochs: int) -> Callable[..., dict[str, float]]:
    def epoch(*arguments: Any) -> dict[str, float]:
        if arguments[3] == epochs:
            raise KeyboardInterrupt
        return train_epoch(*arguments)

    return epoch


def _drop(key: str) -> Callable[[dict, dict], object]:
    return lambda tensors, metadata: metadata.pop(key)


def _metadata(**values: object) -> Callable[[dict, dict], object]:
    return lambda tensors, metadata: metadata.update(values)


def _tensors(change: Callable[[dict], object]) -> Callable[[dict, dict], object]:
    return lambda tensors, metadata: change(tensors)


BIAS = "model.decoder.residual.bias"
SPOILED = {
    "no log": (_drop("log"), "log: field required"),
    "no sessions": (_drop("sessions"), "sessions: field required"),
    "a log that is none": (_metadata(log="long"), "log: input should be a valid list"),
    "rows that are none": (_metadata(log=[3]), "log.0: input should be a valid dictionary"),
    "text in the log": (_metadata(log=[{"epoch": 1, "total": "x"}]), "log.0.total: input should be a valid"),
    "epochs left out": (_metadata(log=[{"epoch": 2}]), "log: does not count the epochs"),
    "too many epochs": (_metadata(log=[{"epoch": k} for k in range(1, 9)]), "log: of 8 epochs, where 2"),
    "no tensors": (_tensors(dict.clear), "Error"),
    "a tensor missing": (_tensors(lambda t: t.pop(BIAS)), "Error"),
    "another size": (_tensors(lambda t: t.update({BIAS: torch.zeros(7)})), "Error"),
    "moments of another size": (
        _tensors(lambda t: t.update({f"adam.exp_avg.{BIAS}": torch.zeros(())})), r"of shape \(\)",
    ),
    "moments of nothing": (_tensors(lambda t: t.update({"adam.exp_avg.x": torch.zeros(1)})), "adam: of x"),
    "a name cut off": (_tensors(lambda t: t.update({"adam.x": torch.zeros(1)})), "not enough values"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), SPOILED.values(), ids=SPOILED)
def test_an_ill_formed_checkpoint_is_named(
    checkpoint: Path, tmp_path: Path, change: Callable, message: str
) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "run")
    tensors, metadata = read_tensors(folder / CHECKPOINT)
    change(tensors, metadata)
    write_tensors(folder / CHECKPOINT, tensors, metadata)
    expected = rf"run/checkpoint\.safetensors: not a checkpoint of this run \(.*{message}.*\); delete it"
    with pytest.raises(WdualmineError, match=expected) as caught:
        train(make_experiment("ct-mri", "smoke"), folder, "phantom", "cpu", 1, progress=False)
    assert "\n" not in str(caught.value)


def _header(path: Path, metadata: object) -> None:
    """Rewrite the metadata alone, around the tensors as they are."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])


@pytest.mark.parametrize(
    "metadata", [{}, {"wdualmine": "[]"}, {"wdualmine": "["}, {"wdualmine": "[" * 99_999}]
)
def test_a_checkpoint_with_other_metadata_is_named(checkpoint: Path, tmp_path: Path, metadata: dict) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "run")
    _header(folder / CHECKPOINT, metadata)
    with pytest.raises(WdualmineError, match="delete it to start over"):
        train(make_experiment("ct-mri", "smoke"), folder, "phantom", "cpu", 1, progress=False)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (make_experiment("ct-mri", "smoke", seed=1), "experiment"),
        (make_experiment("ct-mri", "smoke", learning_rate=2e-3), "experiment"),
        (make_experiment("ct-mri", "smoke", "no-gradient"), "experiment"),
        (make_experiment("ct-mri", "quick"), "experiment"),
    ],
)
def test_a_checkpoint_is_bound_to_its_experiment(
    checkpoint: Path, tmp_path: Path, changed: Experiment, what: str
) -> None:
    """Whatever started.json says: it may be of another run than the checkpoint beside it."""
    folder = shutil.copytree(checkpoint, tmp_path / "run")
    started = json.loads((folder / "started.json").read_text())
    write_json(folder / "started.json", started | {"experiment": changed.as_dict()})
    with pytest.raises(WdualmineError, match=f"run: holds a run with another {what}"):
        train(changed, folder, "phantom", "cpu", 1, progress=False)
    (folder / "started.json").unlink()
    with pytest.raises(WdualmineError, match="another experiment"):
        train(changed, folder, "phantom", "cpu", 1, progress=False)
    tensors, metadata = read_tensors(folder / CHECKPOINT)
    other = {"data": {"fingerprint": "0" * 64}}
    write_tensors(folder / CHECKPOINT, tensors, metadata | other)
    with pytest.raises(WdualmineError, match="other data"):
        train(make_experiment("ct-mri", "smoke"), folder, "phantom", "cpu", 1, progress=False)


def test_a_flipped_bit_of_a_checkpoint_is_found(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "run")
    content = bytearray((folder / CHECKPOINT).read_bytes())
    content[-100] ^= 1
    (folder / CHECKPOINT).write_bytes(content)
    with pytest.raises(WdualmineError, match="its tensors are not those that were written"):
        train(make_experiment("ct-mri", "smoke"), folder, "phantom", "cpu", 1, progress=False)


@pytest.mark.parametrize("name", ["model.safetensors", "metrics.csv", "log.csv"])
@pytest.mark.parametrize("spoil", ["missing", "cut", "other"])
def test_a_finished_run_that_is_not_whole_is_not_finished(
    smoke_run: Run, tmp_path: Path, name: str, spoil: str
) -> None:
    folder = shutil.copytree(smoke_run.folder, tmp_path / "run")
    content = (folder / name).read_bytes()
    if spoil == "missing":
        (folder / name).unlink()
    else:
        whole = content[:-1] + bytes([content[-1] ^ 1])
        (folder / name).write_bytes(content[: len(content) // 2] if spoil == "cut" else whole)
    with pytest.raises(WdualmineError, match=rf"{name}: .*restore it"):
        train(make_experiment("ct-mri", "smoke"), folder, "phantom", progress=False)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"kind": "training"}', '{"experiment": 3, "kind": "training"}']
)
def test_an_ill_formed_started_json_is_named(checkpoint: Path, tmp_path: Path, content: str) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "run")
    (folder / "started.json").write_text(content)
    _, metadata = read_tensors(folder / CHECKPOINT)
    _header(folder / CHECKPOINT, {"wdualmine": json.dumps({k: metadata[k] for k in ("log", "sessions")})})
    with pytest.raises(WdualmineError, match="run") as caught:
        train(make_experiment("ct-mri", "smoke"), folder, "phantom", "cpu", 1, progress=False)
    assert "\n" not in str(caught.value)


def test_scores_are_in_full_float32_and_the_setting_comes_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = []

    def scored(*arguments: Any) -> Any:
        seen.append(torch.backends.cudnn.allow_tf32)
        return evaluate(*arguments)

    monkeypatch.setattr("wdualmine.training.evaluate", scored)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    train(make_experiment("ct-mri", "smoke", epochs=1), tmp_path, "phantom", threads=1, progress=False)
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32
