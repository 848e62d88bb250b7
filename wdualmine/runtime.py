"""Where a program runs: device, threads, versions, hardware and the commit of the code."""

import json
import os
import platform
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import metadata
from multiprocessing import TimeoutError, active_children, get_context, parent_process
from multiprocessing.pool import Pool
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from wdualmine import __version__
from wdualmine.errors import WdualmineError, one_line
from wdualmine.sources import source_hash

PACKAGE = Path(__file__).parent
VERSIONS_RECORDED = ("torch", "numpy", "scipy", "scikit-image", "pandas", "pillow", "safetensors")
CONTROL_GROUP = Path("/sys/fs/cgroup")


def pick_device(name: str = "auto") -> torch.device:
    """Choose where to compute: "auto" (a GPU that really runs, else the CPU), "cpu", "cuda", "cuda:1", "mps".

    Raises:
        WdualmineError: the named device does not run.
    """
    candidates = ["cuda", "mps", "cpu"] if name == "auto" else [name]
    for candidate in candidates:
        try:
            device = torch.device(candidate)
            # is_available() says yes even to a GPU whose kernels this build of torch lacks: compute.
            image = torch.ones(1, 1, 4, 4, device=device)
            torch.nn.functional.conv2d(image, image).sum().item()
            return device
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            if name != "auto":
                text = f"device {name}: does not run here ({one_line(error)}); try auto or cpu"
                raise WdualmineError(text) from error
    raise WdualmineError("no device runs torch here; reinstall torch")


def available_memory(device: torch.device) -> int | None:
    """Return how many bytes are free on a device, within the container's limit; None where it is unknown."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = []
    with suppress(OSError, ValueError):
        system = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free.append(int(system["MemAvailable"].split()[0]) * 1024)
    with suppress(OSError, ValueError):
        used = dict(line.split() for line in (CONTROL_GROUP / "memory.stat").read_text().splitlines())
        limit, current = (int((CONTROL_GROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        free.append(limit - current + int(used["file"]))  # cached files make room
    return min(free, default=None)


def usable_cores() -> int:
    """Number of the processor's cores that this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def processes(count: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """Open so many processes of one thread each, which an error or Ctrl-C ends at once; below two, none.

    Yields:
        A function like :func:`map`; it raises a WdualmineError where a process was killed.
    """
    if count < 2:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield map
        finally:
            torch.set_num_threads(threads)
        return
    before = set(active_children())
    # Started deaf to Ctrl-C, which this process hears and passes on: their traces would help nobody.
    is_main = threading.current_thread() is threading.main_thread()
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN) if is_main else None
    try:
        pool = get_context("spawn").Pool(count, _start_process)
    finally:
        if heard is not None:
            signal.signal(signal.SIGINT, heard)
    with pool:
        yield partial(_results, pool, set(active_children()) - before)


def _results(
    pool: Pool, started: Iterable[BaseProcess], function: Callable, items: Iterable
) -> Iterator[Any]:
    results = pool.imap(function, items)
    while True:
        try:
            yield results.next(timeout=1)
        except StopIteration:
            return
        except TimeoutError as error:
            if not all(process.is_alive() for process in started):  # its result would never come
                what = "a process that did part of the work was killed, perhaps for lack of memory"
                raise WdualmineError(f"{what}; run it again with more memory or fewer cores") from error


def _start_process() -> None:
    """Use one thread, and end when the process that started this one is killed."""
    torch.set_num_threads(1)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)


def hardware(device: torch.device) -> dict[str, Any]:
    """Describe the processor, its threads as torch uses them, and the GPU if there is one."""
    gpu = {"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}
    threads = torch.get_num_threads()
    return {
        "device": str(device),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        **gpu,
    }


def environment() -> dict[str, str]:
    """Return the versions of Python, the system and the packages that a number can depend on."""
    versions = dict.fromkeys(VERSIONS_RECORDED, "absent")
    for package in versions:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {"python": platform.python_version(), "system": platform.platform(terse=True), **versions}


def code_state(module: str = "wdualmine.training") -> dict[str, Any]:
    """Identify the code: package version, hash of its sources, and the git commit where there is one."""
    source = source_hash(module)
    state: dict[str, Any] = {"version": __version__, "source": source, "commit": None, "dirty": None}
    if (PACKAGE.parent / ".git").exists():
        with suppress(OSError, subprocess.CalledProcessError):  # no git, or no commit yet
            state["commit"] = _git("rev-parse", "HEAD")
            state["dirty"] = bool(_git("status", "--porcelain", "--untracked-files=no"))
    else:  # installed, perhaps inside somebody else's repository; pip notes a commit (PEP 610)
        with suppress(metadata.PackageNotFoundError, ValueError):
            origin = json.loads(metadata.distribution("wdualmine").read_text("direct_url.json") or "{}")
            state["commit"] = origin.get("vcs_info", {}).get("commit_id")
    return state


def _git(*arguments: str) -> str:
    return subprocess.check_output(
        ["git", "-C", str(PACKAGE.parent), *arguments], stderr=subprocess.DEVNULL, text=True
    ).strip()


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
