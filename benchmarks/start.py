"""How long ``wdualmine fuse`` of one pair takes beside importing torch, as times of the processor.

``python benchmarks/start.py`` prints a line per method: seconds and the ratio, which is to be at most 1.3,
a network's own computing included.
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from wdualmine.data.images import write_image

REPEATS = 5


def seconds(*command: object) -> float:
    """Processor time of a command, the least of several."""
    times = []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(list(map(str, command)), check=True, capture_output=True, env={"OMP_NUM_THREADS": "1"})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def main() -> None:
    """Measure and print."""
    torch = seconds(sys.executable, "-c", "import torch")
    print(f"{'import torch':<20} {torch:6.2f} s")
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        a, b = (write_image(Path(name, f"{x}.png"), rng.integers(0, 256, (256, 256), np.uint8)) for x in "ab")
        for method in ("average", "laplacian-pyramid", "light", "w-dualmine"):
            fuse = seconds(
                sys.executable, "-m", "wdualmine", "fuse", a, b, "-o", Path(name, "f.png"), "--method", method
            )
            print(f"{method:<20} {fuse:6.2f} s   {fuse / torch:6.2f} times importing torch")


if __name__ == "__main__":
    main()
