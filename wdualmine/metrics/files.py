"""Scoring image files: one fused image with its two sources, or whole folders matched by file name."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wdualmine.data.images import read_image
from wdualmine.data.pairs import check_folder_order, image_files, natural_key
from wdualmine.data.scans import Window
from wdualmine.errors import WdualmineError
from wdualmine.metrics.registry import PAPER_METRICS, choose, score
from wdualmine.metrics.validation import to_8_bit

_LISTED = 8  # names spelt out in a message


def score_files(
    a: str | Path,
    b: str | Path,
    fused: str | Path,
    metrics: Iterable[str] = PAPER_METRICS,
    convention: str | None = None,
    round_16_bit: bool = False,
    windows: tuple[Window | None, Window | None] = (None, None),
) -> pd.DataFrame:
    """Score fused image files, or folders of them matched by name without suffix, against their sources.

    See :func:`~wdualmine.metrics.registry.score`, for round_16_bit and the windows of both sources
    :func:`read_levels`.

    Returns:
        A row per pair, in natural order of the names: column ``pair``, then one per metric.

    Raises:
        WdualmineError: names the file or folder that is missing, empty, unreadable or of another size, the
            names that are not in all three folders, or why the images cannot be scored.
    """
    keys = [metric.key for metric in choose(metrics, convention)]
    rows = []
    for pair, paths in match_files(a, b, fused).items():
        shown = zip(paths, (*windows, None), strict=True)
        x, y, image = (read_levels(path, round_16_bit, window) for path, window in shown)
        rows.append({"pair": pair, **score(x, y, image, keys, convention, list(map(str, paths)))})
    return pd.DataFrame(rows, columns=["pair", *keys])


def read_levels(path: Path, round_16_bit: bool = False, window: Window | None = None) -> NDArray[np.uint8]:
    """Read an image as 8-bit levels; one of 16 bits is rounded, v / 257, if so asked, else refused.

    For the window see :func:`~wdualmine.data.images.read_image`.

    Raises:
        WdualmineError: the file is unreadable, or of other values.
    """
    image = read_image(path, window)
    if round_16_bit and image.dtype == np.uint16:
        return np.rint(image / np.float64(257)).astype(np.uint8)
    try:
        return to_8_bit(image, str(path))
    except WdualmineError as error:
        if image.dtype == np.uint16:
            raise WdualmineError(f"{path}: has 16 bits; round it with --to-8-bit (round_16_bit)") from error
        raise


def match_files(a: str | Path, b: str | Path, fused: str | Path) -> dict[str, tuple[Path, Path, Path]]:
    """Find the three files of each pair, by the name of the fused image, in natural order.

    Raises:
        WdualmineError: files and folders are mixed, a folder is missing or empty, names do not match, or the
            sources are in the wrong order (:func:`~wdualmine.data.pairs.check_folder_order`).
    """
    paths = Path(a), Path(b), Path(fused)
    folders = [path for path in paths if path.is_dir()]
    if not folders:
        check_folder_order(a, b)
        return {paths[2].stem: paths}
    for path in paths:
        if path not in folders:
            what = f"is no folder but {folders[0]} is"
            raise WdualmineError(f"{path}: {what}; give three files or three folders")
    files = [image_files(path) for path in paths]
    problems = []
    for path, found in zip(paths, files, strict=True):
        if missing := sorted(set().union(*files) - found.keys(), key=natural_key):
            listed = ", ".join(missing[:_LISTED]) + (", ..." if len(missing) > _LISTED else "")
            problems.append(f"{path} lacks {len(missing)} ({listed})")
    if problems:
        raise WdualmineError(f"unmatched names: {'; '.join(problems)}; the three folders need the same names")
    check_folder_order(a, b)
    return {name: (files[0][name], files[1][name], files[2][name]) for name in files[2]}
