"""The best that any image can do for one pair: gradient ascent on its pixels."""

from collections.abc import Callable
from dataclasses import asdict

import torch
from torch import Tensor

from wdualmine.recovery.objective import RecoveryWeights, image_terms, random_spots, signal_loss

STEPS = 60
RATE = 0.02


def best_image(image1: Tensor, image2: Tensor, steps: int = STEPS) -> Tensor:
    """Fuse one pair by descending on the objective with the pixels themselves, from the average.

    The image without signals and the one with them are free of each other here, so that the signals' term is
    0 and only the others decide; no network that has to fuse pairs that it does not know can do better on
    them, up to what the descent leaves.

    Args:
        image1: luma (1, 1, H, W) in [0, 1].
        image2: the same shape.
        steps: of Adam, with a rate that falls to 0.

    Returns:
        The fused luma, (1, 1, H, W) in [0, 1].
    """
    with torch.inference_mode(False), torch.enable_grad():
        image1, image2 = image1.clone(), image2.clone()
        pixels = ((image1 + image2) / 2).requires_grad_()
        optimizer = torch.optim.Adam([pixels], lr=RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(steps):
            total = _weighted(image_terms(pixels, image1, image2))
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            schedule.step()
        return pixels.detach().clamp(0, 1)


def objective_of(
    fuse: Callable[[Tensor, Tensor], Tensor], image1: Tensor, image2: Tensor, seed: int = 0
) -> float:
    """Give the objective of a way to fuse for one pair, with random spots as training draws them.

    Args:
        fuse: takes two lumas; need not clip what it gives, for which the range term asks, as in training.
        image1: luma (1, 1, H, W) in [0, 1].
        image2: the same shape.
        seed: of the spots.
    """
    spots1, spots2 = random_spots(image1, torch.Generator().manual_seed(seed))
    changed1, changed2 = (image1 + spots1).clamp(0, 1), (image2 + spots2).clamp(0, 1)
    with torch.inference_mode():
        fused, changed = fuse(image1, image2), fuse(changed1, changed2)
        signal = signal_loss(changed - fused, changed1 - image1 + changed2 - image2)
        return float(_weighted(image_terms(fused, image1, image2) | {"signal": signal}))


def objective_of_image(fused: Tensor, image1: Tensor, image2: Tensor) -> float:
    """Give the objective of one image, as if every signal were kept: what :func:`best_image` descends on."""
    with torch.inference_mode():
        return float(_weighted(image_terms(fused, image1, image2)))


def _weighted(terms: dict[str, Tensor]) -> Tensor:
    weights = asdict(RecoveryWeights())
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum()
