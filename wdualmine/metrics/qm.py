"""Qm: how well the wavelet details of the sources survive in the fused image."""

import numpy as np

from wdualmine.errors import WdualmineError
from wdualmine.metrics.metric import Array, Image, Metric
from wdualmine.metrics.validation import require_size

_POWERS = (2 / 3, 1 / 3)  # of the fine level and of the coarse one

METRIC = Metric(
    key="Qm",
    name="Wavelet detail preservation (Wang and Liu)",
    range=(0.0, 3.0),
    source="Wang, Liu 2008, DOI 10.1109/ICOSP.2008.4697288",
)


@METRIC.define(
    "sum-of-bands",
    r"Q_1^{2/3} Q_2^{1/3}, \quad Q_k = \frac{\sum_{S \in \{A, B\}} \sum_{i,j} w_k^S "
    r"\sum_{d \in \{h, v, x\}} e^{-|S_k^d - F_k^d|}}{\sum_{S \in \{A, B\}} \sum_{i,j} w_k^S}, \; "
    r"w_k^S = \sum_{d} (S_k^d)^2",
    "Liu's MATLAB toolbox",
)
def qm(a: Image, b: Image, fused: Image) -> float:
    """Preserved Haar details of two levels, weighted by the energy of the source's.

    A detail that is off by d grey levels counts exp(-d), on images 0-255: all but exact copies count as lost,
    so that methods that copy pixels are far ahead.

    Returns:
        0 to 3, 3 if all three are equal; higher is better.

    Raises:
        WdualmineError: the images are smaller than 4 x 4, or no source has a detail at one of the levels.

    Source: P.-W. Wang, B. Liu, 2008, DOI 10.1109/ICOSP.2008.4697288.
    """
    import pywt

    require_size("Qm", fused, 4)
    levels = [pywt.wavedec2(image.astype(np.float64), "haar", level=2)[:0:-1] for image in (a, b, fused)]
    value = 1.0
    for power, *bands in zip(_POWERS, *levels, strict=True):
        value *= _preserved(*(np.stack(band) for band in bands)) ** power
    return value


def _preserved(a: Array, b: Array, fused: Array) -> float:
    """Details (3, H, W) of one level: sum over the bands, mean over both sources and all places by energy."""
    kept = total = 0.0
    for source in (a, b):
        energy = (source**2).sum(axis=0)
        kept += float((np.exp(-np.abs(source - fused)).sum(axis=0) * energy).sum())
        total += float(energy.sum())
    if total == 0:
        raise WdualmineError("Qm: the sources have no detail at one of the two levels; leave them out")
    return kept / total
