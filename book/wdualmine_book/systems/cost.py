"""What fusing a pair costs with each method: size, operations, time and memory, side by side in one run."""

import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from wdualmine.errors import WdualmineError
from wdualmine.methods import CLASSICAL, LEARNED, fuse_with, get_method
from wdualmine.methods.learned import network_of, parameters
from wdualmine.progress import task_bar
from wdualmine.records import SCHEMA, Run, load_run, lock_folder, now, seal, write_csv, write_json
from wdualmine.runtime import code_state, environment, hardware, pick_device
from wdualmine_book.recorder import require_kind
from wdualmine_book.systems.published import PUBLISHED

KIND = "cost"
SIDE = 256
REPEATS = 5
#: Networks with two rules have one cost.
MEASURED = (*(name for name in LEARNED if name != "densefuse-l1"), *PUBLISHED, *CLASSICAL)


def run_cost(
    output: str | Path,
    methods: Sequence[str] | None = None,
    side: int = SIDE,
    repeats: int = REPEATS,
    device: str = "cpu",
    progress: bool = True,
) -> Run:
    """Measure what a pair costs and record it as a run of kind "cost" with the table ``cost.csv``.

    Each method is measured in a process of its own, so that its peak of memory is its own, one after the
    other and with one thread. Networks have random weights: their values cost nothing.

    Args:
        output: the run's folder; an older record there is replaced.
        methods: names, of the registry or of :data:`~wdualmine_book.systems.published.PUBLISHED`; None takes
            :data:`MEASURED`.
        side: of the square images, in pixels.
        repeats: timed calls, after one to warm up.
        device: see :func:`~wdualmine.runtime.pick_device`.
        progress: show a progress bar.

    Returns:
        The run. Columns of its table: method, parameters and gflop (multiplications and additions of
        convolutions and matrix products; empty for a method without a network), seconds (median time per
        pair), processor_seconds (the same, of the processor's time alone, which other programs do not
        lengthen) and peak_mib (of the whole process, or of the GPU).

    Raises:
        WdualmineError: an unknown method or device, a side or number below 1, or the folder holds a run of
            another kind.
    """
    if side < 1 or repeats < 1:
        raise WdualmineError(f"side {side}, repeats {repeats}: give numbers of at least 1")
    output, chosen, names = Path(output), pick_device(device), methods or MEASURED
    for name in names:
        if name not in PUBLISHED:
            get_method(name)
    with lock_folder(output):
        if (output / "run.json").is_file():
            require_kind(load_run(output), KIND)
        rows, started = [], time.perf_counter()
        with task_bar("cost", len(names), progress) as advance:
            for name in names:
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
                    rows.append(alone.submit(measure_cost, name, side, repeats, str(chosen)).result())
                advance()
        write_csv(output / "cost.csv", pd.DataFrame(rows))
        write_json(
            output / "run.json",
            {
                "schema": SCHEMA,
                "kind": KIND,
                "task": "all",
                "data": {"name": "random images", "fingerprint": f"{side} x {side}, seed 0"},
                "code": code_state(__name__),
                "environment": environment(),
                "hardware": hardware(chosen) | {"threads": 1},
                "side": side,
                "repeats": repeats,
                "device": str(chosen),
                "files": seal(output, ["cost.csv"]),
                "finished": now(),
                "evaluation_seconds": round(time.perf_counter() - started, 2),
            },
        )
        return load_run(output)


def measure_cost(name: str, side: int, repeats: int, device: str) -> dict[str, Any]:
    """Measure one method in this process; give a row of the table of :func:`run_cost`."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    a, b = torch.rand(2, 1, 1, side, side).to(device)
    row: dict[str, Any] = {"method": name}
    fuse = None if name in PUBLISHED else get_method(name).fuse
    if fuse is None:
        with torch.device("meta"):  # takes no memory, which is measured
            like = make_network(name)
        row |= {"parameters": parameters(like), "gflop": count_gflop(like, side)}
        network = make_network(name).to(device).eval().requires_grad_(False)
        fuse = fuse_with(network.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    with torch.inference_mode():
        row |= _time(lambda: fuse(a, b), repeats, device)
    if device.startswith("cuda"):
        peak = torch.cuda.max_memory_allocated() / 2**20
    else:  # kibibytes, but bytes on a Mac
        unit = 2**20 if sys.platform == "darwin" else 2**10
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return row | {"peak_mib": round(peak, 1)}


def make_network(name: str) -> nn.Module:
    """Make a network with random weights, of a method or of its published size."""
    return PUBLISHED[name]() if name in PUBLISHED else network_of(get_method(name))


def count_gflop(network: nn.Module, side: int) -> float:
    """Count the operations per pair of a network on the device "meta", which computes nothing.

    Fourier transforms are not among them.
    """
    multiple = int(network.multiple)  # type: ignore[arg-type]
    image = torch.zeros(1, 1, *(side + -side % multiple,) * 2, device="meta")
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network.eval().requires_grad_(False)(image, image)
    return counter.get_total_flops() / 1e9


def _time(call: Callable[[], object], repeats: int, device: str) -> dict[str, float]:
    """Give the medians of a call's time by the clock and of the processor's time."""
    times = []
    for _ in range(repeats + 1):  # the first warms up
        started = time.perf_counter(), time.process_time()
        call()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append((time.perf_counter() - started[0], time.process_time() - started[1]))
    clock, processor = zip(*times[1:], strict=True)
    return {"seconds": statistics.median(clock), "processor_seconds": statistics.median(processor)}
