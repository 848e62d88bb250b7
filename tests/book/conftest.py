"""The built book, for all tests of its code and its pages."""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import WIDTHS, watch

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def built_book(once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The book as `make book PRESET=smoke` builds it, on the phantom, in a copy of the repository.

    WDUALMINE_BOOK names the folder of another one, built before, such as on the real pairs.
    """
    if given := os.environ.get("WDUALMINE_BOOK"):
        return Path(given)
    ignored = shutil.ignore_patterns(
        *(".venv", ".git", ".snakemake", "build", "_build", "_generated", "runs", "node_modules"),
        *("__pycache__", ".*_cache"),
    )

    def make(clone: Path) -> None:
        shutil.copytree(ROOT, clone, ignore=ignored, dirs_exist_ok=True)
        snakemake = str(Path(sys.executable).with_name("snakemake"))
        environment = {name: value for name, value in os.environ.items() if name != "WDUALMINE_DATA"}
        result = subprocess.run(
            [snakemake, "--cores", "2", "--quiet", "rules", "--config", "preset=smoke"],
            cwd=clone,
            env=environment | {"PYTHONPATH": os.pathsep.join((str(clone), str(clone / "book")))},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-8000:]

    return once("clone", make) / "book" / "_build" / "html"


@pytest.fixture(scope="module")
def site(built_book: Path) -> Iterator[str]:
    """Serve the pages on this machine and give their address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(built_book))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(params=WIDTHS)
def screen(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def address(screen: str, site: str, built_book: Path) -> str:
    """The desktop opens the pages from a server, the phone from disk."""
    return site if screen == "desktop" else built_book.absolute().as_uri()


@pytest.fixture
def tab(screen: str, browser: Any) -> Iterator[Any]:
    """A page that reaches no other host; it may log nothing, fail at nothing and not scroll sideways."""
    tab = browser.new_page()
    tab.set_viewport_size({"width": WIDTHS[screen], "height": 844})
    seen = watch(tab)
    yield tab
    width = tab.evaluate("document.documentElement.scrollWidth")
    tab.close()
    assert seen == []
    assert width <= WIDTHS[screen]
