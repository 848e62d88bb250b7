"""W-DUALMINE: reliability-weighted dual-expert fusion of medical images, reproduced.

``import wdualmine as wd``, then ``wd.fuse(ct, mri)``; what is listed here is imported when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wdualmine.data.images import read_image as read_image
    from wdualmine.data.pairs import load_pairs as load_pairs
    from wdualmine.errors import WdualmineError as WdualmineError
    from wdualmine.experiments import make_experiment as make_experiment
    from wdualmine.flat import fuse as fuse
    from wdualmine.flat import list_metrics as list_metrics
    from wdualmine.methods.learned import fuse_with as fuse_with
    from wdualmine.methods.learned import load_fuse as load_fuse
    from wdualmine.methods.learned import load_model as load_model
    from wdualmine.methods.registry import list_methods as list_methods
    from wdualmine.metrics.registry import score as score
    from wdualmine.recovery.measure import measure_alone as measure_alone
    from wdualmine.recovery.measure import measure_recovery as measure_recovery
    from wdualmine.recovery.summary import summarize_recovery as summarize_recovery
    from wdualmine.report import report as report
    from wdualmine.training import train as train

__version__ = "0.1.0"

#: Where each name is; a test holds it against the imports above, which are for type checkers.
_MODULES = {
    "WdualmineError": "errors",
    "fuse": "flat",
    "fuse_with": "methods.learned",
    "list_methods": "methods.registry",
    "list_metrics": "flat",
    "load_fuse": "methods.learned",
    "load_model": "methods.learned",
    "load_pairs": "data.pairs",
    "make_experiment": "experiments",
    "measure_alone": "recovery.measure",
    "measure_recovery": "recovery.measure",
    "read_image": "data.images",
    "report": "report",
    "score": "metrics.registry",
    "summarize_recovery": "recovery.summary",
    "train": "training",
}
__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'wdualmine' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"wdualmine.{_MODULES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
