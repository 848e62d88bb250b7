"""Files that are written whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wdualmine.errors import WdualmineError


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Lend a name beside a file, of the same suffix; what is written there replaces the file in the end.

    Raises:
        WdualmineError: the disk is full or the folder not writable; the file is as it was before.
    """
    # Short, because the file's own name can be as long as the file system allows.
    temporary = path.with_name(f".{secrets.token_hex(4)}.tmp{path.name[-20:].lower()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):  # of the same cause, such as a parent that is a file
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def unwritable(path: Path, error: OSError) -> WdualmineError:
    """Make the error that says that a file or folder cannot be written, and why."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        return WdualmineError(f"{path}: a file is where a folder is needed; name another folder")
    return WdualmineError(
        f"{path}: cannot be written ({error.strerror or error}); make room or choose another folder"
    )
