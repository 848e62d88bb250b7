"""Every way to fuse, behind one signature: ``fuse(a, b) -> fused``, lumas (N, 1, H, W) in [0, 1]."""

from wdualmine.methods.classical import (
    average,
    blend,
    detail_average,
    laplacian_pyramid,
    maximum,
    standardized_sum,
    wavelet_maximum,
)
from wdualmine.methods.dwt import dwt_maximum
from wdualmine.methods.guided_filter import guided_filter_fusion
from wdualmine.methods.learned import fuse_with, load_fuse, load_model, load_network
from wdualmine.methods.method import Method
from wdualmine.methods.pca import pca_average
from wdualmine.methods.plugins import register
from wdualmine.methods.registry import (
    CLASSICAL,
    LEARNED,
    LIGHT,
    W_DUALMINE,
    get_method,
    get_system,
    list_methods,
)
from wdualmine.methods.system import System

__all__ = [
    "CLASSICAL", "LEARNED", "LIGHT", "W_DUALMINE", "Method", "System", "average", "blend", "detail_average",
    "dwt_maximum", "fuse_with", "get_method", "get_system", "guided_filter_fusion", "laplacian_pyramid",
    "list_methods", "load_fuse", "load_model", "load_network", "maximum", "pca_average", "register",
    "standardized_sum", "wavelet_maximum",
]  # fmt: skip
