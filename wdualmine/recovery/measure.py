"""Signal recovery: what of a known signal in one source is left in the fused image.

Contrast alone is answered by any gain. So model observers look at the fused image, too
(:mod:`wdualmine.recovery.observers`), and at each source alone: what a reader of that scan would have found.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from wdualmine.data import Pair
from wdualmine.data.color import LUMA_WEIGHTS, is_color
from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse, check_function, check_fused
from wdualmine.recovery.observers import REGION, Clutter, Look, look, trained_weights
from wdualmine.recovery.signals import AMPLITUDES, Array, Signal, draw_signals, head, insert
from wdualmine.statistics import Group

#: Signals a pair, source and shape, at most.
SIGNALS = 5
SEED = 20_261_124


class ColorMap(Protocol):
    """From the colors (H, W, 3) of a functional image, in 0-255, to uptake (H, W) in [0, 1] and back."""

    def color(self, uptake: Array) -> Array:
        """Return the colors of an uptake."""

    def uptake(self, image: NDArray) -> tuple[Array, Array]:
        """Return the uptake of each pixel, and its distance from the map, in levels of RGB."""


def measure_recovery(
    fuse: Fuse | Mapping[str, Fuse],
    pairs: Sequence[Pair],
    group: Group | None = None,
    signals: int = SIGNALS,
    amplitudes: Sequence[float] = AMPLITUDES,
    color_map: ColorMap | None = None,
    in_color: bool = False,
    seed: int = SEED,
    progress: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """Put signals into one source at a time, fuse, and let the observers look; each pair is fused 11 times.

    For d', the fused image with signals is brought to mean and deviation of the one without (in the head,
    outside of the signals' windows), and both are divided by its deviation in the head. An answer to a signal
    is the filter's answer to what it changed; clutter is the filter's answer at all places of the head in the
    image without. In color, the answers in red, green and blue are combined as by a Hotelling observer. What
    is trained, the weights of channels and colors for a source, shape and size, is trained on other volumes.

    Args:
        fuse: any way to fuse, or one for each pair by its name, such as the network that never saw the pair's
            volume; neither stretched nor rounded here.
        pairs: sources.
        group: gives a pair's volume by its name; None takes every pair for a volume of its own.
        signals: at most so many a pair, source and shape.
        amplitudes: grey levels to draw from; 255ths of the uptake for a signal in source a with a color map.
        color_map: of source a; its signals then change the uptake, thus luma and chroma; else the luma.
        in_color: look at the fused image in color (its luma, with the chroma of source a); else at its luma.
        seed: of everything that is drawn; the same for every method.
        progress: called after every pair.

    Returns:
        A row a signal: pair, source ("a" or "b"), shape, size, angle, amplitude, row, column, recovery (of
        luma); ``found``, the ``rating`` of its search (the peak above the mean of the region's answers, in
        their deviations) and ``false_rating``, of the same region without it; and for either observer,
        ``filter`` and ``hotelling``, its ``_answer`` to the signal, and ``_mean`` and ``_square`` of its
        answers to clutter. NaN where an observer does not look or has no other volume to be trained on.

    Raises:
        WdualmineError: `fuse` is no function, or gives another shape or values that are not finite; there is
            no pair, or none has room for a signal; or a color map is asked of grey pairs.
    """
    if not pairs:
        raise WdualmineError("no pairs to put signals into; give at least one")
    for each in fuse.values() if isinstance(fuse, Mapping) else (fuse,):
        check_function(each)
    rows: list[dict] = []
    looks: list[Look] = []
    for pair in pairs:
        scene = _Scene(pair, color_map, in_color)
        own = fuse[pair.name] if isinstance(fuse, Mapping) else fuse
        code = zlib.crc32(pair.name.encode())
        without = scene.fused(own)
        a, b = scene.levels["a"], scene.levels["b"]
        clutter = Clutter(without, head(a, b))
        draws = draw_signals(a, b, signals, (seed, code), amplitudes)
        for number, (source, drawn) in enumerate(draws):
            if not drawn:
                continue
            image = scene.fused(own, source, drawn)
            change = clutter.change(image, drawn)
            shifts = np.random.default_rng((seed + 1, code, number))
            for signal in drawn:
                shift = shifts.integers(-REGION, REGION + 1, 2)
                looks.append(look(signal, shift, image, change, clutter))
                difference, template = _luma(image - without)[signal.window], signal.template
                recovery = float((difference * template).sum() / (template**2).sum())
                rows.append({"pair": pair.name, "source": source, **vars(signal), "recovery": recovery})
        progress()
    if not rows:
        raise WdualmineError("no pair has room for a signal inside the head; give larger or brighter images")
    scores = pd.DataFrame(rows)
    volumes = scores["pair"].map(group or str)
    for name in ("filter", "hotelling"):
        seen = [getattr(look, name) for look in looks]
        weights = trained_weights(seen, scores, volumes)
        of_clutter = [(w @ c.mean, w @ c.square @ w) for w, c in zip(weights, seen, strict=True)]
        scores[name + "_answer"] = [float(w @ c.answer) for w, c in zip(weights, seen, strict=True)]
        scores[[name + "_mean", name + "_square"]] = np.array(of_clutter, dtype=float)
        if name == "filter":
            searches = [look.search(w) for w, look in zip(weights, looks, strict=True)]
            scores[["found", "rating", "false_rating"]] = np.array(searches, dtype=float)
    return scores


def measure_alone(pairs: Sequence[Pair], **options: Any) -> pd.DataFrame:
    """Measure each source alone: what a reader of that scan would have found.

    Args:
        pairs: sources.
        options: as those of :func:`measure_recovery`. Source b is grey, in color, too.
    """
    a = measure_recovery(first_source, pairs, **options)
    b = measure_recovery(second_source, pairs, **options | {"in_color": False})
    return pd.concat([a[a["source"] == "a"], b[b["source"] == "b"]], ignore_index=True)


def first_source(a: Tensor, b: Tensor) -> Tensor:
    """Source A alone."""
    return a


def second_source(a: Tensor, b: Tensor) -> Tensor:
    """Source B alone."""
    return b


class _Scene:
    """A pair that takes signals and shows what is fused of it: levels (C, H, W), C = 3 in color, else 1."""

    def __init__(self, pair: Pair, color_map: ColorMap | None, in_color: bool) -> None:
        self.pair, self.map, self.in_color = pair, color_map, in_color
        if (color_map or in_color) and not is_color(pair.image_a):
            raise WdualmineError(f"{pair.name}: source a is grey; leave the color map and in_color out")
        self.levels = {"a": pair.luma_a, "b": pair.luma_b}
        if color_map:
            self.uptake = color_map.uptake(pair.image_a)[0]
            self.levels["a"] = np.rint(255 * self.uptake).astype(np.uint8)

    def fused(self, fuse: Fuse, source: str = "", drawn: Sequence[Signal] = ()) -> Array:
        images = {name: insert(x, drawn if name == source else ()) for name, x in self.levels.items()}
        colors = self.pair.image_a.astype(np.float64)
        if self.map:
            if source == "a":
                changed = self.uptake + images["a"] - self.levels["a"] / 255
                colors = colors + self.map.color(changed) - self.map.color(self.uptake)
            images["a"] = (_luma(np.moveaxis(colors, -1, 0)) / 255).astype(np.float32)
        a, b = (torch.from_numpy(image)[None, None] for image in images.values())
        luma = fuse_levels(fuse, a.clamp(0, 1), b, self.pair.name)
        if not self.in_color:
            return luma[None]
        own = images["a"].astype(np.float64) * 255
        return np.clip(np.moveaxis(colors, -1, 0) + (luma - own), 0, 255)


def _luma(image: Array) -> Array:
    """Return the luma (H, W) of (C, H, W)."""
    return image[0] if len(image) == 1 else np.einsum("c,chw->hw", LUMA_WEIGHTS, image)


def fuse_levels(fuse: Fuse, a: Tensor, b: Tensor, name: str) -> Array:
    """Fuse two lumas (1, 1, H, W) and give grey levels (H, W), neither rounded nor stretched."""
    with torch.inference_mode():
        fused = check_fused(fuse(a, b), a, name)
    levels: Array = fused[0, 0].double().clamp(0, 1).cpu().numpy() * 255
    return levels
