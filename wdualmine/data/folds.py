"""Volume-disjoint splits: a volume whose slices are scored gives no slice to training."""

from wdualmine.data.manifest import volume_and_slice
from wdualmine.data.pairs import Pair, image_files, load_pairs
from wdualmine.data.source import DataSource
from wdualmine.data.tasks import SPLITS, Task, get_task
from wdualmine.errors import WdualmineError


def load_fold(source: DataSource, task: str | Task, split: str, fold: int, folds: int) -> list[Pair]:
    """Read one side of a volume-disjoint split, a subset of the same side of the paper's split.

    The volumes of both sides, in numerical order, are dealt to the folds in turn, numbered from 0. The test
    side keeps the pairs of this fold's volumes, the training side those of all others. Over all folds each
    test pair is scored once.

    Raises:
        WdualmineError: there is no such fold, a file's name is no volume and slice, or no pair is left.
    """
    task = get_task(task)
    if not 0 <= fold < folds:
        raise WdualmineError(f"fold {fold}: choose one of 0 to {folds - 1}")
    names = [name for part in SPLITS for name in image_files(source.task_folder(task) / part / task.a)]
    volumes = sorted({volume_and_slice(name)[0] for name in names})
    held_out = set(volumes[fold::folds])
    pairs = [
        pair
        for pair in load_pairs(task, split, data=source)
        if (volume_and_slice(pair.name)[0] in held_out) == (split == "test")
    ]
    if not pairs:
        raise WdualmineError(f"fold {fold} of {folds} leaves no {split} pair of {task.key}; take fewer folds")
    return pairs
