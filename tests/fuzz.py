"""Broken files of every kind, handed to the package's readers: an answer or one clear error, in bounded room.

``make fuzz`` runs thousands of cases in processes of their own, kills a training at random moments and lets
the disk run full; some hundreds of the cases are in the suite (test_fuzz.py). A case is a kind and a number:
the same number makes the same file, so that a failure can be made again.
"""

import argparse
import json
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SIDE = (32, 24)
#: Seconds and MiB above the process's own that a case may take.
SECONDS, ROOM = 20, 1024
#: What stands in for a value of a text file.
WORDS = (
    b"NaN", b"-Infinity", b"1e999", b"-1", b"0", b"999999999999999999999", b'""', b"null", b"[]", b"{}",
    b"true", b"[[[[[[[[", b'{"a":', b"\xff\xfe", b"\x00", b"'", b'"', b",,,,", b"\n\n", b"1" * 5000, b"../x",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of file: how a valid one is made, and what reads it.

    Attributes:
        name: its own.
        make: writes a valid file, or folder of files, into an empty folder, and gives the one to break.
        read: reads what lies there.
        text: whether words are put into it, too.
        mend: gives a broken file the checksums that it would have, so that more of it is read.
    """

    name: str
    make: Callable[[Path], Path]
    read: Callable[[Path], object]
    text: bool = False
    mend: Callable[[bytes], bytes] = bytes


def mend_png(content: bytes) -> bytes:
    """Give every chunk of a PNG its checksum."""
    data, place = bytearray(content), 8
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        if end + 4 > len(data):
            break
        data[end : end + 4] = zlib.crc32(data[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(data)


def _picture(color: bool = False) -> np.ndarray:
    rng = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(SIDE[0]) * 4, np.arange(SIDE[1]) * 3) % 256
    image = (smooth + rng.integers(0, 9, SIDE)).clip(0, 255).astype(np.uint8)
    return np.stack([image, image[::-1], 255 - image], axis=-1) if color else image


def _image(suffix: str, color: bool = False, deep: bool = False) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        import imageio.v3 as imageio

        image = _picture(color)
        path = folder / f"image{suffix}"
        imageio.imwrite(path, image.astype(np.uint16) * 257 if deep else image)
        return path

    return make


def _dicom(folder: Path) -> Path:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, "1.2.3"
    path = folder / "slice.dcm"
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.Rows, data.Columns = SIDE
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.RescaleSlope, data.RescaleIntercept = 2, -1000
    data.PixelSpacing, data.ImagePositionPatient = [0.5, 0.5], [-10, -20, 30]
    data.ImageOrientationPatient, data.FrameOfReferenceUID = [1, 0, 0, 0, 1, 0], "1.2.4"
    data.WindowCenter, data.WindowWidth = ["40", "400"], ["80", "900"]
    data.PixelData = (_picture().astype(np.int16) * 7).tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


def _array(folder: Path) -> Path:
    path = folder / "array.npy"
    np.save(path, _picture())
    return path


def _volume(suffix: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        import nibabel

        path = folder / f"volume{suffix}"
        values = np.stack([_picture().astype(np.int16) * 5] * 3, axis=-1)
        nibabel.save(nibabel.Nifti1Image(values, np.diag([1.0, 2.0, 3.0, 1.0])), path)
        return path

    return make


def _record(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        import shutil

        from wdualmine_book.records import results_folder

        run = results_folder() / "reference" / "ct-mri-seed0"
        for path in run.iterdir():
            shutil.copy(path, folder)
        return folder / name

    return make


def _read_record(path: Path) -> object:
    from wdualmine.records import load_run
    from wdualmine_book.provenance import provenance_table

    run = load_run(path.parent)
    return run.metrics, run.log, provenance_table([run])


def _small_experiment() -> Any:
    from wdualmine.experiments import make_experiment

    return make_experiment("ct-mri", "smoke")


def _state() -> Any:
    import torch

    from wdualmine.training import initial_state

    return initial_state(_small_experiment(), torch.device("cpu"))


def _description() -> dict[str, Any]:
    return {
        "kind": "training",
        "experiment": _small_experiment().as_dict(),
        "data": {"name": "phantom", "fingerprint": "0" * 64},
    }


def _weights(folder: Path) -> Path:
    path = folder / "model.safetensors"
    _write_unsealed(path, _state().model.state_dict(), {"experiment": _small_experiment().as_dict()})
    return path


def _write_unsealed(path: Path, tensors: dict[str, Any], metadata: dict[str, Any]) -> None:
    """Write tensors as before they had a hash, which would be all that is read of a broken file."""
    from safetensors.torch import save

    plain = {name: tensor.contiguous() for name, tensor in tensors.items()}
    path.write_bytes(save(plain, {"wdualmine": json.dumps(metadata)}))


def _read_weights(path: Path) -> object:
    from wdualmine.methods import W_DUALMINE, load_network

    return load_network(W_DUALMINE, path)


def _checkpoint(folder: Path) -> Path:
    import torch

    from wdualmine.checkpoints import read_tensors
    from wdualmine.resuming import CHECKPOINT, write_checkpoint

    state = _state()
    for group in state.optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    state.optimizer.step()
    state.log = [{"epoch": 1, "total": 0.5, "residual": 0.1, "seconds": 1.0}]
    write_checkpoint(folder / CHECKPOINT, state, _description())
    tensors, metadata = read_tensors(folder / CHECKPOINT)
    known = {name: metadata[name] for name in ("kind", "experiment", "data", "log", "sessions")}
    _write_unsealed(folder / CHECKPOINT, tensors, known)
    return folder / CHECKPOINT


def _read_checkpoint(path: Path) -> object:
    from wdualmine.resuming import CHECKPOINT, claim, restore

    claim(path.parent, _description())
    return restore(path.with_name(CHECKPOINT), _state(), _small_experiment(), _description())


def _read_image(path: Path) -> object:
    from wdualmine.data.images import read_image

    image = read_image(path)
    assert image.ndim in (2, 3), image.shape
    assert image.dtype in (np.uint8, np.uint16, np.float32, np.float64), image.dtype
    return image


def _read_slice(path: Path) -> object:
    from wdualmine.data.scans import read_geometry

    return _read_image(path), read_geometry(path)


def _read_volume(path: Path) -> object:
    from wdualmine.data.volumes import read_volume

    return read_volume(path)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("png", _image(".png"), _read_image),
        Kind("png-color", _image(".png", color=True), _read_image),
        Kind("png-16-bit", _image(".png", deep=True), _read_image),
        Kind("png-mended", _image(".png"), _read_image, mend=mend_png),
        Kind("jpeg", _image(".jpg", color=True), _read_image),
        Kind("bmp", _image(".bmp"), _read_image),
        Kind("tiff", _image(".tif", deep=True), _read_image),
        Kind("dicom", _dicom, _read_slice),
        Kind("npy", _array, _read_image, text=True),
        Kind("nifti", _volume(".nii"), _read_volume),
        Kind("nifti-gz", _volume(".nii.gz"), _read_volume),
        Kind("metrics.csv", _record("metrics.csv"), _read_record, text=True),
        Kind("log.csv", _record("log.csv"), _read_record, text=True),
        Kind("run.json", _record("run.json"), _read_record, text=True),
        Kind("checkpoint", _checkpoint, _read_checkpoint, text=True),
        Kind("weights", _weights, _read_weights, text=True),
    )
}  # fmt: skip


def broken(content: bytes, number: int, text: bool, others: list[bytes]) -> bytes:
    """Break a file: one to four changes, drawn by the case's number."""
    rng = random.Random(number)
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        size = max(len(data), 1)
        # Headers stand at the beginning: half of the changes are made there.
        place = rng.randrange(size) if rng.random() < 0.5 else rng.randrange(min(size, 256))
        length = rng.choice((1, 2, 4, 16, 64, size // 3 + 1))
        change = rng.randrange(11 if text else 10)
        if change == 0:
            data[place : place + 1] = bytes([data[place] ^ (1 << rng.randrange(8))]) if data else b""
        elif change == 1:
            del data[place:]
        elif change == 2:
            del data[place : place + length]
        elif change == 3:
            data[place:place] = rng.randbytes(length)
        elif change == 4:
            data[place:place] = data[place : place + length] * rng.choice((1, 2, 50))
        elif change == 5:  # a size, a count or an offset
            value = rng.choice((0, 1, 0x7F, 0xFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1))
            width = rng.choice((2, 4, 8))
            order = rng.choice(("little", "big"))
            data[place : place + width] = (value % 256**width).to_bytes(width, order)
        elif change == 6:
            data[place : place + length] = bytes([rng.choice((0, 255))]) * length
        elif change == 7:
            other = rng.choice(others)
            data[place:] = other[rng.randrange(max(len(other), 1)) :]
        elif change == 8:
            first = bytes(data[:place])
            data = bytearray(bytes(data[place:]) + first)
        elif change == 9:
            data[place : place + length] = rng.randbytes(length)
        else:
            data[place : place + rng.choice((0, 1, 8))] = rng.choice(WORDS)
    return bytes(data)


class Fuzzer:
    """Valid files of every kind, and what becomes of broken ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.valid: dict[str, bytes] = {}
        self.places: dict[str, Path] = {}
        for name, kind in KINDS.items():
            place = folder / name
            place.mkdir(parents=True)
            self.places[name] = kind.make(place)
            self.valid[name] = self.places[name].read_bytes()

    def run(self, name: str, number: int) -> str:
        """Read a broken file of a kind: "answer" or "error", or what else came of it, in words."""
        from wdualmine.errors import WdualmineError

        kind, path = KINDS[name], self.places[name]
        others = [content for other, content in self.valid.items() if other != name]
        path.write_bytes(kind.mend(broken(self.valid[name], number, kind.text, others)))
        try:
            with _alarm(SECONDS):
                kind.read(path)
        except WdualmineError as error:
            message = str(error)
            return "error" if message and "\n" not in message else f"an error of several lines: {message!r}"
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return f"{type(error).__name__}: {str(error)[:200]}"
        return "answer"


@contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# ----------------------------------------------------------------------------------------------------
# Thousands of them


@dataclass
class Tally:
    """What came of the cases."""

    answers: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    peak: float = 0.0

    def add(self, name: str, number: int, outcome: str, seconds: float) -> None:
        """Count a case."""
        kept = {"answer": self.answers, "error": self.errors}.get(outcome)
        if kept is None:
            self.failures.append(f"{name} {number}: {outcome}")
        else:
            kept[name] = kept.get(name, 0) + 1
        self.slowest = max(self.slowest, (seconds, f"{name} {number}"))


def _work(cases: list[tuple[str, int]], connection: Any) -> None:
    """Run cases in a process of its own, whose memory is bounded, and tell of each before and after."""
    import torch

    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what libraries say of broken files
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        fuzzer = Fuzzer(Path(folder))
        for name in KINDS:  # imports what it needs
            KINDS[name].read(fuzzer.places[name])
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM * 2**20,) * 2)
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for case in cases:
            connection.send((case, None, 0.0, 0.0))
            started = time.perf_counter()
            outcome = fuzzer.run(*case)
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - own) / 1024
            connection.send((case, outcome, time.perf_counter() - started, grown))
    connection.close()


def fuzz(cases: list[tuple[str, int]], chunk: int = 500) -> Tally:
    """Run cases in processes that may crash or hang without taking the others along."""
    from wdualmine.progress import task_bar

    tally, context = Tally(), multiprocessing.get_context("spawn")
    with task_bar("fuzz", len(cases)) as advance:
        while cases:
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(cases[:chunk], sender))
            process.start()
            sender.close()
            done, current = 0, cases[0]
            try:
                while receiver.poll(SECONDS + 100):
                    current, outcome, seconds, grown = receiver.recv()
                    if outcome is not None:
                        tally.add(*current, outcome, seconds)
                        tally.peak = max(tally.peak, grown)
                        done += 1
                        advance()
            except EOFError:
                pass
            process.kill() if process.is_alive() and done < len(cases[:chunk]) else process.join()
            process.join()
            if done < len(cases[:chunk]):
                how = "hung" if process.exitcode == -signal.SIGKILL else f"died with {process.exitcode}"
                tally.add(*current, f"the process {how}", 0.0)
                done += 1
                advance()
            cases = cases[done:]
    return tally


# ----------------------------------------------------------------------------------------------------
# A training that is killed, and a disk that is full

TRAIN = (
    "import sys; from wdualmine.experiments import make_experiment; from wdualmine.training import train; "
    "train(make_experiment('ct-mri', 'smoke', epochs={epochs}), sys.argv[1], 'phantom', 'cpu', 1, False)"
)


def kill_training(folder: Path, kills: int, epochs: int, seed: int) -> str:
    """Kill a training so often, each time at a random moment, and go on; say how it differs from a whole one.

    Returns:
        "" if weights, scores and losses are the same to the bit.
    """
    rng = random.Random(seed)
    command = [sys.executable, "-c", TRAIN.format(epochs=epochs)]
    started = time.perf_counter()
    subprocess.run([*command, str(folder / "whole")], check=True, capture_output=True)
    whole = time.perf_counter() - started
    for number in range(kills):
        process = subprocess.Popen(
            [*command, str(folder / "killed")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            # Anywhere from the start of the program to more than an even share of the epochs.
            _, said = process.communicate(timeout=rng.uniform(0.3, 1.3) * whole * (0.5 + 1 / kills))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        else:
            if process.returncode:
                return f"after {number} kills it did not go on: {said.decode()[-300:]}"
    subprocess.run([*command, str(folder / "killed")], check=True, capture_output=True)
    for name in ("model.safetensors", "metrics.csv"):
        if (folder / "whole" / name).read_bytes() != (folder / "killed" / name).read_bytes():
            return f"{name} differs"
    return ""


def main() -> int:
    """Run what was asked for and print what came of it; 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000, help="broken files, over all kinds in turn")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--kind", choices=list(KINDS), help="of this kind only")
    parser.add_argument("--kills", type=int, default=20, help="of a training, at random moments")
    arguments = parser.parse_args()
    names = [arguments.kind] if arguments.kind else list(KINDS)
    numbers = range(arguments.first, arguments.first + arguments.cases)
    cases = [(names[number % len(names)], number) for number in numbers]
    failed = False
    if cases:
        tally = fuzz(cases)
        for name in names:
            counts = tally.answers.get(name, 0), tally.errors.get(name, 0)
            print(f"{name:14} {counts[0]:6} answers {counts[1]:6} clear errors")
        print(f"{len(cases)} cases, {len(tally.failures)} failures")
        print(f"slowest {tally.slowest[0]:.2f} s ({tally.slowest[1]}); memory grew by {tally.peak:.0f} MiB")
        for line in tally.failures[:50]:
            print(f"failure: {line}")
        failed = bool(tally.failures)
    if arguments.kills:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            told = kill_training(Path(folder), arguments.kills, 30, arguments.first)
        print(
            f"a training killed {arguments.kills} times: {told or 'the same to the bit as one that was not'}"
        )
        failed = failed or bool(told)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
