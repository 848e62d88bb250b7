"""W-DUALMINE: reliability-weighted dual-expert fusion of medical images, reproduced.

The verbs: :func:`load_model`, :func:`fuse_images`, :func:`score`. They are imported when first used, so that
``import wdualmine`` is quick.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_VERBS = {
    "fuse_images": "wdualmine.fusion",
    "fuse_with": "wdualmine.methods",
    "load_model": "wdualmine.methods",
    "load_pairs": "wdualmine.data",
    "score": "wdualmine.metrics",
}
__all__ = ["__version__", *_VERBS]


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        return getattr(import_module(_VERBS[name]), name)
    raise AttributeError(f"module 'wdualmine' has no attribute {name!r}")
