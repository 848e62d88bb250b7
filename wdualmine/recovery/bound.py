"""The best that any image can do for one pair: gradient ascent on its pixels."""

from dataclasses import asdict

import torch
from torch import Tensor

from wdualmine.recovery.objective import RecoveryWeights, image_terms

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
        weights = asdict(RecoveryWeights())
        for _ in range(steps):
            terms = image_terms(pixels, image1, image2)
            total = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            schedule.step()
        return pixels.detach().clamp(0, 1)
