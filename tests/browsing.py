"""Opening pages in headless Chromium, cut off from any other host."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

WIDTHS = {"desktop": 1280, "phone": 390}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-webgpu",  # computed in software, for what the pages do with a graphics card
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def open_browser() -> Iterator[Any]:
    """A headless Chromium with a fresh profile that reaches no host but this machine."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser test")
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if executable is None:
        pytest.skip("no Chromium here to open the pages in; `apt-get install chromium` gets one")
    with tempfile.TemporaryDirectory() as profile, sync_api.sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=executable, headless=True, args=list(FLAGS)
        )
        yield context
        context.close()


#: What a page is like once it is drawn. Where alternative text is missing, Sphinx puts the image's address.
INSPECT = """async () => {
  if (window.MathJax?.startup) await MathJax.startup.promise;
  const all = selector => [...document.querySelectorAll(selector)];
  return {
    width: document.documentElement.scrollWidth,
    height: document.documentElement.scrollHeight,
    imagesCut: all("article img").filter(i => i.getBoundingClientRect().right > innerWidth).map(i => i.alt),
    imagesBroken: all("img").filter(i => !i.complete || !i.naturalWidth).map(i => i.src),
    imagesWithoutText: all("img").filter(i => !/\\w/.test(i.alt) || /\\.\\w+$/.test(i.alt)).map(i => i.src),
    mathNotDrawn: all(".math").filter(m => !m.querySelector("mjx-container")).map(m => m.textContent),
    mathErrors: all("mjx-merror").map(m => m.textContent),
    math: all("mjx-container").length,
    title: document.querySelector("h1")?.textContent,
    problems: all(".problematic, .system-message, .output.traceback, .output.stderr").map(e => e.textContent),
  };
}"""


def watch(tab: Any) -> list[str]:
    """Let a page reach no other host, and collect what it logs and what fails in it."""
    seen: list[str] = []

    def only_here(route: Any) -> None:
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            seen.append(f"request to another host: {route.request.url}")
            route.abort()

    tab.route(re.compile("^https?:"), only_here)
    tab.on("console", lambda m: seen.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: seen.append(f"script error: {error}"))
    tab.on("requestfailed", lambda request: seen.append(f"failed: {request.url}"))
    tab.on("response", lambda r: seen.append(f"status {r.status}: {r.url}") if r.status >= 400 else None)
    return seen
