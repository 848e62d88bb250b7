# Set-up: does nothing where wdualmine is installed; on Colab and Kaggle it installs the package and leaves
# torch and numpy alone. notebooks/stamp.py copies it into every notebook from notebooks/setup_cell.py.
import importlib.util
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

repository = "{repository}"
spec = importlib.util.find_spec("wdualmine")
if spec is None or spec.origin is None:  # without an origin it is just a folder of that name
    if not {"COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"} & set(os.environ):
        raise ModuleNotFoundError(
            f"wdualmine is not installed in this kernel. Clone {repository}, run `make setup` there "
            "and choose its .venv/bin/python as the kernel."
        )
    # --no-deps: the platform's torch fits its drivers, and numpy its torch; neither may be replaced.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--retries", "1"]
    attached = Path(os.environ.get("WDUALMINE_KAGGLE_INPUT", "/kaggle/input"))
    wheels = [*sorted(attached.rglob("wdualmine-*.whl")), *sorted(Path().glob("wdualmine-*.whl"))]
    wanted = ["--no-index", str(wheels[-1])] if wheels else [f"git+{repository}"]
    if subprocess.run([*pip, *wanted], check=False).returncode:
        raise RuntimeError(
            f"{wanted[-1]} could not be installed. Turn the Internet on, or attach a dataset (Kaggle) or "
            "upload a file (Colab) wdualmine-*.whl; `make wheel` makes one, and each release has one."
        )
    importlib.invalidate_caches()
    present = {re.sub(r"[-_.]+", "-", d.metadata["Name"] or "").lower() for d in metadata.distributions()}
    extra = re.compile(r"; extra == ['\"](\w+)")
    for requirement in metadata.requires("wdualmine") or []:
        if (found := extra.search(requirement)) and found[1] not in ("data", "figures"):
            continue
        requirement = requirement.partition(";")[0]
        name = re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()
        if name in present or name in ("torch", "numpy"):
            continue
        beside = ["--find-links", str(wheels[-1].parent)] if wheels else []
        if subprocess.run([*pip, *beside, requirement], check=False).returncode:
            print(f"{name} is missing and could not be installed: what needs it will say so.")
    importlib.invalidate_caches()

    from wdualmine.preflight import report

    print(report())
