"""U2Fusion: one densely connected network for all kinds of fusion.

Source: H. Xu et al., 2022, DOI 10.1109/TPAMI.2020.3012548, as its authors' code is called: images in [0, 1],
reflected borders. Their script stretches the result to the full range, as `wdualmine fuse` does.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wdualmine.methods.system import Fused, Network, NetworkConfig, ReflectConv


@dataclass(frozen=True)
class U2FusionConfig(NetworkConfig):
    """What the network is built from: the channels of each layer of the dense block."""

    channels: int = 44


class U2Fusion(Network):
    """Both images enter at once: six densely connected layers, then four that narrow to the fused image."""

    reach = 10  # ten 3 x 3 layers

    def __init__(self, config: U2FusionConfig | None = None) -> None:
        super().__init__()
        self.config = config or U2FusionConfig()
        width = self.config.channels
        self.first = ReflectConv(2, width, 3)
        self.dense = nn.ModuleList(ReflectConv(width * number, width, 3) for number in range(1, 6))
        self.narrow = nn.ModuleList(
            ReflectConv(inputs, outputs, 3) for inputs, outputs in pairwise((6 * width, 128, 64, 32, 1))
        )

    def forward(self, image1: Tensor, image2: Tensor) -> Fused:
        """Fuse two images (N, 1, H, W) in [0, 1]."""
        x = F.leaky_relu(self.first(torch.cat((image1, image2), dim=1)), 0.2)
        for layer in self.dense:
            x = torch.cat((F.leaky_relu(layer(x), 0.2), x), dim=1)  # what is new comes first
        *layers, last = self.narrow
        for layer in layers:
            x = F.leaky_relu(layer(x), 0.2)
        return Fused((torch.tanh(last(x)) + 1) / 2)

    def authors_layers(self) -> dict[str, nn.Module]:
        """Return the layers by their authors' names."""
        dense = {f"Generator/encoder/dense_block_conv{k}": layer for k, layer in enumerate(self.dense, 1)}
        narrow = {f"Generator_1/decoder/conv2_{k}": layer for k, layer in enumerate(self.narrow, 1)}
        return {"Generator/encoder/conv1_1": self.first, **dense, **narrow}
