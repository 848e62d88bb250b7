"""Principal component weights: each source counts as much as it carries of the pair's shared variation."""

import torch
from torch import Tensor


def pca_average(a: Tensor, b: Tensor) -> Tensor:
    """Weighted average by the first principal component of the two images.

    The 2 x 2 covariance of the two images over the pixels has an eigenvector of largest eigenvalue; its
    entries, taken positive and scaled to a sum of 1, are the weights.

    Source: V. P. S. Naidu and J. R. Raol, 2008, DOI 10.14429/dsj.58.1653.
    """
    pixels = torch.stack((a.double().flatten(1), b.double().flatten(1)), dim=1)  # (N, 2, H W)
    centered = pixels - pixels.mean(dim=-1, keepdim=True)
    vectors = torch.linalg.eigh(centered @ centered.mT / pixels.shape[-1]).eigenvectors
    share = vectors[..., -1].abs()
    spread = centered.abs().amax(dim=(-2, -1)) > 0
    share = torch.where(spread[:, None], share, torch.ones_like(share))  # two constants: no direction
    share = (share / share.sum(dim=1, keepdim=True)).to(a.dtype)[..., None, None]
    return share[:, :1] * a + share[:, 1:] * b
