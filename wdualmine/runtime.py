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
    """Choose where to compute.

    Args:
        name: "auto" (a GPU that really runs, else the CPU), "cpu", "cuda", "cuda:1", "mps".

    Raises:
        WdualmineError: the named device does not run; "auto" falls back to the CPU instead.
    """
    candidates = ["cuda", "mps", "cpu"] if name == "auto" else [name]
    for candidate in candidates:
        try:
            device = torch.device(candidate)
            # is_available() says yes even to a GPU whose kernels this build of torch lacks: compute.
            torch.nn.functional.conv2d(
                torch.ones(1, 1, 4, 4, device=device), torch.ones(1, 1, 3, 3, device=device)
            ).sum().item()
            return device
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            if name != "auto":
                raise WdualmineError(
                    f"device {name}: does not run here ({one_line(error)}); try auto or cpu"
                ) from error
    raise WdualmineError("no device runs torch here; reinstall torch")


def available_memory(device: torch.device) -> int | None:
    """Return how many bytes of memory are free on a device, None where that is not known.

    On the CPU what the system says, or what the container's limit (control groups 2) leaves, if that is less.
    """
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
    """Open so many processes of one thread each, which an error or Ctrl-C ends at once.

    Fewer than two do the work in this process. More threads would only wait for each other: images are small.

    Yields:
        A function like :func:`map`, whose results come in the order of the items. It raises a WdualmineError
        where a process was killed.
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
                raise WdualmineError(
                    "a process that did part of the work was killed, perhaps for lack of memory; run it "
                    "again with more memory or fewer cores"
                ) from error


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
    described: dict[str, Any] = {
        "device": str(device),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
    if device.type == "cuda":
        described["gpu"] = torch.cuda.get_device_name(device)
    return described


def environment() -> dict[str, str]:
    """Return the versions of Python, the system and the packages that a number can depend on."""
    versions = {"python": platform.python_version(), "system": platform.platform(terse=True)}
    for package in VERSIONS_RECORDED:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "absent"
    return versions


def code_state(module: str = "wdualmine.training") -> dict[str, Any]:
    """Identify the code: package version, hash of its sources, and the git commit where there is one."""
    source = source_hash(module)
    state: dict[str, Any] = {"version": __version__, "source": source, "commit": None, "dirty": None}
    if not (PACKAGE.parent / ".git").exists():  # installed, perhaps inside somebody else's repository
        state["commit"] = _installed_commit()
        return state
    try:
        state["commit"] = _git("rev-parse", "HEAD")
        state["dirty"] = bool(_git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        pass  # no git, or no commit yet
    return state


def _installed_commit() -> str | None:
    """Return the commit that pip noted when it installed the package from a repository (PEP 610)."""
    try:
        origin = json.loads(metadata.distribution("wdualmine").read_text("direct_url.json") or "{}")
        return origin.get("vcs_info", {}).get("commit_id")
    except (metadata.PackageNotFoundError, ValueError):
        return None


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(PACKAGE.parent), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
