"""Data: the tasks, where their images are, and registered pairs of them."""

from wdualmine.data.cache import cache_folder
from wdualmine.data.fetch import Fetched, fetch
from wdualmine.data.folds import load_fold
from wdualmine.data.manifest import Report, manifest_hash, read_manifest, verify, volume_and_slice, volume_of
from wdualmine.data.pairs import Pair, load_pairs
from wdualmine.data.source import DataSource, Place, find_data, where
from wdualmine.data.tasks import ALL, SPLITS, TASKS, Task, get_task, tasks_of

__all__ = [
    "ALL", "SPLITS", "TASKS", "DataSource", "Fetched", "Pair", "Place", "Report", "Task", "cache_folder",
    "fetch", "find_data", "get_task", "load_fold", "load_pairs", "manifest_hash",
    "read_manifest", "tasks_of", "verify", "volume_and_slice", "volume_of", "where",
]  # fmt: skip
