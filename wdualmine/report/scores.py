"""Scores of one pair: the judged images, and trivial fusions of the same sources in the same finish."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wdualmine.background import background_scores, blacken
from wdualmine.data import Pair
from wdualmine.data.color import to_grey
from wdualmine.data.scans import Window
from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse, fuse_images
from wdualmine.methods import CLASSICAL, average, blend, maximum
from wdualmine.metrics import score
from wdualmine.metrics.files import read_levels
from wdualmine.metrics.limits import limits
from wdualmine.metrics.validation import check_triple
from wdualmine.registration.check import misalignment, require_one_place, require_registered

#: What every method is compared with, volume by volume.
REFERENCES = ("average", "maximum", "laplacian-pyramid")
#: The t of the blends (1 - t) average + t maximum.
BLENDS = tuple(step / 10 for step in range(11))
#: The blends between average and maximum, by name: their t.
MIXES = {f"blend-{t:.1f}": t for t in BLENDS[1:-1]}
BLEND_TITLES = {"blend-0.0": "average", "blend-1.0": "maximum"}
BLEND_TITLES |= {name: f"blend, t = {t:.1f}" for name, t in MIXES.items()}
#: Metrics that compare the fused image with its sources; blends are held to them.
REFERENCED = ("MI", "CC", "PSNR", "Qabf", "SSIM", "VIF", "SCD")
#: Scored again with the background set to black.
BLACKENED = ("EN", "MI", "CC", "SSIM")
#: An image counts as stretched if its darkest and its brightest grey are so near those of the stretched
#: average. These are 0 and 255, but in color, where a bright pixel's chroma is cut off.
NEAR = 4

#: A pair by name, with the files of its sources and of the judged images.
Files = tuple[str, Sequence[Path]]


@dataclass(frozen=True)
class Reader:
    """How the files of a report are read."""

    round_16_bit: bool = False  #: round images of 16 bits to 8; else they are refused
    windows: tuple[Window | None, Window | None] = (None, None)  #: of the sources, in their units

    def image(self, path: Path, window: Window | None = None) -> NDArray[np.uint8]:
        """Read an image; see :func:`~wdualmine.metrics.files.read_levels`."""
        return read_levels(path, self.round_16_bit, window)

    def pair(self, name: str, paths: Sequence[Path]) -> Pair:
        """Read two sources, the first of some files.

        Raises:
            WdualmineError: a file is unreadable, not of 8 bits, constant, or of another size than the other.
        """
        a, b = map(self.image, paths[:2], self.windows)
        check_triple(a, b, a, (str(paths[0]), str(paths[1]), str(paths[0])))
        return Pair(name, a, b)


def finished(pair: Pair, fuse: Fuse, stretch: bool) -> NDArray[np.uint8]:
    """Fuse a pair as the methods of the field are saved, stretched to the full range or rounded."""
    names = (f"{pair.name}, image A", f"{pair.name}, image B")
    return fuse_images(pair.image_a, pair.image_b, fuse, stretch, names)


def look_at_pair(files: Files, allow: bool, reader: Reader) -> tuple[list[bool], list[str]]:
    """Return whether each judged image of a pair spans the full range, and sentences on misaligned sources.

    Raises:
        WdualmineError: an image cannot be scored, or the sources are misaligned and that is not allowed.
    """
    name, paths = files
    pair = reader.pair(name, paths)
    misaligned = []
    if not allow:
        require_one_place(*paths[:2])
        require_registered(pair.image_a, pair.image_b, (str(paths[0]), str(paths[1])))
    elif found := misalignment(pair.image_a, pair.image_b):
        misaligned.append(f"Source B of pair {name} {found}.")
    wanted = to_grey(finished(pair, average, stretch=True))
    full = []
    for path in paths[2:]:
        image = reader.image(path)
        check_triple(pair.image_a, pair.image_b, image, (str(paths[0]), str(paths[1]), str(path)))
        grey = to_grey(image)
        dark, bright = int(grey.min()) - int(wanted.min()), int(wanted.max()) - int(grey.max())
        full.append(max(dark, bright) <= NEAR)
    return full, misaligned


def score_pair(
    files: Files, stretched: Mapping[str, bool], keys: Sequence[str], reader: Reader
) -> tuple[list[dict], dict]:
    """Score a pair: its judged images, by method whether they are stretched, in the order of the files.

    Returns:
        A row per method and finish, baselines too, with ``reasons`` of missing scores; the limits.
    """
    name, paths = files
    pair = reader.pair(name, paths)
    bounds = limits(pair.image_a, pair.image_b, (str(paths[0]), str(paths[1])))
    return list(_rows(pair, paths[2:], stretched, keys, reader)), {"pair": name, **bounds}


def _rows(
    pair: Pair, paths: Sequence[Path], stretched: Mapping[str, bool], keys: Sequence[str], reader: Reader
) -> Iterator[dict]:
    """Rows of one pair: the judged images, then the baselines in each finish that one of them has."""
    finishes = sorted(set(stretched.values()))
    averages = {stretch: finished(pair, average, stretch) for stretch in finishes}
    for (method, stretch), path in zip(stretched.items(), paths, strict=True):
        yield _row(pair, reader.image(path), method, stretch, keys, averages[stretch])
    compared = [key for key in keys if key in REFERENCED]
    for stretch in finishes:
        for name in REFERENCES:
            fuse = CLASSICAL[name].fuse
            assert fuse is not None  # classical methods need no weights
            yield _row(pair, finished(pair, fuse, stretch), name, stretch, keys, averages[stretch])
        for name, t in MIXES.items() if compared else ():
            image = finished(pair, blend(maximum, t), stretch)
            yield _row(pair, image, name, stretch, compared, averages[stretch])


def _row(
    pair: Pair,
    image: NDArray[np.uint8],
    method: str,
    stretch: bool,
    keys: Sequence[str],
    average: NDArray[np.uint8],
) -> dict:
    scores, reasons = _scores(pair, image, keys)
    grey = to_grey(image)
    row = {"pair": pair.name, "method": method, "stretch": stretch, **scores}
    if method not in MIXES:
        black, _ = _scores(pair, blacken(pair, image), [key for key in BLACKENED if key in keys])
        row |= {f"{key}, black": value for key, value in black.items()}
    return row | {
        **background_scores(pair.grey_a, pair.grey_b, grey),
        "from_average": float(np.abs(grey.astype(np.int16) - to_grey(average)).mean()),
        "reasons": reasons,
    }


def _scores(
    pair: Pair, image: NDArray[np.uint8], keys: Sequence[str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Scores by metric, NaN where one does not exist, and why it does not."""
    scores: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for key in keys:
        try:
            scores |= score(pair.image_a, pair.image_b, image, [key], names=("A", "B", "F"))
        except WdualmineError as error:  # such as SCD where the result is one of the sources
            scores[key], reasons[key] = float("nan"), str(error).removeprefix("F: ")
    return scores, reasons
