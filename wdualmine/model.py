"""W-DUALMINE, Section 3 of the paper, in the paper's order: Eq. 1 to Eq. 11.

Images are float tensors (N, 1, H, W) with luma in [0, 1]. Feature maps of scale s are (N, C_s, H_s, W_s):
C = (16, 32, 64, 128) by default, H_s = H / 2^(s-1). What the paper leaves open is marked "choice" here; the
book's table of choices gives the reasons. With three dimensions (Section 6.2), images are volumes
(N, 1, D, H, W), and convolutions, Haar bands and gradients have that axis, too; all else is the same.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from itertools import pairwise
from math import isfinite, log2
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.errors import WdualmineError
from wdualmine.wavelet import haar_dwt, haar_idwt

EPSILON = 1e-6  # Eq. 3
MOST_SCALES = 10  # each halves the sides once more
CONVOLUTIONS: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
#: Channels last is the layout in which both kinds of processor convolve fastest.
LAYOUTS = {2: torch.channels_last, 3: torch.channels_last_3d}


def in_fastest_layout(network: Any) -> Any:
    """Lay a network's weights out as :data:`LAYOUTS` has them, in place."""
    return network.to(memory_format=LAYOUTS[getattr(network.config, "dimensions", 2)])


@dataclass(frozen=True)
class NetworkConfig:
    """What a network is built from; a system adds its fields, all of them plain values."""

    def as_dict(self) -> dict[str, Any]:
        """Give the configuration as plain values, for records; dimensions are named where there are three."""
        return {name: value for name, value in asdict(self).items() if (name, value) != ("dimensions", 2)}


@dataclass(frozen=True)
class ModelConfig(NetworkConfig):
    """What a network is built from; the three switches are the ablations of Table 4."""

    #: channels C_s of the encoder's stages (choice; the paper says only that there are four)
    widths: tuple[int, ...] = (16, 32, 64, 128)
    spatial_expert: bool = True  #: keep the global-context spatial expert, Eq. 4-5
    wavelet_expert: bool = True  #: keep the wavelet frequency expert, Eq. 6-7
    soft_gradient_mixer: bool = True  #: mix the experts by Eq. 8-10; False averages them
    residual_scale: float = 0.5  #: the lambda of Eq. 11
    dimensions: int = 2  #: 2 for images, 3 for volumes

    def __post_init__(self) -> None:
        widths = self.widths
        if not (
            isinstance(widths, list | tuple)
            and 1 <= len(widths) <= MOST_SCALES
            and all(isinstance(width, int) and width >= 1 for width in widths)
        ):
            raise WdualmineError(f"widths {widths}: give 1 to {MOST_SCALES} positive numbers of channels")
        object.__setattr__(self, "widths", tuple(widths))
        for name in ("spatial_expert", "wavelet_expert", "soft_gradient_mixer"):
            if not isinstance(getattr(self, name), bool):
                raise WdualmineError(f"{name} {getattr(self, name)!r}: give True or False")
        scale = self.residual_scale
        if not (isinstance(scale, int | float) and isfinite(scale)):
            raise WdualmineError(f"residual_scale {scale!r}: give a finite number")
        if not (self.spatial_expert or self.wavelet_expert):
            raise WdualmineError("spatial_expert and wavelet_expert are both off: keep at least one expert")
        if self.dimensions not in CONVOLUTIONS:
            raise WdualmineError(f"dimensions {self.dimensions!r}: give 2 or 3")

    def as_dict(self) -> dict[str, Any]:
        """Return the configuration as plain values, for records and checkpoints."""
        return super().as_dict() | {"widths": list(self.widths)}


# Section 3.2: multi-scale encoders


class EfficientChannelAttention(nn.Module):
    """Efficient channel attention (ECA-Net, doi:10.1109/CVPR42600.2020.01155), Section 3.2.

    One-dimensional convolution over the pooled channels; its kernel size grows with the logarithm of their
    number (gamma = 2, b = 1 as in ECA-Net).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        size = int(abs((log2(channels) + 1) / 2))
        size += 1 - size % 2
        self.conv = nn.Conv1d(1, 1, size, padding=size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Weight the channels of x (N, C, H, W)."""
        return x * self.weights(x.mean(dim=tuple(range(2, x.ndim)), keepdim=True))

    def weights(self, pooled: Tensor) -> Tensor:
        """Return the weights in [0, 1] for the means of the channels, both (N, C, 1, 1)."""
        return torch.sigmoid(self.conv(pooled.flatten(1).unsqueeze(1))).view(pooled.shape)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions and a 1 x 1 shortcut, Section 3.2.

    Choice: no normalization, because absolute intensity is what the output has to keep and because a pair's
    result must not depend on its batch.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, dimensions: int = 2) -> None:
        super().__init__()
        convolution = CONVOLUTIONS[dimensions]
        self.conv1 = convolution(inputs, outputs, 3, stride, padding=1)
        self.conv2 = convolution(outputs, outputs, 3, padding=1)
        self.shortcut = convolution(inputs, outputs, 1)
        self.sampled = (slice(None, None, stride),) * dimensions

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H / stride, W / stride)."""
        # Sampling first equals a strided 1 x 1 convolution, whose backward pass in torch 2.13 (CPU, channels
        # last, few channels) writes outside its memory.
        shortcut = self.shortcut(x[:, :, *self.sampled])
        return F.relu(self.conv2(F.relu(self.conv1(x))) + shortcut)


class Encoder(nn.Module):
    """The weight-sharing encoder E, Eq. 1: one residual block and one ECA module a stage.

    Choice: the first stage keeps the image's size, each later one halves it.
    """

    def __init__(self, widths: tuple[int, ...], dimensions: int = 2) -> None:
        super().__init__()
        inputs = (1, *widths[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(
                ResidualBlock(before, after, 1 if stage == 0 else 2, dimensions),
                EfficientChannelAttention(after),
            )
            for stage, (before, after) in enumerate(zip(inputs, widths, strict=True))
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the features f^s of an image (N, 1, H, W), finest first."""
        features = []
        x = image
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


# Section 3.3: reliability-weighted feature modeling


class Reliability(nn.Module):
    """Dense reliability maps and the gate made from them, Eq. 2-3.

    Choice: the head H_rel is one 3 x 3 convolution to half the channels with a ReLU; the 1 x 1 convolution
    after it gives both modalities' maps.
    """

    def __init__(self, channels: int, dimensions: int = 2) -> None:
        super().__init__()
        hidden = max(channels // 2, 4)
        self.head = CONVOLUTIONS[dimensions](2 * channels, hidden, 3, padding=1)
        self.score = CONVOLUTIONS[dimensions](hidden, 2, 1)

    def forward(self, f1: Tensor, f2: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reliability r (N, 2, H, W), at least 0, and the weight w_1 (N, 1, H, W) in [0, 1].

        The second weight is w_2 = 1 - w_1.
        """
        hidden = F.relu(self.head(torch.cat((f1, f2), dim=1)))
        reliability = F.softplus(self.score(hidden))  # Eq. 2
        r1, r2 = reliability.split(1, dim=1)
        return reliability, r1 / (r1 + r2 + EPSILON)  # Eq. 3


# Section 3.4: dual-expert fusion


class SpatialExpert(nn.Module):
    """Global-context spatial expert, Section 3.4.1, Eq. 4-5."""

    def __init__(self, channels: int, dimensions: int = 2) -> None:
        super().__init__()
        convolution = CONVOLUTIONS[dimensions]
        self.local_branch = convolution(channels, channels, 3, padding=1)
        self.global_branch = convolution(channels, channels, 3, padding=2, dilation=2)
        self.merge = convolution(2 * channels, channels, 1)

    def forward(self, f1: Tensor, f2: Tensor, w1: Tensor) -> Tensor:
        """Fuse features (N, C, H, W) under the weight w_1 (N, 1, H, W)."""
        base = w1 * f1 + (1 - w1) * f2  # Eq. 4
        return self.merge(torch.cat((self.local_branch(base), self.global_branch(base)), dim=1))  # Eq. 5


class WaveletExpert(nn.Module):
    """Wavelet frequency expert, Section 3.4.2, Eq. 6-7; nothing in it is learned.

    Choice: the weight of a 2 x 2 block of pixels, which is one wavelet coefficient, is their mean weight.
    """

    def forward(self, f1: Tensor, f2: Tensor, w1: Tensor) -> Tensor:
        """Fuse features (N, C, H, W) under the weight w_1 (N, 1, H, W)."""
        low1, details1 = haar_dwt(f1)
        low2, details2 = haar_dwt(f2)
        w1 = (F.avg_pool2d if w1.ndim == 4 else F.avg_pool3d)(w1, 2)
        low = w1 * low1 + (1 - w1) * low2  # Eq. 6
        details = torch.where(details1.abs() > details2.abs(), details1, details2)  # Eq. 7
        return haar_idwt(low, details)


# Section 3.5: soft gradient mixer


def sobel_magnitude(x: Tensor) -> Tensor:
    """Gradient magnitude ``G(x) = |grad_h x| + |grad_v x|`` of each channel of (N, C, H, W), Eq. 8.

    Choice: Sobel's kernels are divided by 8, so that a ramp of slope 1 has gradient 1, and the border is
    replicated, so that a constant image has none. H and W are at least 2. Of (N, C, D, H, W), the kernels are
    Sobel's in three dimensions, divided by 32, and the gradient across slices is the third term.
    """
    if torch.compiler.is_exporting():  # the slices below have no good form in ONNX
        return _sobel_by_convolution(x)
    return _SobelMagnitude.apply(x)


def _sobel_by_convolution(x: Tensor) -> Tensor:
    kernel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
    kernels = torch.stack((kernel, kernel.T))[:, None].repeat(x.shape[1], 1, 1, 1)
    both = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernels, groups=x.shape[1])
    return both.abs().unflatten(1, (-1, 2)).sum(dim=2)


class _SobelMagnitude(torch.autograd.Function):
    """Eq. 8 with a backward pass by hand, three times as fast as what torch derives from slices."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        gradients = [_difference(_smooth(x, across), axis) for axis, *across in _axes(x)]
        context.save_for_backward(*(gradient.sign().to(torch.int8) for gradient in gradients))
        magnitude = reduce(Tensor.add_, (gradient.abs_() for gradient in gradients))
        return magnitude.div_(2 * 4 ** (len(gradients) - 1))

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        signs = context.saved_tensors
        gradient = gradients[0] / (2 * 4 ** (len(signs) - 1))
        # Smoothing is its own adjoint.
        parts = (
            _smooth(_difference(gradient * sign, axis, sign=-1), across)
            for sign, (axis, *across) in zip(signs, _axes(gradient), strict=True)
        )
        return reduce(Tensor.add_, parts)


def _axes(x: Tensor) -> list[tuple[int, ...]]:
    """Each axis of an image or volume, the last one first, followed by the others."""
    axes = range(x.ndim - 1, 1, -1)
    return [(axis, *(other for other in axes if other != axis)) for axis in axes]


def _smooth(x: Tensor, dims: Sequence[int]) -> Tensor:
    """Sobel's 1, 2, 1 along some dimensions with a replicated border."""
    for dim in dims:
        last = x.shape[dim] - 1
        y = 2 * x
        y.narrow(dim, 1, last).add_(x.narrow(dim, 0, last))
        y.narrow(dim, 0, last).add_(x.narrow(dim, 1, last))
        for end in (0, last):
            y.narrow(dim, end, 1).add_(x.narrow(dim, end, 1))
        x = y
    return x


def _difference(x: Tensor, dim: int, sign: int = 1) -> Tensor:
    """x_{i+1} - x_{i-1} along a dimension with a replicated border; its transpose with sign -1."""
    last = x.shape[dim] - 1
    y = torch.zeros_like(x)
    y.narrow(dim, 0, last).add_(x.narrow(dim, 1, last), alpha=sign)
    y.narrow(dim, 1, last).sub_(x.narrow(dim, 0, last), alpha=sign)
    y.narrow(dim, 0, 1).sub_(x.narrow(dim, 0, 1))
    y.narrow(dim, last, 1).add_(x.narrow(dim, last, 1))
    return y


class SoftGradientMixer(nn.Module):
    """Soft gradient mixer of the two experts, Section 3.5, Eq. 8-10.

    Choice: two mixing coefficients a pixel, shared by the channels.
    """

    def __init__(self, channels: int, dimensions: int = 2) -> None:
        super().__init__()
        self.coefficients = CONVOLUTIONS[dimensions](2 * channels, 2, 1)

    def forward(self, spatial: Tensor, wavelet: Tensor) -> tuple[Tensor, Tensor]:
        """Return the fused feature (N, C, H, W) and the mixing coefficients alpha (N, 2, H, W)."""
        evidence = torch.cat((spatial + sobel_magnitude(spatial), wavelet + sobel_magnitude(wavelet)), dim=1)
        alpha = torch.softmax(self.coefficients(evidence), dim=1)  # Eq. 9
        return alpha[:, :1] * spatial + alpha[:, 1:] * wavelet, alpha  # Eq. 10


class StageFusion(NamedTuple):
    """What one scale's fusion made: tensors (N, ., H_s, W_s); None where an ablation has no such part."""

    fused: Tensor
    reliability: Tensor
    weight: Tensor
    spatial: Tensor | None
    wavelet: Tensor | None
    mixing: Tensor | None


class DualExpertFusion(nn.Module):
    """One scale of the fusion: reliability, both experts and the mixer, Sections 3.3 to 3.5."""

    def __init__(self, channels: int, config: ModelConfig) -> None:
        super().__init__()
        both, size = config.spatial_expert and config.wavelet_expert, (channels, config.dimensions)
        self.reliability = Reliability(*size)
        self.spatial_expert = SpatialExpert(*size) if config.spatial_expert else None
        self.wavelet_expert = WaveletExpert() if config.wavelet_expert else None
        self.mixer = SoftGradientMixer(*size) if both and config.soft_gradient_mixer else None

    def forward(self, f1: Tensor, f2: Tensor) -> StageFusion:
        """Fuse the features (N, C, H, W) of both modalities at one scale."""
        reliability, weight = self.reliability(f1, f2)
        spatial = self.spatial_expert(f1, f2, weight) if self.spatial_expert is not None else None
        wavelet = self.wavelet_expert(f1, f2, weight) if self.wavelet_expert is not None else None
        mixing = None
        if self.mixer is not None:
            fused, mixing = self.mixer(spatial, wavelet)
        else:  # the mean of both experts, or the only one
            experts = [expert for expert in (spatial, wavelet) if expert is not None]
            fused = torch.stack(experts).mean(dim=0)
        return StageFusion(fused, reliability, weight, spatial, wavelet, mixing)


# Section 3.6: decoder and residual-to-average fusion


class Decoder(nn.Module):
    """Reconstruct the residual map R from the fused features of all scales, Section 3.6.

    Choice: from the coarsest scale up, nearest-neighbor upsampling, concatenation with the next finer fused
    feature, one 3 x 3 convolution with a ReLU; a last 3 x 3 convolution gives R.
    """

    def __init__(self, widths: tuple[int, ...], dimensions: int = 2) -> None:
        super().__init__()
        convolution = CONVOLUTIONS[dimensions]
        self.merges = nn.ModuleList(
            convolution(fine + coarse, fine, 3, padding=1) for fine, coarse in pairwise(widths)
        )
        self.residual = convolution(widths[0], 1, 3, padding=1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Map fused features, finest first, to R (N, 1, H, W), unbounded."""
        x = features[-1]
        for feature, merge in zip(features[-2::-1], list(self.merges)[::-1], strict=True):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = F.relu(merge(torch.cat((feature, x), dim=1)))
        return self.residual(x)


class Fusion(NamedTuple):
    """The network's output and what led to it."""

    fused: Tensor  #: the fused image I_f, (N, 1, H, W) in [0, 1]
    average: Tensor  #: (I_1 + I_2) / 2
    residual: Tensor  #: tanh(R), (N, 1, H, W) in [-1, 1]
    features1: list[Tensor]  #: the first image's features, finest first, (N, C_s, H_s, W_s)
    features2: list[Tensor]  #: the second image's
    stages: list[StageFusion]  #: what each scale's fusion made, finest first


class WDualMine(nn.Module):
    """The whole network, Eq. 1 to Eq. 11."""

    def __init__(self, config: ModelConfig | None = None) -> None:
        super().__init__()
        self.config = config or ModelConfig()
        self.encoder = Encoder(self.config.widths, self.config.dimensions)
        self.stages = nn.ModuleList(DualExpertFusion(width, self.config) for width in self.config.widths)
        self.decoder = Decoder(self.config.widths, self.config.dimensions)

    @property
    def multiple(self) -> int:
        """What the sides of an input must be divisible by: every scale is halved once more by the DWT."""
        return 2 ** len(self.config.widths)

    def check(self, image1: Tensor, image2: Tensor) -> None:
        """Refuse all but two tensors (N, 1, [D,] H, W) of the network's type and on its device."""
        own = next(self.parameters())
        needed = f"{own.dtype} on {own.device}"
        for image in (image1, image2):
            kind = f"{image.dtype} on {image.device}" if isinstance(image, Tensor) else type(image).__name__
            if kind != needed:
                raise WdualmineError(f"image of type {kind}: the network needs a tensor of {needed}")
        dimensions = self.config.dimensions
        if image1.shape != image2.shape or image1.ndim != 2 + dimensions or image1.shape[1] != 1:
            shapes = f"{tuple(image1.shape)} and {tuple(image2.shape)}"
            needed = "(N, 1, H, W)" if dimensions == 2 else "(N, 1, D, H, W)"
            raise WdualmineError(f"images of shape {shapes}: give two tensors of one shape {needed}")

    def forward(self, image1: Tensor, image2: Tensor, residual_scale: float | None = None) -> Fusion:
        """Fuse two registered images.

        Args:
            image1: I_1, (N, 1, H, W) in [0, 1]; H and W divisible by :attr:`multiple`.
            image2: I_2, the same shape.
            residual_scale: the lambda of Eq. 11, here another than the configuration's; 0 gives the average.

        Raises:
            WdualmineError: shapes or types are not as above; :func:`wdualmine.fuse` takes any images.
        """
        self.check(image1, image2)
        if any(side == 0 or side % self.multiple for side in image1.shape[2:]):
            sides = " x ".join(map(str, image1.shape[2:]))
            raise WdualmineError(
                f"images of {sides}: the network needs sides divisible by {self.multiple}; "
                "wdualmine.fuse pads and crops"
            )
        # The encoder shares its weights, so both images pass through it as one batch. (Eq. 1)
        both = [features.chunk(2) for features in self.encoder(torch.cat((image1, image2)))]
        features1, features2 = ([pair[k] for pair in both] for k in (0, 1))
        stages = [stage(f1, f2) for stage, f1, f2 in zip(self.stages, features1, features2, strict=True)]
        residual = torch.tanh(self.decoder([stage.fused for stage in stages]))
        average = (image1 + image2) / 2
        scale = self.config.residual_scale if residual_scale is None else residual_scale
        fused = (average + scale * residual).clamp(0, 1)  # Eq. 11
        return Fusion(fused, average, residual, features1, features2, stages)
