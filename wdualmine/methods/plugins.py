"""Methods that other packages and scripts add.

A package adds a method by an entry point, whose name is the method's and whose object is a
:class:`~wdualmine.methods.method.Method` or a function ``fuse(a, b)`` of two lumas (N, 1, H, W) in [0, 1]::

    [project.entry-points."wdualmine.methods"]
    mine = "my_package:fuse"

``module:function`` names a function without any installation. Nothing of this is imported before it is used.
"""

import sys
from functools import wraps
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from wdualmine.errors import WdualmineError, one_line
from wdualmine.fusion import Fuse
from wdualmine.methods.method import Method

GROUP = "wdualmine.methods"
_registered: dict[str, Method] = {}


def register(*methods: Method) -> None:
    """Add methods for this process, as an entry point does for all."""
    _registered.update({method.name: method for method in methods})


def plugin_names() -> list[str]:
    """Return the names of the methods that others add; none of them is imported for that."""
    return list(dict.fromkeys([*_registered, *(entry.name for entry in entry_points(group=GROUP))]))


def load_plugin(name: str) -> Method | None:
    """Return the method that a package adds under a name; None where none does.

    Raises:
        WdualmineError: the package cannot be imported, or what it adds is no method.
    """
    if name not in _registered:
        entry = next(iter(entry_points(group=GROUP, name=name)), None)
        if entry is None:
            return None
        where = f"method {name}: {entry.value} of the package {_package(entry)}"
        try:
            found = entry.load()
        except Exception as error:
            text = f"{where} cannot be loaded ({_said(error)}); install that package again, or uninstall it"
            raise WdualmineError(text) from error
        register(_as_method(name, found, _package(entry), where))
    return _registered[name]


def load_function(name: str) -> Method:
    """Return ``module:function`` or ``path/to/file.py:function`` as a method; the current folder is searched.

    Raises:
        WdualmineError: there is no such file, module or function, or it cannot be imported.
    """
    place, _, attribute = name.rpartition(":")
    try:
        module = _run_file(Path(place)) if place.endswith(".py") else _import(place)
    except Exception as error:
        what = f"{place} cannot be imported ({_said(error)})"
        raise WdualmineError(f"method {name}: {what}; give module:function or file.py:function") from error
    if not hasattr(module, attribute):
        others = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        hint = f"it has {', '.join(others)}" if others else "it has no function at all"
        raise WdualmineError(f"method {name}: {place} has no {attribute!r}; {hint}")
    return _as_method(name, getattr(module, attribute), place, f"method {name}: {attribute}")


def _run_file(path: Path) -> ModuleType:
    path = path.resolve()
    if not path.is_file():
        raise FileNotFoundError("no such file")
    stem = f"wdualmine method {path}"  # collides with no module
    if stem not in sys.modules:
        spec = spec_from_file_location(stem, path)
        if spec is None or spec.loader is None:
            raise ImportError("no Python file")
        _see(path.parent)
        module = sys.modules[stem] = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[stem]
            raise
    return sys.modules[stem]


def _import(module: str) -> ModuleType:
    _see(Path.cwd())  # as `python -m` does
    return import_module(module)


def _see(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _as_method(name: str, found: Any, source: str, where: str) -> Method:
    if isinstance(found, Method):
        return found
    if not callable(found):
        kind = type(found).__name__
        raise WdualmineError(f"{where} is of type {kind}; it must be a function fuse(a, b) or a Method")
    return Method(name, name, source, _in_one_sentence(name, found))


def _in_one_sentence(name: str, fuse: Fuse) -> Fuse:
    @wraps(fuse)
    def guarded(*images: Any) -> Any:
        try:
            return fuse(*images)
        except WdualmineError:
            raise
        except Exception as error:
            raise WdualmineError(f"method {name}: failed ({_said(error)})") from error

    return guarded


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "that adds it"


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {one_line(error)}"
