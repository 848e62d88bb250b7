"""MI: what the fused image tells about the two sources, MI(A, F) + MI(B, F)."""

import numpy as np
from numpy.typing import NDArray

from wdualmine.metrics.entropy import entropy_of_counts
from wdualmine.metrics.metric import Image, Metric

METRIC = Metric(
    key="MI",
    name="Mutual information",
    unit="bit",
    range=(0.0, 16.0),
    source="Qu, Zhang, Yan 2002, DOI 10.1049/el:20020212",
)


@METRIC.define(
    "bits",
    r"\sum_{S \in \{A, B\}} \sum_{i, j} p_{SF}(i, j) \log_2 \frac{p_{SF}(i, j)}{p_S(i)\, p_F(j)}",
    "the paper; MATLAB toolboxes",
)
def mutual_information(a: Image, b: Image, fused: Image) -> float:
    """Mutual information of each source and the fused image, from 256 x 256 joint histograms, summed.

    Returns:
        Bits, 0 to 16 (at most twice the entropy of the fused image).

    Source: G. Qu, D. Zhang, P. Yan, 2002, DOI 10.1049/el:20020212.
    """
    return information_between(a, fused) + information_between(b, fused)


@METRIC.define(
    "nats",
    r"\sum_{S \in \{A, B\}} \sum_{i, j} p_{SF}(i, j) \ln \frac{p_{SF}(i, j)}{p_S(i)\, p_F(j)}",
    "CDDFuse's evaluator",
)
def mutual_information_nats(a: Image, b: Image, fused: Image) -> float:
    """The same as :func:`mutual_information` with natural logarithms: nats, 0 to 16 ln 2."""
    return mutual_information(a, b, fused) * float(np.log(2))


def joint_counts(x: Image, y: Image) -> NDArray[np.int64]:
    """Joint histogram of two uint8 images of one size: int64 (256, 256), x down and y across."""
    pairs = x.ravel().astype(np.int64) * 256 + y.ravel()
    return np.bincount(pairs, minlength=256 * 256).reshape(256, 256)


def information_between(x: Image, y: Image) -> float:
    """Mutual information of two uint8 images of one size in bits, H(x) + H(y) - H(x, y)."""
    joint = joint_counts(x, y)
    information = (
        entropy_of_counts(joint.sum(axis=1))
        + entropy_of_counts(joint.sum(axis=0))
        - entropy_of_counts(joint.ravel())
    )
    return max(0.0, information)  # rounding can leave -1e-16 for independent images
