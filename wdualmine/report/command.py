"""A method given as a command: it reads two image files and writes the fused one."""

import contextlib
import os
import re
import secrets
import shlex
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wdualmine.data.color import to_grey
from wdualmine.data.images import read_image, size_of, write_image
from wdualmine.errors import WdualmineError
from wdualmine.metrics.validation import to_8_bit

_PLACES = ("{a}", "{b}", "{out}")
_PLACE = re.compile("|".join(map(re.escape, _PLACES)))
#: What a run may print and write into its folder, in bytes, beside 32 a pixel.
_ROOM = 64 << 20
#: Environment variable by which a run's processes are known.
_MARK = "WDUALMINE_COMMAND"
#: A terminal's control sequences: colors, titles, single ones.
_CONTROL = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.")


class Command:
    """A command line that fuses two files.

    Args:
        text: such as ``"mytool {a} {b} {out}"``, split into words as a shell does but run without one. Each
            place is replaced by the path of an 8-bit PNG.
        timeout: seconds after which a run, with all that it has started, is ended.

    Raises:
        WdualmineError: a place is missing, or the text cannot be split.
    """

    def __init__(self, text: str, timeout: float = 60.0) -> None:
        self.text, self.timeout = text, timeout
        try:
            self.words = shlex.split(text)
        except ValueError as error:
            raise WdualmineError(f"command {text!r}: cannot be split into words ({error})") from error
        if missing := [place for place in _PLACES if place not in text]:
            example = f"mytool {' '.join(_PLACES)}"
            raise WdualmineError(f"command {text!r}: lacks {', '.join(missing)}; write it as '{example}'")
        if not timeout > 0:
            raise WdualmineError(f"timeout {timeout:g}: give a number of seconds above 0")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse two lumas (1, 1, H, W) in [0, 1], handed over rounded to 8 bits, to one of the same shape."""
        levels = [np.rint(image[0, 0].double().cpu().numpy() * 255).astype(np.uint8) for image in (a, b)]
        return torch.from_numpy(to_grey(self.fuse(*levels)) / np.float32(255))[None, None]

    def fuse(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Fuse two images, uint8 (H, W) or (H, W, 3), to one of the same height and width.

        Raises:
            WdualmineError: the program is not there, fails, does not end in time, prints or writes too much,
                or writes no image, a link, an image of another size or one that is not of 8 bits.
        """
        with tempfile.TemporaryDirectory(prefix="wdualmine-") as folder:
            paths = {place: Path(folder) / f"{place[1:-1]}.png" for place in _PLACES}
            write_image(paths["{a}"], a)
            write_image(paths["{b}"], b)
            self._run(paths, _ROOM + 32 * a.shape[0] * a.shape[1])
            output = paths["{out}"]
            if output.is_symlink() or (output.is_file() and output.stat().st_nlink > 1):
                raise WdualmineError(f"{self.words[0]}: made {{out}} a link to another file; mend it")
            if not output.is_file():
                raise WdualmineError(f"{self.words[0]}: ended well but wrote no image to {{out}}, a .png")
            try:
                fused = to_8_bit(read_image(output), "its image")
            except WdualmineError as error:
                text = str(error).replace(str(output), "its image")
                raise WdualmineError(f"{self.words[0]}: {text}") from error
        if fused.shape[:2] != a.shape[:2]:
            what = f"wrote an image of {size_of(fused)} from sources of {size_of(a)}"
            raise WdualmineError(f"{self.words[0]}: {what}")
        return fused

    def _run(self, paths: dict[str, Path], room: int) -> None:
        words = [_PLACE.sub(lambda found: str(paths[found[0]]), word) for word in self.words]
        mark = secrets.token_hex(16)
        with tempfile.TemporaryFile() as messages:
            try:
                # A session of its own, so that what the program has started can be ended with it.
                process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=messages,
                    stderr=messages,
                    env={**os.environ, _MARK: mark},
                    start_new_session=True,
                )
            except OSError as error:
                text = f"{words[0]}: cannot be started ({error.strerror}); check the command"
                raise WdualmineError(text) from error
            deadline, code, wrong = time.monotonic() + self.timeout, None, ""
            try:
                while code is None and not wrong:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        code = process.wait(max(0.0, min(0.05, deadline - time.monotonic())))
                    if _written(messages, paths["{out}"].parent) > room:
                        wrong = (
                            f"printed or wrote more than {room >> 20} MiB for one pair and was ended; mend it"
                        )
                    elif code is None and time.monotonic() >= deadline:
                        wrong = f"did not end within {self.timeout:g} s; mend it or allow more with --timeout"
            finally:
                _end(process, mark)
            if wrong:
                raise WdualmineError(f"{words[0]}: {wrong}")
            if code:
                raise WdualmineError(f"{words[0]}: ended with exit code {code} ({_last_line(messages)})")


def _written(messages: BinaryIO, folder: Path) -> int:
    """Return how many bytes a program has printed, and written into its folder."""
    total = os.fstat(messages.fileno()).st_size
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # gone since
            total += path.lstat().st_size
    return total


def _last_line(messages: BinaryIO) -> str:
    """Return the last line that a program printed, without what would act on a terminal."""
    messages.seek(max(0, os.fstat(messages.fileno()).st_size - 2000))
    text = _CONTROL.sub("", messages.read().decode(errors="replace"))
    lines = ("".join(filter(str.isprintable, line)).strip() for line in reversed(re.split(r"[\r\n]", text)))
    return next(filter(None, lines), "no message")[:200]


def _end(process: subprocess.Popen, mark: str) -> None:
    """End a program and what it has started, in sessions of their own, too.

    Without ``/proc``, that is the program's own session. With it, a process survives only if it has replaced
    its environment and the processes between it and the program have ended.
    """
    for _ in range(100):
        family = _family(process, f"{_MARK}={mark}".encode())
        for pid in family:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):  # all of it has ended
                os.killpg(process.pid, signal.SIGKILL)
        elif process.poll() is None:
            process.kill()
        process.wait()
        if not family:
            break
        time.sleep(0.01)  # until they have ended


def _family(process: subprocess.Popen, mark: bytes) -> set[int]:
    """Return a running program's process, those with a mark in their environment, and their descendants."""
    found, parents = set() if process.poll() is not None else {process.pid}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended since, or another user's
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if mark in (folder / "environ").read_bytes():
                found.add(int(folder.name))
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found
