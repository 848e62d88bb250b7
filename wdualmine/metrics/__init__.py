"""Fusion metrics: one a file, collected in a registry, each with its conventions on record."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wdualmine.metrics.registry import METRICS, PAPER_METRICS, get_metric, score

__all__ = ["METRICS", "PAPER_METRICS", "get_metric", "score"]


def __getattr__(name: str) -> Any:  # whoever needs one metric alone does not wait for all of them
    if name not in __all__:
        raise AttributeError(f"module 'wdualmine.metrics' has no attribute {name!r}")
    return getattr(import_module("wdualmine.metrics.registry"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
