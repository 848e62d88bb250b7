"""Virtual environments that lack some of what is installed here."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path


def bare_environment(folder: Path, without: tuple[str, ...]) -> Path:
    """A virtual environment with links to all that is installed here but some packages; gives its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    linked = folder / "linked"
    linked.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if path.suffix != ".pth" and not re.sub(r"[-_.]+", "-", path.name).lower().strip("-").startswith(
            without
        ):
            (linked / path.name).symlink_to(path)
    site = next((folder / "lib").glob("python*/site-packages"))
    (site / "linked.pth").write_text(f"{linked}\n")
    return folder / "bin" / "python"
