"""IFCNN: features of two images are fused element by element, by their maximum.

Source: Y. Zhang et al., 2020, DOI 10.1016/j.inffus.2019.07.011, as its authors' IFCNN-MAX is called.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wdualmine.methods.system import Fused, Network, NetworkConfig


@dataclass(frozen=True)
class IFCNNConfig(NetworkConfig):
    """What the network is built from: the channels of every layer."""

    channels: int = 64


class IFCNN(Network):
    """Two layers to features, their maximum, two layers back to an image of three channels, averaged."""

    reach = 5  # a 7 x 7 layer and two of 3 x 3

    def __init__(self, config: IFCNNConfig | None = None) -> None:
        super().__init__()
        self.config = config or IFCNNConfig()
        width = self.config.channels
        self.first = nn.Conv2d(3, width, 7, padding=3, padding_mode="replicate", bias=False)
        self.features = block(width)
        self.rebuild = block(width)
        self.last = nn.Conv2d(width, 3, 1)

    def forward(self, image1: Tensor, image2: Tensor) -> Fused:
        """Fuse two images (N, 1, H, W) in [0, 1]; in training, give all channels, each one fused.

        A mean alone would leave the channels free to leave [0, 1], where they are clipped before it.
        """
        both = self.features(self.first(torch.cat((image1, image2)).expand(-1, 3, -1, -1)))
        fused = self.last(self.rebuild(torch.maximum(*both.chunk(2))))
        if self.training:  # a clipped pixel has no gradient
            return Fused(fused)
        return Fused(fused.clamp(0, 1).mean(dim=1, keepdim=True))

    def authors_layers(self) -> dict[str, nn.Module]:
        """Return the layers by their authors' names."""
        layers: dict[str, nn.Module] = {"conv1": self.first, "conv4": self.last}
        for name, block in (("conv2", self.features), ("conv3", self.rebuild)):
            layers |= {f"{name}.conv": block[0], f"{name}.bn": block[1]}
        return layers


def block(width: int) -> nn.Sequential:
    """Return a 3 x 3 convolution with batch normalization and ReLU, (N, C, H, W) to the same."""
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate", bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )
