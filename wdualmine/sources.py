"""Which of our source files a piece of code consists of: the rule behind every hash of code."""

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

#: Packages whose files count as ours.
OURS = ("wdualmine", "wdualmine_book")


@cache
def source_hash(module: str = "wdualmine.training") -> str:
    """Compute the SHA-256 over a module and all modules of ours that it imports, directly or not.

    Args:
        module: dotted name of what computes a record, or several with commas; that of trainings unless told.

    Raises:
        ValueError: none of them is ours, as ``__main__`` is not.
    """
    sources = sources_of(f"import {module}")
    if not sources:
        raise ValueError(f"{module}: none of our modules, so there is nothing to hash")
    digest = hashlib.sha256()
    for name, path in sorted(sources.items()):
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def sources_of(code: str) -> dict[str, Path]:
    """Return the files of our modules, by dotted name, that Python code imports, directly or not.

    Imports inside of functions count; those that only a type checker follows do not.
    """
    found: dict[str, Path] = {}
    waiting = [code]
    while waiting:
        for name in _imported(ast.parse(waiting.pop())):
            if name not in found and (path := path_of(name)):
                found[name] = path
                waiting.append(path.read_text(encoding="utf-8"))
    return found


@cache
def path_of(module: str) -> Path | None:
    """Return the file of a module of ours; None if there is no such module."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top) if top in OURS else None
    if spec is None or spec.origin is None:
        return None
    base = Path(spec.origin).parent.joinpath(*rest)
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _imported(node: ast.AST) -> Iterator[str]:
    """Names that may be modules: of ``from a import b`` both a and a.b."""
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        return
    if isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from _imported(child)
