"""Files that are written whole or not at all: permissions, long names, a full disk."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wdualmine.data.images import read_image, write_image
from wdualmine.files import write_bytes

IMAGE = np.arange(64, dtype=np.uint8).reshape(8, 8)
FULL = """
import resource, sys
import numpy as np
from wdualmine.data.images import write_image
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_image(sys.argv[1], np.random.default_rng(0).integers(0, 256, (60, 60)).astype(np.uint8))
"""


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        for path in (write_image(tmp_path / "a.png", IMAGE), tmp_path / "a.bin"):
            write_bytes(tmp_path / "a.bin", b"x")
            assert stat.S_IMODE(path.stat().st_mode) == mode
    finally:
        os.umask(before)


def test_the_longest_names_can_be_written(tmp_path: Path) -> None:
    for suffix in (".png", ".tif"):
        path = write_image(tmp_path / f"{'x' * (255 - len(suffix))}{suffix}", IMAGE)
        assert np.array_equal(read_image(path), IMAGE)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(os.name != "posix", reason="limits are POSIX's")
@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_a_disk_that_is_full_is_one_clear_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"fused{suffix}"
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True)
    assert "Exception ignored" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        f"wdualmine.errors.WdualmineError: {path}: cannot be written"
    )
    assert not list(tmp_path.iterdir())
