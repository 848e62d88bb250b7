"""Known signals: their shapes, the places where they go, and how they are put into an image.

A signal is small (it fits a window of 21 x 21 pixels), lies inside the head and is added to one source, in
grey levels of 255. Where adding it would leave the range of the image, the place is passed over, so that what
went in is exactly the signal.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wdualmine.errors import WdualmineError

Array = NDArray[np.float64]

#: A signal's window reaches so many pixels from its center to each side.
REACH = 10
SIDE = 2 * REACH + 1
#: Distance of two signals in one image, in pixels: no other signal's window touches a search region.
SPACING = 46
#: Inside the head: so many pixels from its edge.
MARGIN = 6
#: The head is what is brighter than this grey level of 255 in either source, with what that encloses.
HEAD_LEVEL = 10
AMPLITUDES = (15.0, 30.0, 45.0)


def _distances(angle: float) -> tuple[Array, Array]:
    """Coordinates of the window along and across a direction, (SIDE, SIDE) each, in pixels."""
    rows, columns = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1].astype(np.float64)
    return (
        columns * np.cos(angle) + rows * np.sin(angle),
        rows * np.cos(angle) - columns * np.sin(angle),
    )


def _soft(distance: Array) -> Array:
    """1 inside an outline, 0 outside, linear over the pixel on it; the distance is positive inside."""
    return np.clip(distance + 0.5, 0, 1)


def gaussian(size: float, angle: float = 0.0) -> Array:
    """Spot with the standard deviation `size`."""
    along, across = _distances(angle)
    return np.exp(-(along**2 + across**2) / (2 * size**2))


def disc(size: float, angle: float = 0.0) -> Array:
    """Disc of the radius `size`."""
    return _soft(size - np.hypot(*_distances(angle)))


def ring(size: float, angle: float = 0.0) -> Array:
    """Ring of the mean radius `size`, 2 pixels wide."""
    return _soft(1 - np.abs(np.hypot(*_distances(angle)) - size))


def line(size: float, angle: float = 0.0) -> Array:
    """Line of the length `size`, 2 pixels wide, in the direction of the angle."""
    along, across = _distances(angle)
    return _soft(size / 2 - np.abs(along)) * _soft(1 - np.abs(across))


def grating(size: float, angle: float = 0.0) -> Array:
    """Grating of the period `size` across the angle, under a Gaussian of 3 pixels."""
    along, across = _distances(angle)
    return np.cos(2 * np.pi * along / size) * np.exp(-(along**2 + across**2) / (2 * 3.0**2))


#: Shapes by name, each with the sizes (pixels) in which it is used.
SHAPES: dict[str, tuple[Callable[[float, float], Array], tuple[float, ...]]] = {
    "gaussian": (gaussian, (1.5, 3.0)),
    "disc": (disc, (2.5, 5.0)),
    "ring": (ring, (4.0, 6.0)),
    "line": (line, (9.0, 15.0)),
    "grating": (grating, (4.0, 6.0)),
}


@dataclass(frozen=True)
class Signal:
    """One signal and its place."""

    shape: str  #: a key of :data:`SHAPES`
    size: float  #: in pixels; what it measures depends on the shape
    angle: float  #: direction in radians
    amplitude: float  #: grey levels of 255; negative makes it darker
    row: int  #: of its center
    column: int  #: of its center

    @property
    def window(self) -> tuple[slice, slice]:
        """Where it lies in an image (H, W)."""
        return (
            slice(self.row - REACH, self.row + REACH + 1),
            slice(self.column - REACH, self.column + REACH + 1),
        )

    @property
    def template(self) -> Array:
        """The signal in grey levels, (SIDE, SIDE)."""
        return self.amplitude * SHAPES[self.shape][0](self.size, self.angle)


def head(luma_a: NDArray[np.uint8], luma_b: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find the head: the largest connected part brighter than :data:`HEAD_LEVEL`, with what it encloses.

    The lumas are uint8 (H, W) and so, as bool, is the head.
    """
    from scipy import ndimage  # here: the table of methods imports this module, which must not take long

    filled = ndimage.binary_fill_holes(np.maximum(luma_a, luma_b) > HEAD_LEVEL)
    parts, count = ndimage.label(filled)
    if not count:
        return np.zeros(luma_a.shape, dtype=bool)
    return parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))


def place_signals(
    luma: NDArray[np.uint8],
    inside: NDArray[np.bool_],
    shape: str,
    limit: int,
    generator: np.random.Generator,
    amplitudes: Sequence[float] = AMPLITUDES,
) -> list[Signal]:
    """Draw signals of one shape, and places for them, at random: at most so many.

    Places are at least :data:`MARGIN` pixels inside the head. Size, angle, amplitude and sign are drawn anew
    for each; a place where the drawn sign would leave the range 0 to 255 is tried with the other sign, then
    passed over.

    Args:
        luma: the source that they are put into, (H, W) uint8.
        inside: the head, (H, W).
        shape: a key of :data:`SHAPES`.
        limit: draw at most so many.
        generator: of the places and of what is drawn.
        amplitudes: grey levels to draw from.

    Raises:
        WdualmineError: there is no such shape, or the limit is below 1.
    """
    from scipy import ndimage

    if shape not in SHAPES:
        raise WdualmineError(f"unknown shape {shape!r}; choose one of {', '.join(SHAPES)}")
    if limit < 1:
        raise WdualmineError(f"{limit} signals: ask for at least 1")
    allowed = ndimage.binary_erosion(inside, iterations=MARGIN)
    for edge in (np.s_[:REACH], np.s_[-REACH:], np.s_[:, :REACH], np.s_[:, -REACH:]):
        allowed[edge] = False
    places = np.argwhere(allowed)
    free = np.ones(len(places), dtype=bool)
    found: list[Signal] = []
    for number in generator.permutation(len(places)):
        if not free[number]:
            continue
        row, column = (int(value) for value in places[number])
        draw = Signal(
            shape,
            float(generator.choice(SHAPES[shape][1])),
            float(generator.uniform(0, np.pi)),
            float(generator.choice(amplitudes) * generator.choice((-1, 1))),
            row,
            column,
        )
        for signal in (draw, Signal(shape, draw.size, draw.angle, -draw.amplitude, row, column)):
            changed = luma[signal.window] + signal.template
            if changed.min() >= 0 and changed.max() <= 255:
                found.append(signal)
                free &= np.hypot(*(places - (row, column)).T) >= SPACING
                break
        if len(found) == limit:
            break
    return found


def insert(luma: NDArray[np.uint8], signals: Sequence[Signal]) -> NDArray[np.float32]:
    """Put signals, none of which touches another, into a luma, uint8 (H, W); return it in [0, 1]."""
    image = luma.astype(np.float64)
    for signal in signals:
        image[signal.window] += signal.template
    return (image / 255).astype(np.float32)


def draw_signals(
    luma_a: NDArray[np.uint8],
    luma_b: NDArray[np.uint8],
    limit: int,
    seed: Sequence[int],
    amplitudes: Sequence[float] = AMPLITUDES,
) -> Iterator[tuple[str, list[Signal]]]:
    """Draw, for each source ("a", "b") and each shape, signals that go into that source together.

    Args:
        luma_a: first source, (H, W) uint8.
        luma_b: second source.
        limit: at most so many a source and shape.
        seed: of everything that is drawn.
        amplitudes: grey levels to draw from.
    """
    inside = head(luma_a, luma_b)
    for number, (source, luma) in enumerate((("a", luma_a), ("b", luma_b))):
        for kind, shape in enumerate(SHAPES):
            generator = np.random.default_rng([*seed, number, kind])
            yield source, place_signals(luma, inside, shape, limit, generator, amplitudes)
