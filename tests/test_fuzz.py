"""Some hundreds of broken files, a killed training, and a disk that is full; `make fuzz` runs more."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fuzz import KINDS, Fuzzer, broken, kill_training, mend_png

from wdualmine.data import find_data
from wdualmine.data.images import read_image, write_image

#: Cases of each kind.
CASES = 18


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Fuzzer:
    pytest.importorskip("pydicom", reason="pydicom writes the DICOM slice")
    return Fuzzer(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.filterwarnings("ignore")  # of the libraries that read
@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_file_ends_in_an_answer_or_in_one_clear_error(fuzzer: Fuzzer, kind: str) -> None:
    outcomes = {number: fuzzer.run(kind, number) for number in range(CASES)}
    assert {n: o for n, o in outcomes.items() if o not in ("answer", "error")} == {}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_broken_is_read(fuzzer: Fuzzer, kind: str) -> None:
    fuzzer.places[kind].write_bytes(fuzzer.valid[kind])
    KINDS[kind].read(fuzzer.places[kind])


def test_a_case_is_the_same_file_again(fuzzer: Fuzzer) -> None:
    others = [b"other"]
    files = [broken(fuzzer.valid["png"], number, False, others) for number in range(200)]
    assert files == [broken(fuzzer.valid["png"], number, False, others) for number in range(200)]
    assert len(set(files)) > 150
    assert mend_png(fuzzer.valid["png"]) == fuzzer.valid["png"]


@pytest.mark.full
def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    assert kill_training(tmp_path, kills=2, epochs=3, seed=1) == ""


FULL = """
import resource, sys
from wdualmine.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
for line in sys.argv[1:]:
    sys.argv = ["wdualmine", *line.split()]
    try:
        main()
    except SystemExit as leaving:
        print(line.split()[0], leaving.code)
"""


@pytest.mark.full
def test_a_full_disk_is_one_clear_line_and_leaves_nothing_half(tmp_path: Path) -> None:
    """A file may grow to 2000 bytes, which ends in the same kind of error as a disk that is full."""
    source = find_data("phantom").root / "CT-MRI" / "test"
    for name in ("CT", "MRI"):
        for path in sorted((source / name).glob("*.png"))[:3]:
            image = read_image(path)
            noise = np.arange(256).astype(np.uint8) % 9  # so that no file is smaller than the limit
            write_image(tmp_path / name / path.name, image // 2 + (image > 0) * noise)
    lines = [
        f"fuse {tmp_path}/CT {tmp_path}/MRI -o {tmp_path}/fused --method average",
        f"train ct-mri --preset smoke --data phantom -o {tmp_path}/run",
        f"report {tmp_path}/CT {tmp_path}/MRI {tmp_path}/CT -o {tmp_path}/report --metrics CC",
    ]
    done = subprocess.run([sys.executable, "-c", FULL, *lines], capture_output=True, text=True, check=False)
    codes = [line for line in done.stdout.splitlines() if line.split()[0] in ("fuse", "train", "report")]
    assert codes == ["fuse 2", "train 2", "report 2"], done.stdout + done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 3
    assert all("File too large" in error for error in errors), errors
    assert "Traceback" not in done.stderr
    left = [path for folder in ("fused", "run", "report") for path in (tmp_path / folder).rglob("*")]
    assert [path.name for path in left if path.is_file() and path.name != ".lock"] in ([], ["started.json"])
