"""The folder that holds what this package downloads or makes, and how files get into it whole."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wdualmine.errors import WdualmineError

#: Environment variable that moves the cache.
CACHE_VARIABLE = "WDUALMINE_CACHE"


def cache_folder() -> Path:
    """Return the cache, made or not: WDUALMINE_CACHE, else the user's cache folder of the platform."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser().absolute()
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData/Local") / "wdualmine/Cache"
    if sys.platform == "darwin":
        return home / "Library/Caches/wdualmine"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "wdualmine"


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Lend an empty folder beside the final place of files, or raise a WdualmineError if it is unwritable.

    Files are renamed out of it once complete. One process at a time holds it; what a killed one left goes.
    """
    from filelock import FileLock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire()
    except OSError as error:
        raise WdualmineError(
            f"{folder}: cannot be written ({error.strerror or error}); set {CACHE_VARIABLE} to another folder"
        ) from error
    try:
        for stale in folder.glob(".partial-*"):
            shutil.rmtree(stale, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as name:
            yield Path(name)
    finally:
        lock.release()
