"""What a volume costs with the light network in three dimensions.

``python -m wdualmine_book.scans.volume_cost FOLDER``
"""

import statistics
import sys
import time
from pathlib import Path

import pandas as pd
import torch

from wdualmine.data import find_data
from wdualmine.data.tasks import ALL
from wdualmine.methods import fuse_with
from wdualmine.methods.learned import network_of, parameters
from wdualmine.methods.registry import LIGHT_3D
from wdualmine.model import in_fastest_layout
from wdualmine.records import Run, describe_run, load_run, now, seal, write_csv, write_json
from wdualmine.runtime import pick_device
from wdualmine.training import numerics

KIND = "volume-cost"
#: Slices, rows and columns of the volume.
SIDES = (90, 256, 256)
REPEATS = 3
THREADS = (1, 2)


def run_volume_cost(output: Path, sides: tuple[int, int, int] = SIDES) -> Run:
    """Time the fusion of a volume of noise by threads, and record the medians in ``cost.csv``.

    Seconds are those of the clock and of the processor; on a machine that is busy otherwise only the second
    mean much.
    """
    network = in_fastest_layout(network_of(LIGHT_3D)).eval().requires_grad_(False)
    fuse, rows, started = fuse_with(network), [], time.perf_counter()
    a, b = torch.rand(2, 1, 1, *sides, generator=torch.Generator().manual_seed(0))
    for threads in THREADS:
        times = []
        with numerics(threads), torch.inference_mode():
            for _ in range(REPEATS + 1):  # the first warms up
                before = time.perf_counter(), time.process_time()
                fuse(a, b)
                times.append((time.perf_counter() - before[0], time.process_time() - before[1]))
        clock, processor = (statistics.median(own) for own in zip(*times[1:], strict=True))
        rows.append({"threads": threads, "seconds": clock, "processor_seconds": processor})
    table = pd.DataFrame(rows).round(2).assign(slices=sides[0], rows=sides[1], columns=sides[2])
    write_csv(output / "cost.csv", table.assign(parameters=parameters(network)))
    description = describe_run(KIND, find_data("phantom"), ALL, pick_device("cpu"), __name__)
    written = {"files": seal(output, ["cost.csv"]), "finished": now()}
    seconds = {"evaluation_seconds": round(time.perf_counter() - started, 2)}
    write_json(output / "run.json", description | written | seconds)
    return load_run(output)


if __name__ == "__main__":
    from wdualmine_book.scans import volume_cost  # by its name: the record has a hash of its sources

    volume_cost.run_volume_cost(Path(sys.argv[1]))
