"""What methods are called in print."""

from wdualmine.methods import CLASSICAL, LEARNED, W_DUALMINE_RECOVERY
from wdualmine_book.audit.tables import RIVALS
from wdualmine_book.recovery.record import BOUND
from wdualmine_book.systems.record import SUFFIX
from wdualmine_book.systems.retrained import NETWORKS

_SCALED = f"{W_DUALMINE_RECOVERY.name}-"


def title(name: str) -> str:
    """Return what a method of a record is called in tables; a name that is not known stays as it is."""
    if name.endswith(SUFFIX):
        return f"{RIVALS[name.removesuffix(SUFFIX)]}, published images"
    if name.endswith("-widened"):
        return f"{title(name.removesuffix('-widened'))}, widened to the published GFLOP"
    known = CLASSICAL | LEARNED | NETWORKS
    if name in known:
        return known[name].title
    if name == BOUND:
        return "Best image of each pair"
    if name.startswith("blend-"):
        return f"Blend, {float(name.removeprefix('blend-')):.0%} maximum"
    if name.startswith(_SCALED):
        return f"{W_DUALMINE_RECOVERY.title}, λ = {name.removeprefix(_SCALED)}"
    return name
