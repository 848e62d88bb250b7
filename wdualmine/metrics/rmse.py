"""RMSE: the root mean square error of the fused image against the sources."""

import math

import numpy as np

from wdualmine.metrics.metric import Image, Metric

METRIC = Metric(
    key="RMSE",
    name="Root mean square error",
    direction="lower",
    unit="grey level",
    range=(0.0, 255.0),
    source="Jagalingam, Hegde 2015, DOI 10.1016/j.aqpro.2015.02.019",
)


@METRIC.define(
    "mean-of-roots",
    r"\frac{1}{2} \sum_{S \in \{A, B\}} \sqrt{\overline{(S - F)^2}}",
    "the publication, averaged over the sources",
)
def root_mean_square_error(a: Image, b: Image, fused: Image) -> float:
    """Root mean square error against each source, averaged.

    By the triangle inequality it is at least half the error between the sources, and every blend
    t A + (1 - t) B reaches that, each source alone among them: the metric cannot tell them apart.

    Returns:
        Grey levels, 0 (all three equal) to 255; lower is better.

    Source: P. Jagalingam, A. V. Hegde, 2015, DOI 10.1016/j.aqpro.2015.02.019.
    """
    return (math.sqrt(_square(a, fused)) + math.sqrt(_square(b, fused))) / 2


@METRIC.define(
    "root-of-mean",
    r"\sqrt{\frac{1}{2} \sum_{S \in \{A, B\}} \overline{(S - F)^2}}",
    "what PSNR is made of, on grey images",
)
def root_of_mean(a: Image, b: Image, fused: Image) -> float:
    """Root of the mean of the two square errors, that of a grey image's PSNR: grey levels, 0 to 255."""
    return math.sqrt((_square(a, fused) + _square(b, fused)) / 2)


@METRIC.define(
    "root-over-pixels",
    r"\frac{1}{2} \sum_{S \in \{A, B\}} \frac{1}{mn} \sqrt{\sum_{i,j} (S_{ij} - F_{ij})^2}",
    "the VIFB benchmark (the number of pixels outside the root: a slip)",
)
def root_over_pixels(a: Image, b: Image, fused: Image) -> float:
    """As :func:`root_mean_square_error`, but the number of pixels divides outside the root.

    It falls with the size of the image: 256 times smaller on 256 x 256 pixels.
    """
    return root_mean_square_error(a, b, fused) / math.sqrt(fused.size)


def _square(source: Image, fused: Image) -> float:
    return float(((source.astype(np.float64) - fused) ** 2).mean())
