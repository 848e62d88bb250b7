"""Sphinx: signatures as a reader would write them.

A default that is no text of Python, such as a function without a name, prints as "...": autodoc could not
read the signature and would leave its own marks in the types. An array prints as NDArray.
"""

import re
from typing import Any

from sphinx.application import Sphinx

_DEFAULT = re.compile(r"= <(?:[^<>]|<[^<>]*>)*>")
_ARRAY = re.compile(r"~?numpy\.ndarray\[tuple\[~?typing\.Any, \.\.\.\], ~?numpy\.dtype\[~?([\w.]+)\]\]")


def plain(text: str | None) -> str | None:
    """Print defaults and arrays of a signature, or of what it returns, plainly."""
    if text is None:
        return None
    text = _DEFAULT.sub("= ...", text)
    return _ARRAY.sub(lambda m: "NDArray" if "Scalar" in m[1] else f"NDArray[~{m[1]}]", text)


def rewrite(
    app: Sphinx, what: str, name: str, thing: object, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Answer autodoc-process-signature."""
    return plain(signature), plain(returns)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("autodoc-process-signature", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
