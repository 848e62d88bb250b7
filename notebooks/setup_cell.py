# Set-up: does nothing where wdualmine is installed. Else it takes the clone around this notebook or a wheel
# beside it, and leaves torch and numpy alone. notebooks/stamp.py copies it from notebooks/setup_cell.py.
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

repository = "{repository}"  # empty while the project has no address: nothing is installed from one then
spec = importlib.util.find_spec("wdualmine")
if spec is None or spec.origin is None:  # without an origin it is just a folder of that name
    hosted = bool({"COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"} & set(os.environ))
    attached = Path(os.environ.get("WDUALMINE_KAGGLE_INPUT", "/kaggle/input"))
    clone = next((f for f in (Path.cwd(), *Path.cwd().parents) if (f / "wdualmine/model.py").is_file()), None)
    wheels = [*sorted(attached.rglob("wdualmine-*.whl")), *sorted(Path().glob("wdualmine-*.whl"))]
    # --no-deps: the platform's torch fits its drivers, and numpy its torch; neither may be replaced.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--retries", "1"]
    if clone:
        print(f"wdualmine: from the clone {clone}")
        sys.path[:0] = [str(clone), str(clone / "book")]
        project = tomllib.loads((clone / "pyproject.toml").read_text())["project"]
        extras = project["optional-dependencies"]
        requirements = [*project["dependencies"], *extras["data"], *extras["figures"]]
    elif wheels or (hosted and repository):
        pages = [f for wheel in wheels[-1:] for f in sorted(wheel.parent.glob("wdualmine_book-*.whl"))]
        wanted = ["--no-index", *map(str, [*pages[-1:], *wheels[-1:]])]
        if not wheels:
            wanted = [f"wdualmine-book @ git+{repository}#subdirectory=book", f"git+{repository}"]
        print(f"wdualmine: from {wanted[-1]}")
        if subprocess.run([*pip, *wanted], check=False).returncode:
            remedy = (
                "make the wheel again (`make wheel`)" if wheels else "turn the Internet on or attach a wheel"
            )
            raise RuntimeError(f"{wanted[-1]} could not be installed, pip says why; {remedy}.")
        kept = re.compile(r"[^;]*$|[^;]*; extra == ['\"](data|figures)['\"]$")
        requirements = [r.partition(";")[0] for r in metadata.requires("wdualmine") or [] if kept.match(r)]
    else:
        raise ModuleNotFoundError(
            "wdualmine is not installed in this kernel; there is no clone around this notebook, no wheel "
            "beside it. In a clone, run `make setup` and choose its .venv/bin/python as the kernel; on Colab "
            "or Kaggle, upload or attach the two files wdualmine*.whl that `make wheel` makes."
        )
    importlib.invalidate_caches()
    present = {re.sub(r"[-_.]+", "-", d.metadata["Name"] or "").lower() for d in metadata.distributions()}
    for requirement in requirements:
        name = re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()
        if name in present or name in ("torch", "numpy"):
            continue
        beside = ["--find-links", str(wheels[-1].parent)] if wheels else []
        if not hosted or subprocess.run([*pip, *beside, requirement], check=False).returncode:
            print(f"{name} is missing and was not installed: what needs it will say so.")
    importlib.invalidate_caches()

    from wdualmine_book.preflight import report

    print(report())
