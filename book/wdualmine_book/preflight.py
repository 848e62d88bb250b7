"""What a notebook can say first: where it runs, on what, with which data, and what a run will take."""

import math
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from wdualmine import __version__
from wdualmine.data import find_data, get_task, load_pairs
from wdualmine.data.pairs import image_files
from wdualmine.data.source import kaggle_input
from wdualmine.errors import WdualmineError
from wdualmine.experiments import Experiment, make_experiment
from wdualmine.runtime import environment, hardware, pick_device
from wdualmine.training import initial_state, numerics, stack, train_epoch

#: Where the hosted platforms keep what a notebook writes; Colab's Drive is there once it is mounted.
KAGGLE_WORKING = Path("/kaggle/working")
COLAB_CONTENT = Path("/content")
COLAB_DRIVE = Path("/content/drive/MyDrive")
#: Pairs in the step that is timed on a processor, where the time is proportional to them.
TIMED_PAIRS = 2


def report(
    task: str | None = None,
    preset: str = "quick",
    data: str | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> str:
    """Say where this runs, on which device, with which data, where results go and what a training will take.

    Args:
        task: estimate the training of this task, from a step that is run and timed; None estimates nothing.
        preset: the preset of that training.
        data: a folder or "phantom"; None looks where :func:`~wdualmine.data.find_data` says.
        device: see :func:`~wdualmine.runtime.pick_device`.
        threads: CPU threads for the timed step; None leaves torch's setting.

    Returns:
        A few lines of text.

    Raises:
        WdualmineError: an unknown task or preset, a named device that does not run, or, where a training is
            to be estimated, data that cannot be read.
    """
    chosen = pick_device(device)
    versions = environment()
    lines = [
        f"Platform: {host()}, Python {versions['python']}, torch {versions['torch']}, "
        f"numpy {versions['numpy']}, wdualmine {__version__}",
        f"Device:   {_describe_device(chosen, device)}",
    ]
    try:
        source = find_data(data)
        hint = "; `wdualmine data fetch` gets the real pairs" if source.name == "phantom" and not data else ""
        lines.append(f"Data:     {source.describe()}{hint}")
    except WdualmineError as error:
        if task:
            raise
        lines.append(f"Data:     none yet: {error}")
    lines.append(f"Output:   {output_folder()}{_keeping()}")
    if task:
        experiment = make_experiment(task, preset)
        seconds, steps = estimate(experiment, data, device, threads)
        lines.append(
            f"Training: {experiment.task}, preset {preset}: {experiment.schedule.epochs} epochs, "
            f"{steps} steps, about {duration(seconds)} as timed here, then scoring; "
            "cut off, it resumes after the last whole epoch"
        )
    return "\n".join(lines)


def estimate(
    experiment: Experiment, data: str | None = None, device: str = "auto", threads: int | None = None
) -> tuple[float, int]:
    """Estimate what a training takes here, from one step that is run and timed.

    On a processor the step is of :data:`TIMED_PAIRS` pairs, on a GPU of a whole batch.

    Returns:
        Seconds for all epochs, without scoring; the number of steps.

    Raises:
        WdualmineError: the device does not run or the data cannot be read.
    """
    chosen, source, schedule = pick_device(device), find_data(data), experiment.schedule
    task = get_task(experiment.task)
    pairs = len(image_files(source.task_folder(task) / "train" / task.a))
    pairs = min(pairs, schedule.train_pairs or pairs)
    batch = min(schedule.batch_size, pairs)
    timed = min(batch, TIMED_PAIRS) if chosen.type == "cpu" else batch
    first, second = (images.to(chosen) for images in stack(load_pairs(task, "train", timed, data=source)))
    step = replace(experiment, schedule=replace(schedule, batch_size=timed))
    with numerics(threads):
        state = initial_state(step, chosen)
        for _ in range(2):  # the first warms up
            row = train_epoch(state, [(first, second)], step, 0, progress=False)
    steps = schedule.epochs * math.ceil(pairs / schedule.batch_size)
    return row["seconds"] / timed * pairs * schedule.epochs, steps


def host() -> str:
    """Say where this program runs: "Kaggle", "Colab" or "local"."""
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ:  # first, because Kaggle's image is built on Colab's
        return "Kaggle"
    return "Colab" if "COLAB_RELEASE_TAG" in os.environ else "local"


def output_folder() -> Path:
    """Give the folder for a notebook's runs.

    On Kaggle ``/kaggle/working/runs``, which a saved version keeps; on Colab ``wdualmine-runs`` in Google
    Drive if it is mounted, else ``/content/runs``, which ends with the session; elsewhere ``runs`` in the
    working folder.
    """
    folders = {
        "Kaggle": [KAGGLE_WORKING / "runs"],
        "Colab": [COLAB_DRIVE / "wdualmine-runs", COLAB_CONTENT / "runs"],
    }
    for folder in folders.get(host(), []):
        if folder.parent.is_dir():
            return folder
    return Path.cwd() / "runs"


def run_folder(name: str) -> Path:
    """Give the folder of a run, ``output_folder() / name``.

    On Kaggle, where a session starts empty, a run of that name in an attached notebook's output
    (``/kaggle/input/**/runs/<name>``) is copied there first, so that it goes on.
    """
    folder = output_folder() / name
    if host() == "Kaggle" and not folder.exists():
        for earlier in sorted(kaggle_input().glob(f"**/runs/{name}"))[-1:]:
            shutil.copytree(earlier, folder, copy_function=shutil.copyfile)
    return folder


def glue(name: str, value: Any) -> None:
    """Keep a value for other pages of the book; without myst-nb, as on Colab, there is no book to keep."""
    try:
        from myst_nb import glue as keep
    except ImportError:
        return
    keep(name, value, display=False)


def duration(seconds: float) -> str:
    """Write a time for people: "40 s", "12 min", "4.4 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _describe_device(device: torch.device, asked: str) -> str:
    """Name the device that has just computed something, and a GPU that could not."""
    facts = hardware(device)
    if device.type != "cpu":
        return f"{device}, {facts.get('gpu', facts['processor'])}, ran a convolution"
    text = f"cpu, {facts['processor']}, {facts['threads']} of {facts['cores']} cores"
    if asked == "auto" and torch.cuda.is_available():
        try:
            pick_device("cuda")
        except WdualmineError as error:
            return f"{text}; there is a GPU, but {error}"
    return text


def _keeping() -> str:
    if host() == "Kaggle":
        return "; kept by Save Version"
    if host() == "Colab" and output_folder().parent.name != "MyDrive":
        return "; lost with the session unless Google Drive is mounted"
    return ""
