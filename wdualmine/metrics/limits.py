"""The best PSNR and the best mean correlation that any fused image of two given sources can have.

Both follow from the sources alone:

- MSE(A, F) + MSE(B, F) is least where F = (A + B) / 2, at MSE(A, B) / 2.
- With all three centered and scaled to unit norm, corr(A, F) + corr(B, F) is the inner product of A + B and
  F; it is largest where F is parallel to A + B, at the norm of A + B, sqrt(2 + 2 rho).

They hold for real-valued images; an 8-bit fused image stays below by what rounding costs.
"""

import math
from collections.abc import Sequence

from numpy.typing import ArrayLike

from wdualmine.data.color import to_grey
from wdualmine.metrics.correlation import pearson
from wdualmine.metrics.metric import Image
from wdualmine.metrics.psnr import psnr
from wdualmine.metrics.validation import NAMES, check_triple


def limits(a: ArrayLike, b: ArrayLike, names: Sequence[str] = NAMES[:2]) -> dict[str, float]:
    """Limits of a pair, 8-bit (H, W) or RGB (H, W, 3), in the paper's conventions: CC, and PSNR in dB.

    PSNR is infinite for equal sources; errors call the two by their names.
    """
    a, b, _ = check_triple(a, b, a, (*names, names[0]))
    return {"CC": best_correlation(to_grey(a), to_grey(b)), "PSNR": best_psnr(a, b)}


def best_psnr(a: Image, b: Image) -> float:
    """PSNR (the paper's, in dB) of the average of two sources, uint8 (H, W) or (H, W, 3): none is higher."""
    # psnr(a, b, a) rests on MSE(A, B) / 2, of which the average has half
    return psnr(a, b, a) + 10 * math.log10(2)


def best_correlation(a: Image, b: Image) -> float:
    """Mean correlation (CC) that no fused image exceeds, sqrt((1 + rho) / 2), for sources uint8 (H, W).

    Raises:
        WdualmineError: a source is constant.
    """
    return math.sqrt((1 + pearson(a, b)) / 2)
