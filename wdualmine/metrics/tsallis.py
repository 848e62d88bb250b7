"""TE: mutual information with both sources after Tsallis, in which rare grey levels weigh more."""

import math

import numpy as np

from wdualmine.errors import WdualmineError
from wdualmine.metrics.entropy import entropy_of
from wdualmine.metrics.metric import Image, Metric
from wdualmine.metrics.mutual_information import joint_counts

_ORDER = 1.85  # Cvejic's q
_NAVA = 0.43137  # Nava's

_INFORMATION = r"\frac{1}{q - 1} \left(\sum_{i,j} \frac{p_{XY}(i,j)^q}{(p_X(i)\, p_Y(j))^{q-1}} - 1\right)"

METRIC = Metric(
    key="TE",
    name="Tsallis mutual information",
    range=(0.0, 2 * (math.pow(256, _ORDER - 1) - 1) / (_ORDER - 1)),
    source="Cvejic, Canagarajah, Bull 2006, DOI 10.1049/el:20060693",
)


@METRIC.define(
    "sum",
    rf"I_q(A, F) + I_q(B, F), \quad I_q(X, Y) = {_INFORMATION}, \; q = 1.85",
    "the publication; the MEFB benchmark",
)
def tsallis_information(a: Image, b: Image, fused: Image) -> float:
    """Tsallis mutual information of order 1.85 of the fused image with each source, summed.

    256 x 256 joint histograms. Order 1 would be MI in nats.

    Returns:
        0 (independent of both sources) to 2 (256^0.85 - 1) / 0.85 = 259.9 (equal, all levels equally often).

    Source: N. Cvejic, C. N. Canagarajah, D. R. Bull, 2006, DOI 10.1049/el:20060693.
    """
    return _information(a, fused, _ORDER) + _information(b, fused, _ORDER)


@METRIC.define(
    "normalized",
    r"\frac{I_q(A, F) + I_q(B, F)}{H(A)^q + H(B)^q + I_q(A, B)}, \quad q = 0.43137",
    "Liu's MATLAB toolbox (Shannon entropies for Tsallis's, and a plus for a minus)",
)
def tsallis_normalized(a: Image, b: Image, fused: Image) -> float:
    """As :func:`tsallis_information` of order 0.43137, over a measure of what the sources hold.

    The measure adds powers of Shannon entropies (bits) and the information between the sources, where the
    publication subtracts that from Tsallis entropies.

    Raises:
        WdualmineError: both sources are constant.
    """
    entropies = [entropy_of(image) for image in (a, b)]
    held = sum(entropy**_NAVA for entropy in entropies) + _information(a, b, _NAVA)
    if held == 0:
        raise WdualmineError("TE: both sources are constant, so they hold no information; leave them out")
    return (_information(a, fused, _NAVA) + _information(b, fused, _NAVA)) / held


def _information(x: Image, y: Image, order: float) -> float:
    joint = joint_counts(x, y) / x.size
    product = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    there = joint > 0
    total = (joint[there] * (joint[there] / product[there]) ** (order - 1)).sum()
    return max(0.0, float((total - 1) / (order - 1)))  # rounding can leave -1e-16 for independent images
