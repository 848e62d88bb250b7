"""Registration judged by known moves: where each pixel of the head ends up, and what fusing loses.

A record of kind "registration" is of the pairs of fold :data:`FOLD`, whose volumes no network here has seen.
It holds

- ``registration.csv``, a row a method, condition, pair and draw: mean, median and 95th percentile of the
  error inside the head, in pixels, and the processor's seconds on one thread;
- ``fusion.csv``, a row a method, condition and pair: CC of the light network's fused image with both sources
  where they lay, and of signals in either source how many there are and how many a search finds (``_alone``:
  in that source alone);
- ``metrics.csv``, the same CC where the MRI lay.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from wdualmine.data import Pair, load_fold, volume_of
from wdualmine.errors import WdualmineError
from wdualmine.experiments import FOLDS
from wdualmine.fusion import Fuse, fuse_images
from wdualmine.methods import LIGHT, load_fuse
from wdualmine.metrics import score
from wdualmine.progress import task_bar
from wdualmine.records import write_csv
from wdualmine.recovery.measure import measure_alone, measure_recovery
from wdualmine.recovery.signals import head
from wdualmine_book.recorder import Request
from wdualmine_book.records import results_folder
from wdualmine_book.scans.learned import find_field, load_transformer
from wdualmine_book.scans.moves import (
    CONDITIONS,
    SEED,
    SMOOTH,
    Array,
    draw_move,
    errors,
    identity,
    move_image,
    within,
)
from wdualmine_book.scans.stn import sample

KIND = "registration"
#: The fold that is judged; the design was chosen on fold 1.
FOLD = 0
#: Moves of a condition and pair.
DRAWS = 2
#: Finds the field of a pair: its two lumas, uint8, the MRI second.
Find = Callable[[NDArray[np.uint8], NDArray[np.uint8]], Array]
#: Pairs that are fused and searched, spread over those judged, and how the MRI is moved for that.
FUSED = 4
FUSED_CONDITIONS = ("12 px, 5°", "25 px, 10°", "field of 4 px")
ALIGNED = "aligned"


def fused_methods(condition: str) -> tuple[str, ...]:
    """Return the methods that register what is fused: of the networks that of the condition's kind."""
    kind = "deformable" if condition in SMOOTH else "rigid"
    return "none", "simpleitk", f"stn-{kind}", f"joint-{kind}"


def methods() -> dict[str, Find]:
    """Return what is judged, by name: nothing done, SimpleITK, and the networks trained alone and jointly."""
    found: dict[str, Find] = {"none": lambda fixed, _: identity(fixed.shape), "simpleitk": simpleitk_rigid}
    for name in ("stn", "joint"):
        path = results_folder() / "scans" / f"{name}-fold-{FOLD}.safetensors"
        for kind in ("rigid", "deformable"):
            found[f"{name}-{kind}"] = partial(_learned, path=path, kind=kind)
    return found


def registration(request: Request) -> pd.DataFrame:
    """Judge all ways to register, and record it as a run of kind "registration"."""
    pairs, task = request.pairs, request.task
    try:
        unseen = {pair.name for pair in load_fold(request.source, task, "test", FOLD, FOLDS)}
        pairs = [pair for pair in pairs if pair.name in unseen] or pairs
    except WdualmineError:  # fewer volumes than folds: of other data, which no network has seen
        pass
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with task_bar(
            f"{task.key} registration", len(pairs) + 1 + 4 * len(FUSED_CONDITIONS), request.progress
        ) as on:
            write_csv(request.output / "registration.csv", judge(pairs, methods(), on))
            fuse = load_fuse(LIGHT, results_folder() / "light" / f"all-fold-{FOLD}-seed0")
            few = [pairs[k] for k in np.unique(np.linspace(0, len(pairs) - 1, FUSED).round().astype(int))]
            write_csv(request.output / "fusion.csv", judge_fused(few, methods(), fuse, on))
    finally:
        torch.set_num_threads(threads)
    rows = [{"pair": pair.name, "method": LIGHT.name, "CC": _correlation(pair, fuse)} for pair in pairs]
    return pd.DataFrame(rows).assign(task=task.key, split="test", stretch=False)


def judge(
    pairs: Sequence[Pair], ways: dict[str, Find], advance: Callable[[], None] = lambda: None
) -> pd.DataFrame:
    """Move each pair's MRI and measure where each way takes it; see the module for the columns."""
    rows = []
    for pair in pairs:
        inside = head(pair.luma_a, pair.luma_b)
        for condition in CONDITIONS:
            for draw in range(1 if condition == "still" else DRAWS):
                move = draw_move(condition, pair.name, pair.luma_b.shape, SEED + draw)
                moving = move_image(pair.luma_b, move)
                for name, find in ways.items():
                    start = time.process_time()
                    answer = find(pair.luma_a, moving)
                    seconds = time.process_time() - start
                    error = errors(move, answer)[inside]
                    rows.append(
                        {
                            "method": name,
                            "condition": condition,
                            "pair": pair.name,
                            "volume": volume_of(pair.name),
                            "draw": draw,
                            "mean": error.mean(),
                            "median": np.median(error),
                            "p95": np.percentile(error, 95),
                            "seconds": seconds,
                        }
                    )
        advance()
    return pd.DataFrame(rows).round(4)


def judge_fused(
    pairs: list[Pair], ways: dict[str, Find], fuse: Fuse, advance: Callable[[], None] = lambda: None
) -> pd.DataFrame:
    """Fuse what each way registers, and search; see the module for the columns."""
    alone = _found(measure_alone(pairs, group=volume_of)).add_suffix("_alone")
    frames = []
    for condition in FUSED_CONDITIONS:
        moves = {pair.name: draw_move(condition, pair.name, pair.luma_b.shape) for pair in pairs}
        for name in (ALIGNED, *fused_methods(condition)):
            if name == ALIGNED and condition != FUSED_CONDITIONS[0]:
                continue
            own: dict[str, Fuse] = {}
            for pair in pairs:
                if name == ALIGNED:
                    own[pair.name] = fuse
                    continue
                move = moves[pair.name]
                answer = ways[name](pair.luma_a, move_image(pair.luma_b, move))
                own[pair.name] = partial(_moved_back, fuse=fuse, move=within(move), answer=answer)
            found = _found(measure_recovery(own, pairs, volume_of)).join(alone)
            found["CC"] = {pair.name: _correlation(pair, own[pair.name]) for pair in pairs}
            frames.append(
                found.reset_index().assign(method=name, condition=condition if name != ALIGNED else "still")
            )
            advance()
    return pd.concat(frames, ignore_index=True)


def simpleitk_rigid(fixed: NDArray[np.uint8], moving: NDArray[np.uint8]) -> Array:
    """Register rigidly by Mattes mutual information: 32 bins, all pixels, three levels, one thread.

    Source: D. Mattes and others, 2003, DOI 10.1109/TMI.2003.809072.
    """
    import SimpleITK

    images = [SimpleITK.GetImageFromArray(image.astype(np.float32)) for image in (fixed, moving)]
    method = SimpleITK.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-4, 200)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 0])
    start = SimpleITK.CenteredTransformInitializerFilter.GEOMETRY
    found = SimpleITK.CenteredTransformInitializer(*images, SimpleITK.Euler2DTransform(), start)
    method.SetInitialTransform(found, True)
    method.Execute(*images)
    origin = np.array(found.TransformPoint((0.0, 0.0)))
    axes = np.array([found.TransformPoint(axis) for axis in ((1.0, 0.0), (0.0, 1.0))]) - origin
    return identity(fixed.shape) @ axes + origin


def _learned(fixed: NDArray[np.uint8], moving: NDArray[np.uint8], path: Path, kind: str) -> Array:
    one, other = (torch.from_numpy(image.astype(np.float32) / 255)[None, None] for image in (fixed, moving))
    field: Array = find_field(load_transformer(path), one, other, kind).double().numpy()
    return field


def _moved_back(a: Tensor, b: Tensor, fuse: Fuse, move: Array, answer: Array) -> Tensor:
    """Fuse with the second image moved and registered again, signals and all."""
    for field in (move, answer):
        b = sample(b, torch.from_numpy(field.astype(np.float32))[None])
    return fuse(a, b)


def _correlation(pair: Pair, fuse: Fuse) -> float:
    fused = fuse_images(pair.luma_a, pair.luma_b, fuse, stretch=False)
    return score(pair.luma_a, pair.luma_b, fused, ("CC",))["CC"]


def _found(signals: pd.DataFrame) -> pd.DataFrame:
    """Count signals and those found, a row a pair: ``signals_a``, ``found_a``, and of source b."""
    found = signals.groupby(["source", "pair"])["found"]
    counts = {"signals": found.size(), "found": found.sum()}
    return pd.DataFrame({f"{name}_{s}": count[s] for name, count in counts.items() for s in ("a", "b")})
