"""EN: the Shannon entropy of the fused image."""

import numpy as np
from numpy.typing import NDArray

from wdualmine.metrics.metric import Image, Metric

METRIC = Metric(
    key="EN",
    name="Entropy",
    unit="bit",
    range=(0.0, 8.0),
    source="Shannon 1948, DOI 10.1002/j.1538-7305.1948.tb01338.x",
)


@METRIC.define("bits", r"-\sum_{i=0}^{255} p_F(i) \log_2 p_F(i)", "the paper; all toolboxes")
def entropy(a: Image, b: Image, fused: Image) -> float:
    """Shannon entropy of the 256-bin histogram of the fused image.

    Returns:
        Bits, 0 (constant) to 8 (all 256 levels equally often).

    Source: C. E. Shannon, 1948, DOI 10.1002/j.1538-7305.1948.tb01338.x.
    """
    return entropy_of(fused)


def entropy_of(image: Image) -> float:
    """Entropy of an image, uint8, in bits."""
    return entropy_of_counts(np.bincount(image.ravel(), minlength=256))


def entropy_of_counts(counts: NDArray[np.int64]) -> float:
    """Entropy, in bits, of the distribution in which level i was seen counts[i] times."""
    # Sorted, so that two histograms with the same counts give the same float whatever their order.
    p = np.sort(counts[counts > 0]) / counts.sum()
    return float(max(0.0, -(p @ np.log2(p))))
