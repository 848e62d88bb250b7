"""The networks of AdaFuse and ASFE-Fusion at their published size, with random weights: for what they cost.

Their weights are not public, their code is: layers, widths and depths here are those of
https://github.com/xianming-gu/AdaFuse at 8cdbfb2 and https://github.com/xianming-gu/ASFE-Fusion at 8a8ec40.
The papers are X. Gu et al., 2023, arXiv:2310.05462, and X. Gu et al., 2024, doi:10.1016/j.bspc.2024.106478.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.methods.system import Fused, Network

#: Channels of the four scales, each with half the sides of the one before; channels of the input layer.
WIDTHS = (112, 160, 208, 256)
FIRST = 64
#: Attention is over patches of this side, each a token of that size, with so many heads.
PATCH, TOKEN, HEADS = 16, 256, 8
DEPTH = 4  # transformer blocks before AdaFuse's cross attention
EXPERTS, SLOTS = 4, 256  # of ASFE-Fusion's ensemble, and of each expert


class Attention(nn.Module):
    """Self-attention of tokens (N, L, 256), which also gives its queries, keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.ask = nn.Linear(TOKEN, 3 * TOKEN, bias=False)
        self.merge = nn.Linear(TOKEN, TOKEN)

    def forward(self, tokens: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Return the answer (N, L, 256), and queries, keys and values (N, heads, L, 32)."""
        query, key, value = self.ask(tokens).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        return self.merge(attend(query, key, value)), (query, key, value)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return what queries find, (N, heads, L, 32) to (N, L, 256)."""
    scores = torch.softmax(query @ key.mT * query.shape[-1] ** -0.5, dim=-1)
    return (scores @ value).transpose(1, 2).flatten(2)


class Block(nn.Module):
    """A transformer block of tokens (N, L, 256)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attention, self.norm2 = nn.LayerNorm(TOKEN), Attention(), nn.LayerNorm(TOKEN)
        self.mlp = feed_forward(TOKEN)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens to tokens."""
        tokens = tokens + self.attention(self.norm1(tokens))[0]
        return tokens + self.mlp(self.norm2(tokens))


class Asker(nn.Module):
    """A feature to the queries, keys and values of its patches.

    Args:
        channels: of the feature.
        depth: transformer blocks before; of the last one only the attention is used.
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(channels, TOKEN, PATCH, PATCH)
        self.blocks = nn.Sequential(*(Block() for _ in range(depth)))
        self.last = Block()
        self.merge = nn.Linear(TOKEN, TOKEN)

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map (N, C, H, W), sides divisible by 16, to three tensors (N, heads, L, 32)."""
        tokens = self.blocks(self.embed(feature).flatten(2).mT)
        return self.last.attention(self.last.norm1(tokens))[1]


class PatchFusion(nn.Module):
    """Cross attention between the patches of two features, added to their sum; depth as in :class:`Asker`."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.first, self.second = Asker(channels, depth), Asker(channels, depth)
        self.back = nn.Linear(TOKEN, PATCH**2 * channels)

    def forward(self, f1: Tensor, f2: Tensor) -> Tensor:
        """Fuse features (N, C, H, W), sides divisible by 16."""
        (query1, key1, value1), (query2, key2, value2) = self.first(f1), self.second(f2)
        crossed1 = self.first.merge(attend(query1, key1, value2))
        crossed2 = self.second.merge(attend(query2, key2, value1))
        patches = self.back((crossed1 + crossed2) / 2).mT.unflatten(1, (PATCH**2, -1)).transpose(1, 2)
        return f1 + f2 + F.fold(patches.flatten(1, 2), f1.shape[-2:], PATCH, stride=PATCH)


class TwoDomains(nn.Module):
    """AdaFuse's fusion of a scale: in space, by log amplitudes, and of both results."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.frequency, self.space, self.both = (PatchFusion(channels, DEPTH) for _ in range(3))

    def forward(self, f1: Tensor, f2: Tensor) -> Tensor:
        """Fuse features (N, C, H, W)."""
        spectra = [torch.log1p(torch.fft.fftshift(torch.fft.fft2(f)).abs()) for f in (f1, f2)]
        frequency = torch.fft.ifft2(torch.fft.ifftshift(self.frequency(*spectra))).abs()
        return self.both(self.space(f1, f2), frequency)


class FrequencyExpert(nn.Module):
    """ASFE-Fusion's filter of a feature's spectrum, masked where the spectrum itself says."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv2d(2 * channels, 2 * channels, 1, bias=False), nn.BatchNorm2d(2 * channels), nn.ReLU()
        )
        self.mask = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, feature: Tensor) -> Tensor:
        """Map (N, C, H, W) to its shape."""
        spectrum = torch.fft.rfft2(feature)
        mixed = self.mix(torch.cat((spectrum.real, spectrum.imag), dim=1))
        pooled = torch.cat((mixed.mean(dim=1, keepdim=True), mixed.amax(dim=1, keepdim=True)), dim=1)
        real, imaginary = (mixed * torch.sigmoid(self.mask(pooled))).chunk(2, dim=1)
        return torch.fft.irfft2(torch.complex(real, imaginary), s=feature.shape[-2:])


class SoftExperts(nn.Module):
    """An ensemble to which each pixel is softly assigned (Puigcerver et al. 2023, arXiv:2308.00951)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.slot_norm = nn.RMSNorm(channels), nn.RMSNorm(channels)
        self.slots = nn.Parameter(torch.randn(EXPERTS, SLOTS, channels))
        self.experts = nn.ModuleList(feed_forward(channels) for _ in range(EXPERTS))

    def forward(self, feature: Tensor) -> Tensor:
        """Map (N, C, H, W) to its shape."""
        pixels = self.norm(feature.flatten(2).mT)
        scores = pixels @ self.slot_norm(self.slots).flatten(0, 1).mT
        slots = torch.softmax(scores, dim=1).mT @ pixels
        parts = zip(self.experts, slots.chunk(EXPERTS, dim=1), strict=True)
        answers = torch.cat([expert(part) for expert, part in parts], dim=1)
        return (torch.softmax(scores, dim=2) @ answers).mT.unflatten(2, feature.shape[-2:])


class TwoExperts(nn.Module):
    """ASFE-Fusion's fusion of a scale, to twice its channels: an ensemble of two experts."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.frequency1, self.frequency2 = FrequencyExpert(channels), FrequencyExpert(channels)
        self.space = PatchFusion(channels, 0)
        self.ensemble = SoftExperts(2 * channels)

    def forward(self, f1: Tensor, f2: Tensor) -> Tensor:
        """Fuse features (N, C, H, W)."""
        frequency = self.frequency1(f1) + self.frequency2(f2)
        return self.ensemble(torch.cat((self.space(f1, f2), frequency), dim=1))


class Encoder(nn.Module):
    """An image (N, 1, H, W) to its features on four scales."""

    blur: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, FIRST, 1)
        self.stages = nn.ModuleList(two_layers(a, a // 2, b) for a, b in pairwise((FIRST, *WIDTHS)))
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("blur", taps[:, None] * taps)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return a feature a scale, the finest first."""
        x, features = self.first(image), []
        for number, stage in enumerate(self.stages):
            if number:
                kernel = self.blur.expand(x.shape[1], 1, -1, -1)
                x = F.pad(F.max_pool2d(x, 2, 1), (1, 2, 1, 2), mode="reflect")
                x = F.gelu(F.conv2d(x, kernel, stride=2, groups=x.shape[1]))
            x = F.gelu(stage(x))
            features.append(x)
        return features


class Decoder(nn.Module):
    """Fused features, ``factor`` times the channels of their scales, to an image, from the coarsest up."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        inputs = [factor * own + own * (number > 0) for number, own in enumerate(WIDTHS[::-1])]
        outputs = (*WIDTHS[-2::-1], 16)
        self.stages = nn.ModuleList(two_layers(a, b // 2, b) for a, b in zip(inputs, outputs, strict=True))
        self.last = nn.Conv2d(16, 1, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return (N, 1, H, W), not clipped."""
        x = features[-1][:, :0]
        for number, (stage, feature) in enumerate(zip(self.stages, features[::-1], strict=True), 1):
            x = stage(torch.cat((x, feature), dim=1))
            if number < len(features):
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            x = F.gelu(x)
        return self.last(x)


def two_layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return two normalized 3 x 3 convolutions, (N, inputs, H, W) to (N, outputs, H, W)."""
    return nn.Sequential(
        nn.Conv2d(inputs, hidden, 3, padding=1),
        nn.BatchNorm2d(hidden),
        nn.Conv2d(hidden, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
    )


def feed_forward(size: int) -> nn.Sequential:
    """Return two layers with four times as many numbers between them, (..., size) to the same."""
    return nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))


class AdaFuse(Network):
    """An encoder a source, a fusion in two domains a scale, a decoder."""

    multiple = 128  # the coarsest scale has an eighth of the sides, in whole patches

    def __init__(self) -> None:
        super().__init__()
        self.encoder1, self.encoder2 = Encoder(), Encoder()
        self.fusions = nn.ModuleList(map(TwoDomains, WIDTHS))
        self.decoder = Decoder(1)

    def forward(self, image1: Tensor, image2: Tensor) -> Fused:
        """Fuse two images (N, 1, H, W) in [0, 1], sides divisible by 128."""
        pairs = zip(self.fusions, self.encoder1(image1), self.encoder2(image2), strict=True)
        return Fused(self.decoder([fuse(f1, f2) for fuse, f1, f2 in pairs]).clamp(0, 1))


class ASFEFusion(Network):
    """One encoder, two experts a scale, a decoder."""

    multiple = 128

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.fusions = nn.ModuleList(map(TwoExperts, WIDTHS))
        self.decoder = Decoder(2)

    def forward(self, image1: Tensor, image2: Tensor) -> Fused:
        """Fuse two images (N, 1, H, W) in [0, 1], sides divisible by 128."""
        pairs = zip(self.fusions, self.encoder(image1), self.encoder(image2), strict=True)
        return Fused(self.decoder([fuse(f1, f2) for fuse, f1, f2 in pairs]).clamp(0, 1))


#: By the name that the audit has for them.
PUBLISHED = {"adafuse": AdaFuse, "asfe-fusion": ASFEFusion}
