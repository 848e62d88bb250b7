"""What an observer detects in a fused image, whatever its gain: three model observers of known signals.

An observer answers to shape, not to contrast: an increasing linear map of an image, such as a window that
clips nothing, changes none of its answers. Each is measured in the source alone, too, which is what a reader
of that scan would have found.

- *Search*: a matched filter of the known shape takes the place of its largest answer in a region in which the
  signal is at random. Localization ROC: R. G. Swensson, 1996, doi:10.1118/1.597758.
- *Matched filter* (non-prewhitening): H. H. Barrett, J. Yao, J. P. Rolland, K. J. Myers, 1993,
  doi:10.1073/pnas.90.21.9758.
- *Channelized Hotelling observer*, with the ten dense difference-of-Gaussians channels of C. K. Abbey and
  H. H. Barrett, 2001, doi:10.1364/JOSAA.18.000473, as DIDSR/LCD_CT of the FDA has them. The channels are
  round, so it looks for round signals only.
"""

import math
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import ndimage
from scipy.signal import fftconvolve

from wdualmine.data import Pair
from wdualmine.data.color import LUMA_WEIGHTS
from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse
from wdualmine.recovery.baselines import first_source, second_source
from wdualmine.recovery.measure import SEED, fuse_levels, recovered
from wdualmine.recovery.signals import AMPLITUDES, MARGIN, REACH, Array, Signal, draw_signals, head, insert
from wdualmine.recovery.uptake import ColorMap
from wdualmine.statistics import Group, jackknife_interval

#: Signals a pair, source and shape, at most.
SIGNALS = 5
#: The search region reaches so many pixels from its center to each side: 23 x 23 places.
REGION = 11
#: A signal is found where the observer's place is so near in both directions.
NEAR = 2
#: What an observer finds that sees nothing of the signal, at most: the places that count, over all.
CHANCE = (2 * NEAR + 1) ** 2 / (2 * REGION + 1) ** 2
#: Distance of two signals in one image: no other signal's window touches a search region, sqrt(2) (2 REGION +
#: REACH) pixels.
SPACING = 46
#: The channels' windows reach so many pixels to each side: 41 x 41.
CHANNEL_REACH = 20
ROUND = ("gaussian", "disc", "ring")
#: The share of signal-free regions that are reported, too, at the threshold of ``reported``.
ALARMS = 0.1


def difference_of_gaussians(side: int = 2 * CHANNEL_REACH + 1) -> Array:
    """Return the ten dense channels, (10, side, side), of Abbey and Barrett; each of them sums to 0.

    Channel j passes exp(-f^2 / 2 (1.67 s_j)^2) - exp(-f^2 / 2 s_j^2), s_j = .005 * 1.4^j cycles a pixel.
    """
    frequency = (np.arange(side) - (side - 1) / 2) / side
    squared = frequency[:, None] ** 2 + frequency**2
    channels = []
    for j in range(10):
        s = 0.005 * 1.4**j
        passed = np.exp(-squared / (2 * (1.67 * s) ** 2)) - np.exp(-squared / (2 * s**2))
        channels.append(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(passed))).real)
    return np.array(channels)


def hotelling_template(signal: Array, covariance: Array) -> Array:
    """Return the Hotelling observer's weights of k channels, K^-1 s, (k,); a pseudoinverse, as LCD_CT has.

    Args:
        signal: s, the mean answer of the channels to the signal, (k,).
        covariance: K of the channels where there is none, (k, k).
    """
    return np.linalg.pinv(covariance, hermitian=True) @ signal


def measure_observers(
    fuse: Fuse,
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
        fuse: any way to fuse; neither stretched nor rounded here.
        pairs: sources.
        group: gives a pair's volume by its name; None takes every pair for a volume of its own.
        signals: at most so many a pair, source and shape.
        amplitudes: grey levels to draw from; 255ths of the uptake for a signal in source a with a color map.
        color_map: of source a; signals then change its uptake, thus luma and chroma; else its luma.
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
        WdualmineError: `fuse` gives another shape or values that are not finite, no pair has room for a
            signal, or a color map is asked of grey pairs.
    """
    rows: list[dict] = []
    looks: list[_Look] = []
    for pair in pairs:
        scene = _Scene(pair, color_map, in_color)
        code = zlib.crc32(pair.name.encode())
        without = scene.fused(fuse)
        a, b = scene.levels["a"], scene.levels["b"]
        clutter = _Clutter(without, head(a, b))
        draws = draw_signals(a, b, signals, (seed, code), amplitudes, SPACING)
        for number, (source, drawn) in enumerate(draws):
            if not drawn:
                continue
            image = scene.fused(fuse, source, drawn)
            change = clutter.change(image, drawn)
            shifts = np.random.default_rng((seed + 1, code, number))
            for signal in drawn:
                shift = shifts.integers(-REGION, REGION + 1, 2)
                looks.append(_look(signal, shift, image, change, clutter))
                recovery = recovered(signal, _luma(image - without)[signal.window])
                rows.append({"pair": pair.name, "source": source, **vars(signal), "recovery": recovery})
        progress()
    if not rows:
        raise WdualmineError("no pair has room for a signal inside the head; give larger or brighter images")
    scores = pd.DataFrame(rows)
    volumes = scores["pair"].map(group or str)
    for name in ("filter", "hotelling"):
        seen = [getattr(look, name) for look in looks]
        weights = _trained(seen, scores, volumes)
        of_clutter = [(w @ c.mean, w @ c.square @ w) for w, c in zip(weights, seen, strict=True)]
        scores[name + "_answer"] = [float(w @ c.answer) for w, c in zip(weights, seen, strict=True)]
        scores[[name + "_mean", name + "_square"]] = np.array(of_clutter, dtype=float)
        if name == "filter":
            searches = [look.search(w) for w, look in zip(weights, looks, strict=True)]
            scores[["found", "rating", "false_rating"]] = np.array(searches, dtype=float)
    return scores


def measure_alone(pairs: Sequence[Pair], **options: Any) -> pd.DataFrame:
    """Measure the observers in each source alone, the reference of :func:`summarize_observers`.

    Args:
        pairs: sources.
        options: as those of :func:`measure_observers`. Source b is grey, in color, too.
    """
    a = measure_observers(first_source, pairs, **options)
    b = measure_observers(second_source, pairs, **options | {"in_color": False})
    return pd.concat([a[a["source"] == "a"], b[b["source"] == "b"]], ignore_index=True)


def summarize_observers(
    scores: pd.DataFrame, alone: pd.DataFrame, group: Group | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Sum up what :func:`measure_observers` gives, for each source, beside the source alone.

    Args:
        scores: of a method, a row a signal.
        alone: of the same signals in each source alone, by :func:`measure_alone`.
        group: gives a pair's volume by its name; None takes every pair for a volume of its own.
        level: of the intervals, by the jackknife over the volumes.

    Returns:
        A row a source and statistic: columns source, statistic, value, low, high, and ``share``, the value
        over that in the source alone (1 is all that the scan shows), with ``share_low`` and ``share_high``.
        Statistics: ``recovery``, its mean; ``search``, the share found; ``reported``, the share found and
        rated above nine of ten signal-free regions of its class (shape and size); ``localization``, the area
        under the localization ROC curve: the probability that a signal is found and rated above a signal-free
        region of its class; ``detectability`` and ``hotelling``, d' of the matched filter and of the
        channelized Hotelling observer, per class, then averaged.

    Raises:
        WdualmineError: the two frames are not of the same signals.
    """
    scores, alone = (frame.sort_values(_KEYS, ignore_index=True) for frame in (scores, alone))
    if not scores[_KEYS].equals(alone[_KEYS]):
        raise WdualmineError("the source alone was measured with other signals; measure both with one seed")
    rows = []
    for source, own in scores.groupby("source", sort=True):
        reference = alone.loc[own.index]
        volumes = own["pair"].map(group or str).to_numpy()
        places = [np.flatnonzero(volumes == volume) for volume in sorted(set(volumes))]

        def values(at: NDArray[np.intp], own: pd.DataFrame = own, alone: pd.DataFrame = reference) -> Array:
            value, whole = (np.array(list(_statistics(x.iloc[at]).values())) for x in (own, alone))
            share = np.divide(value, whole, out=np.full_like(value, np.nan), where=whole > 0)
            return np.stack([value, share], axis=1).ravel()

        table = np.stack([values(np.arange(len(own))), *jackknife_interval(values, places, level)], axis=1)
        for name, numbers in zip(_STATISTICS, table.reshape(-1, 6), strict=True):
            rows.append({"source": source, "statistic": name, **dict(zip(_SUMMARY, numbers, strict=True))})
    return pd.DataFrame(rows)


def _statistics(scores: pd.DataFrame) -> dict[str, float]:
    reported, localized = np.zeros(2), []
    detected: dict[str, list[float]] = {"filter": [], "hotelling": []}
    for _, own in scores.groupby(["shape", "size"], sort=True):
        found, rating = own["found"].to_numpy() > 0, own["rating"].to_numpy()
        false = np.sort(own["false_rating"].to_numpy())
        above = (np.searchsorted(false, rating, "left") + np.searchsorted(false, rating, "right")) / 2
        localized += [*(found * above / len(own))]
        reported += (found & (rating > np.quantile(false, 1 - ALARMS))).sum(), len(own)
        for name, values in detected.items():
            variance = own[name + "_square"].mean() - own[name + "_mean"].mean() ** 2
            answer = own[name + "_answer"].mean()
            if variance > 0 or answer == 0:  # neither where it does not look
                values.append(answer / math.sqrt(variance) if variance > 0 else 0.0)
    return {
        "recovery": float(scores["recovery"].mean()),
        "search": float(scores["found"].mean()),
        "reported": float(reported[0] / reported[1]),
        "localization": float(np.mean(localized)),
        **{
            name: float(np.mean(values)) if values else math.nan
            for name, values in zip(("detectability", "hotelling"), detected.values(), strict=True)
        },
    }


class _Scene:
    """A pair that takes signals and shows what is fused of it: levels (C, H, W), C = 3 in color, else 1."""

    def __init__(self, pair: Pair, color_map: ColorMap | None, in_color: bool) -> None:
        self.pair, self.map, self.in_color = pair, color_map, in_color
        if (color_map or in_color) and pair.chroma is None:
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


class _Clutter:
    """A fused image without signals, and the filters' answers at all places of its head."""

    def __init__(self, image: Array, inside: NDArray[np.bool_]) -> None:
        self.image, self.inside = image, inside
        self.deviation = _moments(image, inside)[1]
        core = np.s_[CHANNEL_REACH:-CHANNEL_REACH, CHANNEL_REACH:-CHANNEL_REACH]
        self.places = np.zeros_like(inside)
        self.places[core] = ndimage.binary_erosion(inside, iterations=MARGIN)[core]
        self.known: dict[object, tuple[Array, Array]] = {}

    def change(self, image: Array, drawn: Sequence[Signal]) -> Array:
        """Return what signals changed, in deviations of the image without, whatever the gain of either."""
        calm = self.inside.copy()
        for signal in drawn:
            calm[signal.window] = False
        (mean, deviation), (own_mean, own_deviation) = _moments(self.image, calm), _moments(image, calm)
        matched = (image - own_mean) * (deviation / own_deviation) + mean
        return (matched - self.image) / self.deviation

    def answers(self, key: object, filters: Array) -> tuple[Array, Array]:
        """Return mean (n C,) and second moment (n C, n C) of the answers of n filters (n, side, side)."""
        if key not in self.known:
            image = self.image / self.deviation
            maps = [fftconvolve(x, f[::-1, ::-1], "same")[self.places] for f in filters for x in image]
            answers = np.array(maps)
            count = max(answers.shape[1], 1)
            self.known[key] = answers.sum(axis=1) / count, answers @ answers.T / count
        return self.known[key]


class _Seen(NamedTuple):
    """Answers of an observer's k channels: to a signal, (k,), and the moments of those to clutter."""

    answer: Array
    mean: Array
    square: Array


class _Look(NamedTuple):
    """What the observers see of one signal, before the weights of channels and colors are known."""

    place: NDArray[np.int64]  # of the signal among those of the region
    with_signal: Array  # answers of the filter at the places of the region, (C, 23, 23)
    without: Array
    filter: _Seen
    hotelling: _Seen

    def search(self, weights: Array) -> tuple[float, float, float]:
        """Return whether the signal is found, the rating of its search, and that of the region without it."""
        answers, without = (np.einsum("c,cij->ij", weights, x) for x in (self.with_signal, self.without))
        taken = np.unravel_index(np.nan_to_num(answers).argmax(), answers.shape)
        return float(np.abs(taken - self.place).max() <= NEAR), _rating(answers), _rating(without)


def _look(signal: Signal, shift: NDArray[np.int64], image: Array, change: Array, clutter: _Clutter) -> _Look:
    shape = signal.template / abs(signal.amplitude)
    shape = shape - shape.mean()
    sign = math.copysign(1, signal.amplitude)
    center = np.array((signal.row, signal.column))
    regions = [
        np.einsum(
            "cijkl,kl->cij",
            sliding_window_view(_window(x, center + shift, REGION + REACH), shape.shape, axis=(1, 2)),
            shape,
        )
        for x in (image, clutter.image)
    ]
    key = signal.shape, signal.size, signal.angle if signal.shape not in ROUND else 0
    mean, square = clutter.answers(key, sign * shape[None])
    by_filter = _Seen((_window(change, center, REACH) * shape).sum(axis=(1, 2)), sign * mean, square)
    size = len(_CHANNELS) * len(image)
    by_channels = _Seen(np.full(size, np.nan), np.full(size, np.nan), np.full((size, size), np.nan))
    if signal.shape in ROUND:
        mean, square = clutter.answers("channels", _CHANNELS)
        answer = np.einsum("nij,cij->nc", _CHANNELS, _window(change, center, CHANNEL_REACH)).ravel()
        by_channels = _Seen(sign * answer, sign * mean, square)
    return _Look(REGION - shift, regions[0], regions[1], by_filter, by_channels)


def _trained(seen: Sequence[_Seen], scores: pd.DataFrame, volumes: pd.Series) -> list[Array]:
    """Return the weights of channels for each signal, from signals of its class in other volumes."""
    size = len(seen[0].answer)
    weights = [np.ones(size)] * len(seen)
    if size == 1:  # the sign of a signal is known
        return weights
    for _, own in scores.groupby(["source", "shape", "size"]).indices.items():
        volume = volumes.to_numpy()[own]
        answers, means, squares = (np.array([getattr(seen[k], x) for k in own]) for x in _Seen._fields)
        for held_out in set(volume):
            others = volume != held_out
            template = np.full(size, np.nan)
            if others.any() and np.isfinite(answers).all():
                mean = means[others].mean(axis=0)
                covariance = squares[others].mean(axis=0) - np.outer(mean, mean)
                template = hotelling_template(answers[others].mean(axis=0), covariance)
                template = template / max(math.sqrt(template @ covariance @ template), 1e-300)
            for k in own[~others]:
                weights[k] = template
    return weights


def _window(image: Array, center: NDArray | Sequence[int], reach: int) -> Array:
    """Return a window of (C, H, W); beyond the border its pixels go on."""
    rows, columns = (
        np.clip(np.arange(at - reach, at + reach + 1), 0, size - 1)
        for at, size in zip(center, image.shape[1:], strict=True)
    )
    return image[:, rows[:, None], columns]


def _moments(image: Array, where: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return mean and deviation of (C, H, W) at some places, (C, 1, 1) each; a flat one's is 1."""
    values = image[:, where]
    deviation = values.std(axis=1)
    return values.mean(axis=1)[:, None, None], np.where(deviation > 0, deviation, 1)[:, None, None]


def _rating(answers: Array) -> float:
    deviation = float(answers.std())
    return float(answers.max() - answers.mean()) / deviation if deviation > 0 else 0.0


def _luma(image: Array) -> Array:
    """Return the luma (H, W) of (C, H, W)."""
    return image[0] if len(image) == 1 else np.einsum("c,chw->hw", LUMA_WEIGHTS, image)


_CHANNELS = difference_of_gaussians()
_KEYS = ["source", "pair", "shape", "size", "angle", "amplitude", "row", "column"]
_STATISTICS = ("recovery", "search", "reported", "localization", "detectability", "hotelling")
_SUMMARY = ("value", "low", "high", "share", "share_low", "share_high")
