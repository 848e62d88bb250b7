"""AdaFuse: cross attention between two modalities, in space and in frequency, and then between these two.

Source: X. Gu et al., 2023, arXiv:2310.05462.

Deviations: the published network has 539 million parameters and needs 110 GFLOP a pair of 256 x 256; this one
keeps the mechanism at a size that a processor trains, 0.42 million and 11 GFLOP. Attention is over channels
instead of positions, so that its cost is linear in the pixels and any size can be fused. The weights of the
two terms of the objective are ours.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.methods.system import Fused, Network, NetworkConfig, System
from wdualmine_book.systems.objective import SystemObjective, TermWeights, gradients


@dataclass(frozen=True)
class AdaFuseConfig(NetworkConfig):
    """What the network is built from.

    Attributes:
        width: channels of the finest scale; each coarser one has twice as many.
        scales: their number; each halves the sides of the one before.
    """

    width: int = 16
    scales: int = 3


class CrossAttention(nn.Module):
    """Channels of one feature ask, channels of another answer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels, 1)
        self.key = nn.Conv2d(channels, channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.temperature = nn.Parameter(torch.ones(1))

    def scores(self, asking: Tensor, answering: Tensor) -> Tensor:
        """Give how much each channel of the one attends to each of the other, (N, C, C), rows sum to 1."""
        query = F.normalize(self.query(asking).flatten(2), dim=-1)
        key = F.normalize(self.key(answering).flatten(2), dim=-1)
        return torch.softmax(self.temperature * query @ key.mT, dim=-1)

    def forward(self, asking: Tensor, answering: Tensor) -> Tensor:
        """Map two features (N, C, H, W) to one of their shape."""
        value = self.value(answering).flatten(2)
        return (self.scores(asking, answering) @ value).view_as(asking)


class FourierLayer(nn.Module):
    """A feature by its spectrum: two 1 x 1 convolutions between a Fourier transform and its inverse."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix1 = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.mix2 = nn.Conv2d(2 * channels, 2 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map a feature (N, C, H, W) to one of its shape."""
        spectrum = torch.fft.rfft2(x, norm="ortho")
        parts = torch.cat((spectrum.real, spectrum.imag), dim=1)
        real, imaginary = self.mix2(F.leaky_relu(self.mix1(parts), 0.2)).chunk(2, dim=1)
        spectrum = torch.complex(real.contiguous(), imaginary.contiguous())
        return torch.fft.irfft2(spectrum, s=x.shape[-2:], norm="ortho")


class CrossAttentionFusion(nn.Module):
    """The paper's CAF block: queries and keys are exchanged between modalities, then between domains."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.frequency = FourierLayer(channels)
        self.spatial_attention = CrossAttention(channels)
        self.frequency_attention = CrossAttention(channels)
        self.domain_attention = CrossAttention(channels)
        self.merge = nn.Conv2d(3 * channels, channels, 3, padding=1)

    def forward(self, f1: Tensor, f2: Tensor) -> Tensor:
        """Fuse the features (N, C, H, W) of two modalities."""
        spatial = self.spatial_attention(f1, f2) + self.spatial_attention(f2, f1)
        h1, h2 = self.frequency(f1), self.frequency(f2)
        frequency = self.frequency_attention(h1, h2) + self.frequency_attention(h2, h1)
        guided = self.domain_attention(frequency, spatial) + self.domain_attention(spatial, frequency)
        mixed = self.merge(torch.cat((spatial, frequency, guided), dim=1))
        return (f1 + f2) / 2 + F.leaky_relu(mixed, 0.2)


class AdaFuse(Network):
    """An encoder a modality, a CAF block a scale, and a decoder from the coarsest scale up."""

    def __init__(self, config: AdaFuseConfig | None = None) -> None:
        super().__init__()
        self.config = config or AdaFuseConfig()
        widths = [self.config.width * 2**scale for scale in range(self.config.scales)]
        self.encoder1, self.encoder2 = _encoder(widths), _encoder(widths)
        self.fusions = nn.ModuleList(CrossAttentionFusion(width) for width in widths)
        self.merges = nn.ModuleList(
            nn.Conv2d(fine + coarse, fine, 3, padding=1) for fine, coarse in pairwise(widths)
        )
        self.last = nn.Conv2d(widths[0], 1, 3, padding=1)
        self.multiple = 2 ** (self.config.scales - 1)

    def forward(self, image1: Tensor, image2: Tensor) -> Fused:
        """Fuse two images (N, 1, H, W) in [0, 1], sides divisible by ``multiple``."""
        x1, x2, fused = image1, image2, []
        for stage1, stage2, fusion in zip(self.encoder1, self.encoder2, self.fusions, strict=True):
            x1, x2 = stage1(x1), stage2(x2)
            fused.append(fusion(x1, x2))
        x = fused.pop()
        for merge in reversed(self.merges):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = F.leaky_relu(merge(torch.cat((fused.pop(), x), dim=1)), 0.2)
        return Fused(torch.sigmoid(self.last(x)))


def _encoder(widths: list[int]) -> nn.ModuleList:
    return nn.ModuleList(
        nn.Sequential(
            nn.Conv2d(before, after, 3, stride=1 if number == 0 else 2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(after, after, 3, padding=1),
            nn.LeakyReLU(0.2),
        )
        for number, (before, after) in enumerate(zip([1, *widths[:-1]], widths, strict=True))
    )


@dataclass(frozen=True)
class AdaFuseWeights(TermWeights):
    """The paper's content and structure."""

    content: float = 1.0
    structure: float = 5.0


def structure_tensor(*images: Tensor) -> Tensor:
    """Sum of the outer products of the images' gradients, (N, 3, H, W): xx, xy and yy.

    It says how strongly and in which direction a multi-channel image changes, whichever channel does it.
    """
    total = torch.zeros((), dtype=images[0].dtype, device=images[0].device)
    for image in images:
        right, down = gradients(image)
        total = total + torch.cat((right.square(), right * down, down.square()), dim=1)
    return total


class AdaFuseObjective(SystemObjective):
    """Keep both intensities, and change where and along which direction either source does."""

    def terms(self, output: Fused, image1: Tensor, image2: Tensor, *_: Tensor) -> dict[str, Tensor]:
        """Give content (mean square to each source, averaged) and structure (distance of tensors)."""
        errors = [(output.fused - image).square().mean() for image in (image1, image2)]
        difference = structure_tensor(output.fused) - structure_tensor(image1, image2)
        return {
            "content": (errors[0] + errors[1]) / 2,
            "structure": (difference.square().sum(dim=1) + 1e-8).sqrt().mean(),
        }


SYSTEM = System(
    "adafuse-retrained",
    AdaFuse,
    AdaFuseConfig,
    lambda _, weights: AdaFuseObjective(weights),
    AdaFuseWeights,
    schedule={"epochs": 100, "batch_size": 4, "learning_rate": 1e-4},
    smoke={"width": 4},
    half_precision=True,
)
