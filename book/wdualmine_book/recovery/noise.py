"""What of the noise in one source comes through to the fused image."""

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from wdualmine.data import Pair
from wdualmine.fusion import Fuse
from wdualmine.recovery.measure import SEED, fuse_levels
from wdualmine.recovery.signals import Array, head


def noise_gain(
    fuse: Fuse | Mapping[str, Fuse], pairs: Sequence[Pair], deviation: float = 4.0, seed: int = SEED
) -> dict[str, float]:
    """Say by how much noise in one source comes through, as a share of its own standard deviation.

    Gaussian noise is added to one source where it leaves the range nowhere; noise is a signal, too, so that
    1 is noise with its own contrast, as in the source, and more is noise amplified.

    Args:
        fuse: any way to fuse, or one for each pair by its name.
        pairs: sources.
        deviation: of the noise, in grey levels.
        seed: of the noise, with the pair's name.

    Returns:
        The gain of noise in source "a" and in source "b": root mean square over all pixels of all heads.
    """
    energies = {"a": np.zeros(2), "b": np.zeros(2)}  # of what came through, and of the noise
    for pair in pairs:
        lumas = [pair.luma_a.astype(np.float64), pair.luma_b.astype(np.float64)]
        inside = head(pair.luma_a, pair.luma_b)
        own = fuse[pair.name] if isinstance(fuse, Mapping) else fuse
        without = fuse_levels(own, _tensor(lumas[0]), _tensor(lumas[1]), pair.name)
        for number, source in enumerate(energies):
            generator = np.random.default_rng((seed, zlib.crc32(pair.name.encode()), number))
            noise = generator.normal(0, deviation, lumas[number].shape)
            noise[(lumas[number] + noise < 0) | (lumas[number] + noise > 255)] = 0
            first, second = (_tensor(luma + noise * (number == k)) for k, luma in enumerate(lumas))
            difference = fuse_levels(own, first, second, pair.name) - without
            where = inside & (noise != 0)
            energies[source] += (difference[where] ** 2).sum(), (noise[where] ** 2).sum()
    return {source: math.sqrt(through / added) for source, (through, added) in energies.items()}


def _tensor(luma: Array) -> Tensor:
    return torch.from_numpy((luma / 255).astype(np.float32))[None, None]
