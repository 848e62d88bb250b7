"""A method given as a command: it reads two image files and writes the fused one."""

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wdualmine.data.color import to_grey
from wdualmine.data.images import read_image, write_image
from wdualmine.errors import WdualmineError
from wdualmine.metrics.validation import to_8_bit

_PLACES = ("{a}", "{b}", "{out}")


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
        missing = [place for place in _PLACES if place not in text]
        if missing:
            raise WdualmineError(
                f"command {text!r}: lacks {', '.join(missing)}; write it as 'mytool {{a}} {{b}} {{out}}'"
            )
        if not timeout > 0:
            raise WdualmineError(f"timeout {timeout:g}: give a number of seconds above 0")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse two lumas (1, 1, H, W) in [0, 1], handed over rounded to 8 bits, to one of the same shape.

        Raises:
            WdualmineError: see :meth:`fuse`.
        """
        levels = [np.rint(image[0, 0].double().cpu().numpy() * 255).astype(np.uint8) for image in (a, b)]
        return torch.from_numpy(to_grey(self.fuse(*levels)) / np.float32(255))[None, None]

    def fuse(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Fuse two images, uint8 (H, W) or (H, W, 3), to one of the same height and width.

        Raises:
            WdualmineError: the program is not there, fails, does not end in time, or writes no image, one of
                another size or one that is not of 8 bits.
        """
        with tempfile.TemporaryDirectory(prefix="wdualmine-") as folder:
            paths = dict(
                zip(_PLACES, (Path(folder) / f"{name}.png" for name in ("a", "b", "out")), strict=True)
            )
            write_image(paths["{a}"], a)
            write_image(paths["{b}"], b)
            self._run(paths, Path(folder) / "messages.txt")
            output = paths["{out}"]
            if not output.is_file():
                raise WdualmineError(f"{self.words[0]}: ended well but wrote no image to {{out}}, a .png")
            try:
                fused = to_8_bit(read_image(output), "its image")
            except WdualmineError as error:
                text = str(error).replace(str(output), "its image")
                raise WdualmineError(f"{self.words[0]}: {text}") from error
        if fused.shape[:2] != a.shape[:2]:
            sizes = [f"{image.shape[0]} x {image.shape[1]}" for image in (fused, a)]
            raise WdualmineError(f"{self.words[0]}: wrote an image of {sizes[0]} from sources of {sizes[1]}")
        return fused

    def _run(self, paths: dict[str, Path], messages: Path) -> None:
        words = []
        for word in self.words:
            for place, path in paths.items():
                word = word.replace(place, str(path))
            words.append(word)
        with messages.open("wb") as file:
            try:
                # A session of its own, so that what the program has started can be ended with it.
                process = subprocess.Popen(
                    words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
                )
            except OSError as error:
                raise WdualmineError(
                    f"{words[0]}: cannot be started ({error.strerror}); check the command"
                ) from error
            try:
                code = process.wait(self.timeout)
            except subprocess.TimeoutExpired:
                raise WdualmineError(
                    f"{words[0]}: did not end within {self.timeout:g} s; mend it or allow more with --timeout"
                ) from None
            finally:
                _end(process)
        if code:
            lines = messages.read_bytes()[-2000:].decode(errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
            raise WdualmineError(f"{words[0]}: ended with exit code {code} ({last[:200]})")


def _end(process: subprocess.Popen) -> None:
    """End a program and all of its session."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # all of it has ended
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
