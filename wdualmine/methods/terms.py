"""Terms that the objectives of several systems share; images are (N, 1, H, W) in [0, 1]."""

from torch import Tensor
from torch.nn import functional as F

from wdualmine.blur import gaussian_blur


def similarity(x: Tensor, y: Tensor) -> Tensor:
    """SSIM of two images, one value a pair (N,), at most 1; whole 11 x 11 Gaussian windows.

    Source: Z. Wang et al., 2004, DOI 10.1109/TIP.2003.819861.
    """

    def mean(image: Tensor) -> Tensor:
        return gaussian_blur(image, 1.5, 5, pad=False)

    mean_x, mean_y = mean(x), mean(y)
    variances = mean(x.square()) - mean_x.square() + mean(y.square()) - mean_y.square()
    covariance = mean(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x.square() + mean_y.square() + 0.01**2)
    return (luminance * (2 * covariance + 0.03**2) / (variances + 0.03**2)).mean(dim=(-3, -2, -1))


def gradients(x: Tensor) -> tuple[Tensor, Tensor]:
    """Sobel's derivatives to the right and down, each of the shape of x; a ramp of slope 1 has 1."""
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    columns = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    return (rows[..., 2:] - rows[..., :-2]) / 8, (columns[..., 2:, :] - columns[..., :-2, :]) / 8
