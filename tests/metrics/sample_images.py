"""Image triples for property tests: noise, extremes, flat blocks, ramps, almost constant images."""

import numpy as np
from hypothesis import strategies as st

KINDS = ("noise", "binary", "sparse", "blocks", "ramp", "almost constant", "few levels")


def make_image(kind, seed, shape):
    rng = np.random.default_rng(seed)
    height, width = shape
    if kind == "noise":
        image = rng.integers(0, 256, shape)
    elif kind == "binary":
        image = 255 * rng.integers(0, 2, shape)
    elif kind == "sparse":
        image = np.where(rng.random(shape) < 0.05, rng.integers(0, 256, shape), 0)
    elif kind == "blocks":
        image = np.kron(rng.integers(0, 256, (height // 4 + 1, width // 4 + 1)), np.ones((4, 4)))[
            :height, :width
        ]
    elif kind == "ramp":
        image = np.add.outer(np.linspace(0, 120, height), np.linspace(rng.integers(0, 135), 0, width))
    elif kind == "almost constant":
        image = np.full(shape, rng.integers(0, 255))
        image[rng.integers(height), rng.integers(width)] += 1
    elif kind == "few levels":
        image = rng.integers(100, 103, shape)
    else:
        return np.full(shape, seed % 256, np.uint8)
    if image.min() == image.max():  # by chance: a small image within one block, say
        image[0, 0] = 255 - image[0, 0]
    return image.astype(np.uint8)


@st.composite
def triples(draw, low=3, high=14, kinds=KINDS):
    """Two sources and a fused image, uint8, of one shape with sides from `low` to `high`.

    The fused image is another one, the average, the maximum or an inverted source.
    """
    shape = draw(st.tuples(*[st.integers(low, high)] * 2))
    a, b, other = (
        make_image(draw(st.sampled_from(kinds)), draw(st.integers(0, 10**6)), shape) for _ in range(3)
    )
    average = ((a.astype(int) + b) // 2).astype(np.uint8)
    return a, b, draw(st.sampled_from([other, average, np.maximum(a, b), 255 - a]))


def noise_triple(shape, seed=0):
    """Noise A and B and a fused image near their average, uint8."""
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(0, 256, shape) for _ in range(2))
    fused = np.clip((a + b) // 2 + rng.integers(-20, 21, shape), 0, 255)
    return tuple(image.astype(np.uint8) for image in (a, b, fused))


def smooth_triple(shape, seed=0):
    """Images with flat, smooth and busy regions and a fused image that follows both, uint8."""
    rng = np.random.default_rng(seed)
    height, width = shape
    row, column = np.mgrid[:height, :width]
    a = (
        120 * (row > height / 2)
        + 60 * np.sin(column / 3) ** 2
        + rng.integers(0, 5, shape) * (column > width / 2)
    )
    b = 90 * np.exp(-((row - height / 3) ** 2 + (column - width / 2) ** 2) / (height * 2)) + 2 * column
    fused = 0.6 * a + 0.5 * b
    return tuple(np.clip(np.round(image), 0, 255).astype(np.uint8) for image in (a, b, fused))
