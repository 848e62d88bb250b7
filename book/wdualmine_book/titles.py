"""What methods are called in print."""

from wdualmine.methods import CLASSICAL, LEARNED, LIGHT
from wdualmine.recovery.baselines import BASELINES
from wdualmine_book.audit.tables import RIVALS
from wdualmine_book.recovery.record import RETIRED, SUFFIX
from wdualmine_book.systems.retrained import NETWORKS

_OTHERS = {
    RETIRED: "W-DUALMINE for contrast (retired)",
    "first-source": "First scan alone",
    "second-source": "MRI alone",
}


def title(name: str) -> str:
    """Return what a method of a record is called in tables; a name that is not known stays as it is."""
    if name.endswith(SUFFIX):
        return f"{RIVALS[name.removesuffix(SUFFIX)]}, published images"
    known = CLASSICAL | LEARNED | NETWORKS
    if name in known:
        return known[name].title
    if name in _OTHERS:
        return _OTHERS[name]
    kind, _, rest = name.rpartition("-")
    if kind == "blend":
        return f"Blend, {float(rest):.0%} maximum"
    if kind == "windowed-average":
        return f"Average in a window, gain {rest}"
    if kind == LIGHT.name:
        return f"{LIGHT.title}, λ = {rest}"
    if name in BASELINES:
        sigma, gain, limit = name.removeprefix("detail-average-").split("-")
        return f"Average plus details (σ {sigma}, gain {gain}, limit {limit})"
    return name
