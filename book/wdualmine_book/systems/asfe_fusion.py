"""ASFE-Fusion: a spatial expert, a frequency expert, and a network that decides between them.

Source: X. Gu et al., 2024, DOI 10.1016/j.bspc.2024.106478.

Deviations: the published network has 176 million parameters and needs 223 GFLOP a pair of 256 x 256; this one
keeps the mechanism at a size that a processor trains, 0.08 million and 6 GFLOP. Self-similarity is taken
within windows of 8 x 8 pixels instead of the whole feature, so that any size can be fused. The weights of
the three terms of the objective are ours, and so is the content's target, both sources alike.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.methods.system import Fused, Network, NetworkConfig, System
from wdualmine_book.systems.objective import SystemObjective, TermWeights, gradients, similarity

WINDOW = 8


@dataclass(frozen=True)
class ASFEConfig(NetworkConfig):
    """What the network is built from: channels of the finer of two scales; the coarser has twice as many."""

    width: int = 16


class CrossAttentionSpatial(nn.Module):
    """The paper's CASF: what one source finds similar in itself says where the other one is averaged."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels, 1)
        self.key = nn.Conv2d(channels, channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.merge = nn.Conv2d(2 * channels, channels, 3, padding=1)

    def similarity_map(self, x: Tensor) -> Tensor:
        """Self-similarity of a feature (N, C, H, W) in each window, (N windows, 64, 64), rows sum to 1."""
        query, key = _windows(self.query(x)), _windows(self.key(x))
        return torch.softmax(query @ key.mT / query.shape[-1] ** 0.5, dim=-1)

    def forward(self, f1: Tensor, f2: Tensor) -> Tensor:
        """Fuse features of two sources, sides divisible by the window's."""
        crossed1 = self.similarity_map(f2) @ _windows(self.value(f1))
        crossed2 = self.similarity_map(f1) @ _windows(self.value(f2))
        both = [f + _images(crossed, f) for f, crossed in ((f1, crossed1), (f2, crossed2))]
        return self.merge(torch.cat(both, dim=1))


def _windows(x: Tensor) -> Tensor:
    """Cut (N, C, H, W) into rows of pixels by window: (N windows, 64, C)."""
    count, channels, height, width = x.shape
    x = x.reshape(count, channels, height // WINDOW, WINDOW, width // WINDOW, WINDOW)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(-1, WINDOW * WINDOW, channels)


def _images(windows: Tensor, like: Tensor) -> Tensor:
    """Put windows back together, the inverse of cutting an image of that shape."""
    count, channels, height, width = like.shape
    x = windows.reshape(count, height // WINDOW, width // WINDOW, WINDOW, WINDOW, channels)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(like.shape)


class AdaptiveFrequency(nn.Module):
    """The paper's AFF: each frequency of each channel is mixed with a weight that both spectra decide."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 1), nn.LeakyReLU(0.2), nn.Conv2d(channels, channels, 1)
        )

    def shares(self, spectrum1: Tensor, spectrum2: Tensor) -> Tensor:
        """Give the first source's share of each frequency, in [0, 1], from both amplitudes."""
        amplitudes = [torch.log1p(spectrum.abs()) for spectrum in (spectrum1, spectrum2)]
        return torch.sigmoid(self.weigh(torch.cat(amplitudes, dim=1)))

    def forward(self, f1: Tensor, f2: Tensor) -> Tensor:
        """Fuse features (N, C, H, W)."""
        spectrum1, spectrum2 = (torch.fft.rfft2(f, norm="ortho") for f in (f1, f2))
        share = self.shares(spectrum1, spectrum2)
        mixed = share * spectrum1 + (1 - share) * spectrum2
        return torch.fft.irfft2(mixed, s=f1.shape[-2:], norm="ortho")


class ExpertsFusion(nn.Module):
    """The paper's SFEF: an ensemble of both experts, weighted pixel by pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = CrossAttentionSpatial(channels)
        self.frequency = AdaptiveFrequency(channels)
        self.gate = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(channels, 2, 1)
        )

    def weights(self, spatial: Tensor, frequency: Tensor) -> Tensor:
        """Give the experts' weights, (N, 2, H, W), their sum 1."""
        return torch.softmax(self.gate(torch.cat((spatial, frequency), dim=1)), dim=1)

    def forward(self, f1: Tensor, f2: Tensor) -> Tensor:
        """Fuse features (N, C, H, W)."""
        spatial, frequency = self.spatial(f1, f2), self.frequency(f1, f2)
        weights = self.weights(spatial, frequency)
        return weights[:, :1] * spatial + weights[:, 1:] * frequency


class ASFEFusion(Network):
    """A shared encoder of two scales, the experts on both, and a decoder."""

    multiple = 2 * WINDOW

    def __init__(self, config: ASFEConfig | None = None) -> None:
        super().__init__()
        self.config = config or ASFEConfig()
        width = self.config.width
        self.fine = _stage(1, width, 1)
        self.coarse = _stage(width, 2 * width, 2)
        self.fuse_fine, self.fuse_coarse = ExpertsFusion(width), ExpertsFusion(2 * width)
        self.merge = nn.Conv2d(3 * width, width, 3, padding=1)
        self.last = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, image1: Tensor, image2: Tensor) -> Fused:
        """Fuse two images (N, 1, H, W) in [0, 1], sides divisible by ``multiple``."""
        fine = self.fine(torch.cat((image1, image2)))
        coarse = self.coarse(fine)
        fused = self.fuse_coarse(*coarse.chunk(2))
        up = F.interpolate(fused, scale_factor=2, mode="nearest")
        x = F.leaky_relu(self.merge(torch.cat((self.fuse_fine(*fine.chunk(2)), up), dim=1)), 0.2)
        return Fused(torch.sigmoid(self.last(x)))


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.LeakyReLU(0.2),
    )


@dataclass(frozen=True)
class ASFEWeights(TermWeights):
    """The paper's three terms."""

    content: float = 10.0
    gradient: float = 10.0
    structure: float = 1.0


class ASFEObjective(SystemObjective):
    """Keep intensities, the stronger gradient of the sources, and the structure of both."""

    def terms(self, output: Fused, image1: Tensor, image2: Tensor, *_: Tensor) -> dict[str, Tensor]:
        """Give content (mean square), gradient (absolute) and structure (1 - SSIM), over both sources."""
        errors = [(output.fused - image).square().mean() for image in (image1, image2)]
        similarities = [similarity(output.fused, image).mean() for image in (image1, image2)]
        strengths = []
        for image in (output.fused, image1, image2):
            right, down = gradients(image)
            strengths.append(right.abs() + down.abs())
        return {
            "content": (errors[0] + errors[1]) / 2,
            "gradient": (strengths[0] - torch.maximum(strengths[1], strengths[2])).abs().mean(),
            "structure": 1 - (similarities[0] + similarities[1]) / 2,
        }


SYSTEM = System(
    "asfe-fusion-retrained",
    ASFEFusion,
    ASFEConfig,
    lambda _, weights: ASFEObjective(weights),
    ASFEWeights,
    schedule={"epochs": 100, "batch_size": 4, "learning_rate": 1e-4},
    smoke={"width": 4},
    half_precision=True,
)
