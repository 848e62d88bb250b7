"""Using the page *Try it* as a reader does."""

import base64
import re
from pathlib import Path
from typing import Any

import numpy as np

from wdualmine.data.images import read_image

PATIENCE = 60_000  # milliseconds


def open_page(tab: Any, address: str) -> None:
    tab.goto(f"{address}/try.html")
    wait(tab)


def wait(tab: Any) -> None:
    """Until the page has computed what was asked of it."""
    tab.wait_for_selector("#fusion-page[data-scored=yes]:not([aria-busy])", timeout=PATIENCE)


def drop(tab: Any, *paths: Path) -> None:
    """Drop files onto the page as a reader would."""
    files = [{"name": path.name, "data": base64.b64encode(path.read_bytes()).decode()} for path in paths]
    tab.evaluate(
        """files => {
          const transfer = new DataTransfer();
          for (const {name, data} of files) {
            transfer.items.add(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], name));
          }
          const page = document.getElementById("fusion-page");
          page.dataset.scored = "";
          page.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, cancelable: true}));
        }""",
        files,
    )


def choose(tab: Any, label: str, value: str) -> None:
    tab.evaluate("document.getElementById('fusion-page').dataset.scored = ''")
    tab.get_by_label(label, exact=True).select_option(value)
    wait(tab)


def move(tab: Any, label: str, value: float) -> None:
    slider = tab.get_by_label(re.compile(label))
    slider.evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", str(value)
    )
    tab.wait_for_function("document.getElementById('fusion-page').dataset.scored === ''")
    wait(tab)


def saved(tab: Any, button: str, path: Path) -> np.ndarray:
    with tab.expect_download() as download:
        tab.get_by_role("button", name=button).click()
    download.value.save_as(path)
    return read_image(path)
