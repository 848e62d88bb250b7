"""How far a result may lie from its reference, in one table, each with the reason.

Use ``pytest.approx(reference, abs=TOLERANCES["..."].value)``; a test with a tolerance of its own adds a row.
"""

from typing import NamedTuple


class Tolerance(NamedTuple):
    value: float
    reason: str


TOLERANCES = {
    "library": Tolerance(1e-10, "the same sums as scipy, scikit-image or scikit-learn in another order"),
    "permutation": Tolerance(0.0, "integer counts and sums, sorted before they are added as floats"),
    "symmetry": Tolerance(0.0, "two terms, and addition commutes"),
    "literal FMI": Tolerance(1e-9, "second differences of the literal loop cancel; 1e-13 on real windows"),
    "literal FMI, spiky": Tolerance(
        1e-5, "the literal variance E[i^2] - E[i]^2 cancels where p is nearly 0 or 1"
    ),
    "literal": Tolerance(1e-9, "the definition with loops: the same sums in another order"),
    "printed": Tolerance(0.5e-4, "four printed decimals"),
    "facts": Tolerance(1.1e-4, "four printed decimals, and another rounding of grey on a few pixels"),
    "limit": Tolerance(1e-9, "a closed form against sums over the pixels of the image that reaches it"),
    "recovery": Tolerance(1e-4, "float32 images, one subtracted from the other; signals of 15 levels"),
    "hotelling": Tolerance(1e-6, "relative: ten channels whose variances differ by 1e6, inverted by LAPACK"),
    "record": Tolerance(
        3e-4,
        "float32 convolutions summed in another order on another processor; a pixel's level is 2e-4 of MI",
    ),
    "record, color": Tolerance(
        5e-4, "records of color pairs were scored when ties of grey still rounded as BLAS fell: 3e-4 of MI"
    ),
    "pieces": Tolerance(1e-5, "float32 means and convolutions summed in another order"),
    "authors": Tolerance(
        1e-5, "float32 convolutions summed in another order, or in float64; 1e-7 as measured"
    ),
    "onnx": Tolerance(1e-5, "float32 convolutions summed in another order by onnxruntime"),
    "onnx, ties": Tolerance(
        1e-3, "of a pixel in a thousand: of two nearly equal coefficients, Eq. 7 may choose the other"
    ),
}
