"""Every way to fuse, behind one signature: ``fuse(a, b) -> fused``, lumas (N, 1, H, W) in [0, 1]."""

from wdualmine.methods.classical import (
    average,
    blend,
    laplacian_pyramid,
    maximum,
    standardized_sum,
    wavelet_maximum,
)
from wdualmine.methods.learned import fuse_with, load_model
from wdualmine.methods.registry import CLASSICAL, W_DUALMINE, Method, get_method

__all__ = [
    "CLASSICAL",
    "W_DUALMINE",
    "Method",
    "average",
    "blend",
    "fuse_with",
    "get_method",
    "laplacian_pyramid",
    "load_model",
    "maximum",
    "standardized_sum",
    "wavelet_maximum",
]
