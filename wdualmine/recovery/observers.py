"""Model observers of known signals in an image, whatever its gain.

An observer answers to shape, not to contrast: an increasing linear map of an image, such as a window that
clips nothing, changes none of its answers.

- *Search*: a matched filter of the known shape takes the place of its largest answer in a region in which the
  signal is at random. Localization ROC: R. G. Swensson, 1996, doi:10.1118/1.597758.
- *Matched filter* (non-prewhitening): H. H. Barrett, J. Yao, J. P. Rolland, K. J. Myers, 1993,
  doi:10.1073/pnas.90.21.9758.
- *Channelized Hotelling observer*, with the ten dense difference-of-Gaussians channels of C. K. Abbey and
  H. H. Barrett, 2001, doi:10.1364/JOSAA.18.000473, as DIDSR/LCD_CT of the FDA has them. The channels are
  round, so it looks for round signals only.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import ndimage
from scipy.signal import fftconvolve

from wdualmine.recovery.signals import MARGIN, REACH, Array, Signal

#: The search region reaches so many pixels from its center to each side: 23 x 23 places.
REGION = 11
#: A signal is found where the observer's place is so near in both directions.
NEAR = 2
#: What an observer finds that sees nothing of the signal, at most: the places that count, over all.
CHANCE = (2 * NEAR + 1) ** 2 / (2 * REGION + 1) ** 2
#: The channels' windows reach so many pixels to each side: 41 x 41.
CHANNEL_REACH = 20
ROUND = ("gaussian", "disc", "ring")


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


_CHANNELS = difference_of_gaussians()


class Clutter:
    """A fused image without signals, and the filters' answers at all places of its head."""

    def __init__(self, image: Array, inside: NDArray[np.bool_]) -> None:
        self.image, self.inside = image, inside
        self.deviation = moments(image, inside)[1]
        core = np.s_[CHANNEL_REACH:-CHANNEL_REACH, CHANNEL_REACH:-CHANNEL_REACH]
        self.places = np.zeros_like(inside)
        self.places[core] = ndimage.binary_erosion(inside, iterations=MARGIN)[core]
        self.known: dict[object, tuple[Array, Array]] = {}

    def change(self, image: Array, drawn: Sequence[Signal]) -> Array:
        """Return what signals changed, in deviations of the image without, whatever the gain of either."""
        calm = self.inside.copy()
        for signal in drawn:
            calm[signal.window] = False
        (mean, deviation), (own_mean, own_deviation) = moments(self.image, calm), moments(image, calm)
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


class Seen(NamedTuple):
    """Answers of an observer's k channels: to a signal, (k,), and the moments of those to clutter."""

    answer: Array
    mean: Array
    square: Array


class Look(NamedTuple):
    """What the observers see of one signal, before the weights of channels and colors are known."""

    place: NDArray[np.int64]  # of the signal among those of the region
    with_signal: Array  # answers of the filter at the places of the region, (C, 23, 23)
    without: Array
    filter: Seen
    hotelling: Seen

    def search(self, weights: Array) -> tuple[float, float, float]:
        """Return whether the signal is found, the rating of its search, and that of the region without it."""
        answers, without = (np.einsum("c,cij->ij", weights, x) for x in (self.with_signal, self.without))
        taken = np.unravel_index(np.nan_to_num(answers).argmax(), answers.shape)
        return float(np.abs(taken - self.place).max() <= NEAR), _rating(answers), _rating(without)


def look(signal: Signal, shift: NDArray[np.int64], image: Array, change: Array, clutter: Clutter) -> Look:
    """Let the observers look at one signal.

    Args:
        signal: which, and where it is.
        shift: of the search region's center from it, (2,) pixels.
        image: the fused image with the signal, (C, H, W).
        change: what :meth:`Clutter.change` gives of it.
        clutter: the fused image without signals.
    """
    shape = signal.template / abs(signal.amplitude)
    shape = shape - shape.mean()
    sign = math.copysign(1, signal.amplitude)
    center = np.array((signal.row, signal.column))
    regions = [
        np.einsum(
            "cijkl,kl->cij",
            sliding_window_view(window(x, center + shift, REGION + REACH), shape.shape, axis=(1, 2)),
            shape,
        )
        for x in (image, clutter.image)
    ]
    key = signal.shape, signal.size, signal.angle if signal.shape not in ROUND else 0
    mean, square = clutter.answers(key, sign * shape[None])
    by_filter = Seen((window(change, center, REACH) * shape).sum(axis=(1, 2)), sign * mean, square)
    size = len(_CHANNELS) * len(image)
    by_channels = Seen(np.full(size, np.nan), np.full(size, np.nan), np.full((size, size), np.nan))
    if signal.shape in ROUND:
        mean, square = clutter.answers("channels", _CHANNELS)
        answer = np.einsum("nij,cij->nc", _CHANNELS, window(change, center, CHANNEL_REACH)).ravel()
        by_channels = Seen(sign * answer, sign * mean, square)
    return Look(REGION - shift, regions[0], regions[1], by_filter, by_channels)


def trained_weights(seen: Sequence[Seen], scores: pd.DataFrame, volumes: pd.Series) -> list[Array]:
    """Return the weights of channels for each signal, from signals of its class in other volumes."""
    size = len(seen[0].answer)
    weights = [np.ones(size)] * len(seen)
    if size == 1:  # the sign of a signal is known
        return weights
    for _, own in scores.groupby(["source", "shape", "size"]).indices.items():
        volume = volumes.to_numpy()[own]
        answers, means, squares = (np.array([getattr(seen[k], x) for k in own]) for x in Seen._fields)
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


def window(image: Array, center: NDArray | Sequence[int], reach: int) -> Array:
    """Return a window of (C, H, W); beyond the border its pixels go on."""
    rows, columns = (
        np.clip(np.arange(at - reach, at + reach + 1), 0, size - 1)
        for at, size in zip(center, image.shape[1:], strict=True)
    )
    return image[:, rows[:, None], columns]


def moments(image: Array, where: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return mean and deviation of (C, H, W) at some places, (C, 1, 1) each; a flat one's is 1.

    Where there is no place, 0 and 1.
    """
    values = image[:, where] if where.any() else np.zeros((len(image), 1))
    deviation = values.std(axis=1)
    return values.mean(axis=1)[:, None, None], np.where(deviation > 0, deviation, 1)[:, None, None]


def _rating(answers: Array) -> float:
    deviation = float(answers.std())
    return float(answers.max() - answers.mean()) / deviation if deviation > 0 else 0.0
