"""The systems that the paper names, trained here: methods that this package adds to the library's.

Installed, they are found by their entry points; imported from a clone, this module registers them. What is
trained until its validation loss no longer falls puts its weights into ``weights/<name>/<task>.safetensors``.
"""

from pathlib import Path
from typing import Any

from wdualmine.methods import LIGHT, W_DUALMINE, Method, System, register
from wdualmine.methods.authors import AUTHORS
from wdualmine_book.systems import adafuse, asfe_fusion, densefuse, ifcnn, sdnet, u2fusion

WEIGHTS = Path(__file__).parent / "weights"
RETRAINED = "-retrained"
#: Bytes a pixel of a network that looks at the whole of a large image at once.
AT_ONCE = 1200


def _retrained(
    system: System, title: str, source: str, name: str = "", bytes_a_pixel: int = 60, **settings: Any
) -> Method:
    return Method(
        name or system.name,
        f"{title} (retrained)",
        source,
        system=system,
        weights=lambda task: WEIGHTS / system.name / f"{task}.safetensors",
        settings=settings,
        bytes_a_pixel=bytes_a_pixel,
    )


DENSEFUSE = _retrained(densefuse.SYSTEM, "DenseFuse", "Li and Wu 2019, doi:10.1109/TIP.2018.2887342")
DENSEFUSE_L1 = _retrained(
    densefuse.SYSTEM,
    "DenseFuse, l1-norm",
    "Li and Wu 2019, doi:10.1109/TIP.2018.2887342",
    "densefuse-l1-retrained",
    rule="l1-norm",
)
IFCNN = _retrained(ifcnn.SYSTEM, "IFCNN", "Zhang et al. 2020, doi:10.1016/j.inffus.2019.07.011")
U2FUSION = _retrained(u2fusion.SYSTEM, "U2Fusion", "Xu et al. 2022, doi:10.1109/TPAMI.2020.3012548")
SDNET = _retrained(sdnet.SYSTEM, "SDNet", "Zhang and Ma 2021, doi:10.1007/s11263-021-01501-8")
ADAFUSE = _retrained(adafuse.SYSTEM, "AdaFuse", "Gu et al. 2023, arXiv:2310.05462", bytes_a_pixel=AT_ONCE)
ASFE_FUSION = _retrained(
    asfe_fusion.SYSTEM, "ASFE-Fusion", "Gu et al. 2024, doi:10.1016/j.bspc.2024.106478", bytes_a_pixel=AT_ONCE
)
SYSTEMS = (DENSEFUSE, DENSEFUSE_L1, IFCNN, U2FUSION, SDNET, ADAFUSE, ASFE_FUSION)
register(*SYSTEMS)

#: All networks of the book, in its order.
NETWORKS = {method.name: method for method in (W_DUALMINE, LIGHT, *AUTHORS, *SYSTEMS)}


def trained_networks(task: str) -> list[Method]:
    """Return W-DUALMINE, the light network and the authors' networks whose weights for a task are here."""
    return [
        method
        for method in (W_DUALMINE, LIGHT, *AUTHORS)
        if (path := method.weights(task)) is not None and path.is_file()
    ]
