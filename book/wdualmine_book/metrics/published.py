"""The fused images that AdaFuse and ASFE-Fusion published: their scores, the paper's rows for both methods.

``python -m wdualmine_book.metrics.published HARVARD PUBLISHED OUTPUT`` writes them as CSV. The committed
``results/published/metrics.csv`` is that file, so that the paper's rows can be shown without images.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from numpy.typing import NDArray

from wdualmine.data import TASKS, DataSource, Task, cache_folder
from wdualmine.data.images import read_image
from wdualmine.data.pairs import image_files
from wdualmine.errors import WdualmineError
from wdualmine.metrics.files import score_files
from wdualmine.metrics.registry import PAPER_METRICS

#: Folder of a method's published images, and its name in the paper's tables.
METHODS = {"adafuse": "AdaFuse", "asfe": "ASFE-Fusion"}


def score_published(
    harvard: str | Path, published: str | Path, metrics: Sequence[str] = PAPER_METRICS
) -> pd.DataFrame:
    """Score the published images against the test pairs.

    Args:
        harvard: folder with ``<task>/test/<modality>``.
        published: folder with ``<method>/<task>``.
        metrics: keys of the registry.

    Returns:
        Columns task, split, pair, method (as in the paper), then one a metric; a row a method and pair.

    Raises:
        WdualmineError: see :func:`~wdualmine.metrics.files.score_files`.
    """
    frames = []
    for folder, method in METHODS.items():
        for task in TASKS.values():
            sources = Path(harvard) / task.folder / "test"
            scores = score_files(
                sources / task.a, sources / task.b, Path(published) / folder / task.folder, metrics
            )
            frame = pd.DataFrame(
                {"task": task.key, "split": "test", "pair": scores["pair"], "method": method}
            )
            frames.append(frame.join(scores[list(metrics)]))
    return pd.concat(frames, ignore_index=True)


def published_folder(source: DataSource) -> Path | None:
    """Return the folder with the fused images that two baselines published (``<method>/<task>``), if any."""
    folders = (source.root.parent / "published", cache_folder() / "published")
    return next((folder for folder in folders if source.name == "harvard" and folder.is_dir()), None)


def published_files(task: Task, source: DataSource) -> dict[str, dict[str, Path]]:
    """Find the published fused images by method and pair; empty where they are not at hand."""
    folder = published_folder(source)
    if folder is None:
        return {}
    return {title.lower(): image_files(folder / name / task.folder) for name, title in METHODS.items()}


def published_image(files: dict[str, Path], pair: str, method: str) -> NDArray:
    """Read one of :func:`published_files`.

    Raises:
        WdualmineError: there is none of this pair, or it cannot be read.
    """
    if pair not in files:
        raise WdualmineError(f"{method}: its published images lack pair {pair}; fetch them again")
    return read_image(files[pair])


def main(arguments: Sequence[str]) -> None:
    """Write the scores to a CSV file, six decimals each."""
    if len(arguments) != 3:
        raise WdualmineError(
            "give three paths: the folder of the pairs, that of the published images, the CSV"
        )
    harvard, published, output = map(Path, arguments)
    scores = score_published(harvard, published)
    output.parent.mkdir(parents=True, exist_ok=True)
    scores.to_csv(output, index=False, float_format="%.6f", lineterminator="\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except WdualmineError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
