"""Fusion metrics: one a file, collected in a registry, each with its conventions on record."""

from wdualmine.metrics.registry import METRICS, PAPER_METRICS, get_metric, score, score_batch

__all__ = ["METRICS", "PAPER_METRICS", "get_metric", "score", "score_batch"]
