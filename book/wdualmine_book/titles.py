"""What methods are called in print."""

from wdualmine.methods import CLASSICAL, LEARNED, LIGHT
from wdualmine_book.audit.tables import RIVALS
from wdualmine_book.recovery.baselines import BASELINES
from wdualmine_book.recovery.record import RETIRED, SUFFIX
from wdualmine_book.systems.retrained import NETWORKS

_NAMES = {
    **{name: method.title for name, method in (CLASSICAL | LEARNED | NETWORKS).items()},
    **RIVALS,
    **{f"{name}{SUFFIX}": f"{own}, published images" for name, own in RIVALS.items()},
    RETIRED: "W-DUALMINE for contrast (retired)",
    "first-source": "First scan alone",
    "second-source": "MRI alone",
}


def title(name: str) -> str:
    """Return what a method of a record is called in tables; a name that is not known stays as it is."""
    if name in _NAMES:
        return _NAMES[name]
    kind, _, rest = name.rpartition("-")
    if kind == "blend":
        return f"Blend, {float(rest):.0%} maximum"
    if kind == "windowed-average":
        return f"Average in a window, gain {rest}"
    if kind == f"{LIGHT.name}-seed":
        return f"{LIGHT.title}, seed {rest}"
    if kind == LIGHT.name:
        return f"{LIGHT.title}, λ = {rest}"
    if name in BASELINES and name.startswith("detail-normalized"):
        around, gain, level = name.removeprefix("detail-normalized-").split("-")
        return f"Normalized details (σ {around}, gain {gain}, level {level})"
    if name in BASELINES:
        sigma, gain, limit = name.removeprefix("detail-average-").split("-")
        return f"Average plus details (σ {sigma}, gain {gain}, limit {limit})"
    return name
