"""CE: how far the grey levels of the fused image are from those of the sources, whatever their place."""

import math

import numpy as np

from wdualmine.metrics.metric import Image, Metric

METRIC = Metric(
    key="CE",
    name="Cross entropy",
    direction="lower",
    unit="bit",
    range=(-math.log2(math.e) / math.e, math.inf),
    source="Bulanon, Burks, Alchanatis 2009, DOI 10.1016/j.biosystemseng.2009.02.009",
)


@METRIC.define(
    "shared-levels",
    r"\frac{1}{2} \sum_{S \in \{A, B\}} \sum_{i: p_S(i) p_F(i) > 0} p_S(i) \log_2 \frac{p_S(i)}{p_F(i)}",
    "the VIFB and MEFB benchmarks",
)
def cross_entropy(a: Image, b: Image, fused: Image) -> float:
    """Kullback-Leibler divergence of the histogram of the fused image from each source's, averaged.

    Levels that one of the two images lacks are left out, else it would be infinite. So it can be negative,
    and an image that shares no level with a source scores 0 as a perfect one does.

    Returns:
        Bits, at least -log2(e) / e = -0.53, 0 if all three have one histogram; lower is read as better.

    Source: D. M. Bulanon, T. F. Burks, V. Alchanatis, 2009, DOI 10.1016/j.biosystemseng.2009.02.009.
    """
    return (_divergence(a, fused) + _divergence(b, fused)) / 2


def _divergence(source: Image, fused: Image) -> float:
    p, q = (np.bincount(image.ravel(), minlength=256) / image.size for image in (source, fused))
    shared = (p > 0) & (q > 0)
    return float((p[shared] * np.log2(p[shared] / q[shared])).sum())
