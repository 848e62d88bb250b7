"""PSNR: peak signal-to-noise ratio of the fused image against both sources."""

import math

import numpy as np

from wdualmine.data.color import is_color, to_rgb
from wdualmine.metrics.metric import Image, Metric

_GAP = 20 * math.log10(255)  # what scaling the images, but not the peak, to [0, 1] adds

METRIC = Metric(
    key="PSNR",
    name="Peak signal-to-noise ratio",
    unit="dB",
    range=(_GAP, math.inf),
    source="Jagalingam, Hegde 2015, DOI 10.1016/j.aqpro.2015.02.019",
    color=True,
)


@METRIC.define(
    "paper",
    r"20 \log_{10} \frac{255}{\sqrt{\mathrm{MSE}}}, \quad \mathrm{MSE} = "
    r"\frac{1}{2} \sum_{S \in \{A, B\}} \overline{\left(\frac{S - F}{255}\right)^2}",
    "the paper; Tang's and Gu's MATLAB toolboxes",
)
def psnr(a: Image, b: Image, fused: Image) -> float:
    """PSNR as the paper computes it: peak 255, but the error of images scaled to [0, 1].

    That is 20 log10(255) = 48.13 dB above :func:`psnr_standard`; the ranking is the same. Images are uint8
    (H, W) or (H, W, 3); a grey one among color ones counts as three equal channels.

    Returns:
        dB, at least 48.13; infinite if all three images are equal.

    Source: decoded from the paper's rows for AdaFuse and ASFE-Fusion, which it gives to four decimals.
    """
    return psnr_standard(a, b, fused) + _GAP


@METRIC.define(
    "standard",
    r"20 \log_{10} \frac{255}{\sqrt{\mathrm{MSE}}}, \quad \mathrm{MSE} = "
    r"\frac{1}{2} \sum_{S \in \{A, B\}} \overline{(S - F)^2}",
    "textbooks and general image libraries",
)
def psnr_standard(a: Image, b: Image, fused: Image) -> float:
    """PSNR with peak 255 on 0-255: dB, at least 0; infinite if all three images are equal."""
    return _decibel(255, mean_squared_error(a, b, fused))


@METRIC.define(
    "fused-peak",
    r"20 \log_{10} \frac{\max F}{\sqrt{\mathrm{MSE}}}, \quad \mathrm{MSE} = "
    r"\frac{1}{2} \sum_{S \in \{A, B\}} \overline{(S - F)^2}",
    "CDDFuse's evaluator",
)
def psnr_fused_peak(a: Image, b: Image, fused: Image) -> float:
    """PSNR whose peak is the maximum of the fused image, so that a min-max stretch alone is rewarded."""
    return _decibel(int(fused.max()), mean_squared_error(a, b, fused))


@METRIC.define(
    "root-over-pixels",
    r"20 \log_{10} \frac{255}{\sqrt{\mathrm{MSE}}}, \quad \mathrm{MSE} = "
    r"\frac{1}{2} \sum_{S \in \{A, B\}} \frac{1}{mn} \sqrt{\sum_{i,j} (S_{ij} - F_{ij})^2}",
    "the VIFB and MEFB benchmarks (the root is taken before the mean: a slip)",
)
def psnr_root_over_pixels(a: Image, b: Image, fused: Image) -> float:
    """PSNR whose error is the root of the summed squares over the number of pixels; in color by channel.

    It grows with the image: on 256 x 256 pixels, p dB become p / 2 + 48.15, less where the errors differ.
    """
    if any(map(is_color, (a, b, fused))):
        channels = zip(*(np.moveaxis(to_rgb(image), -1, 0) for image in (a, b, fused)), strict=True)
        return sum(psnr_root_over_pixels(*channel) for channel in channels) / 3
    roots = [math.sqrt(float(((source.astype(np.int64) - fused) ** 2).sum())) for source in (a, b)]
    return _decibel(255, sum(roots) / (2 * fused.size))


def mean_squared_error(a: Image, b: Image, fused: Image) -> float:
    """Mean of the two sources' mean squared errors, in squared grey levels (0 to 65025)."""
    if any(map(is_color, (a, b, fused))):
        a, b, fused = to_rgb(a), to_rgb(b), to_rgb(fused)
    f = fused.astype(np.int32).ravel()
    squares = sum(int(np.square(f - source.ravel()).sum(dtype=np.int64)) for source in (a, b))
    return squares / (2 * f.size)


def _decibel(peak: int, error: float) -> float:
    if error == 0:
        return math.inf
    return 10 * math.log10(peak**2 / error) if peak else -math.inf
