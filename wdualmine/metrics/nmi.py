"""NMI: mutual information with both sources, each normalized by the entropies of the two images."""

from wdualmine.errors import WdualmineError
from wdualmine.metrics.entropy import entropy_of
from wdualmine.metrics.metric import Image, Metric
from wdualmine.metrics.mutual_information import information_between

METRIC = Metric(
    key="NMI",
    name="Normalized mutual information",
    range=(0.0, 2.0),
    source="Hossny, Nahavandi, Creighton 2008, DOI 10.1049/el:20081754",
)


@METRIC.define(
    "publication",
    r"2 \left( \frac{\mathrm{MI}(A, F)}{H(A) + H(F)} + "
    r"\frac{\mathrm{MI}(B, F)}{H(B) + H(F)} \right)",
    "the publication",
)
def normalized_mutual_information(a: Image, b: Image, fused: Image) -> float:
    """Twice the sum over the sources of mutual information over the sum of the two entropies.

    Returns:
        0 (the fused image is independent of both sources) to 2 (it determines and is determined by each).

    Raises:
        WdualmineError: a source and the fused image are both constant, which leaves 0/0.

    Source: M. Hossny, S. Nahavandi, D. Creighton, 2008, DOI 10.1049/el:20081754.
    """
    entropy_fused = entropy_of(fused)
    value = 0.0
    for source in (a, b):
        entropies = entropy_of(source) + entropy_fused
        if entropies == 0:
            raise WdualmineError("NMI: a source and the fused image are both constant; leave them out")
        value += 2 * information_between(source, fused) / entropies
    return min(2.0, value)  # rounding can leave 2 + 4e-16 for equal images
