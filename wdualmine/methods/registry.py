"""The table of methods."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse
from wdualmine.losses import LossWeights, Objective
from wdualmine.methods import adafuse, asfe_fusion, classical, densefuse, ifcnn, sdnet, u2fusion
from wdualmine.methods.dwt import dwt_maximum
from wdualmine.methods.guided_filter import guided_filter_fusion
from wdualmine.methods.pca import pca_average
from wdualmine.methods.system import System
from wdualmine.model import ModelConfig, WDualMine

#: Bytes that a network takes, at most, for an image that it fuses as a whole, or for a piece of a larger one.
NETWORK = 2**30
#: Bytes a pixel of a network that looks at the whole of a large image at once.
AT_ONCE = 1200


@dataclass(frozen=True)
class Method:
    """A way to fuse.

    Attributes:
        name: how it is called in records and on the command line.
        title: how it is called in tables.
        source: the publication, or what it is.
        fuse: lumas to luma; None where weights have to be loaded first.
        objective: of a network, what its weights were trained for (:func:`~wdualmine.methods.load_model`).
        system: of a network, what it is made of and trained for.
        settings: of a network, fields of its configuration that this method changes.
        bytes_a_pixel: of memory, at most, that fusing takes, as benchmarks/fusion.py measures it.
    """

    name: str
    title: str
    source: str
    fuse: Fuse | None = None
    objective: str = "paper"
    system: System | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    bytes_a_pixel: int = 130

    @property
    def learned(self) -> bool:
        """Whether the method needs weights."""
        return self.fuse is None

    def memory(self, pixels: int) -> int:
        """Compute how many bytes of memory fusing so many pixels takes, about."""
        return max(NETWORK if self.learned else 0, self.bytes_a_pixel * pixels)


CLASSICAL = {
    method.name: method
    for method in (
        Method("average", "Average", "pixelwise (A + B) / 2", classical.average),
        Method("maximum", "Maximum", "pixelwise max(A, B)", classical.maximum),
        Method(
            "standardized-sum",
            "Standardized sum",
            "reaches the closed-form limit of the mean correlation",
            classical.standardized_sum,
        ),
        Method(
            "laplacian-pyramid",
            "Laplacian pyramid",
            "Burt and Adelson 1983, doi:10.1109/TCOM.1983.1095851",
            classical.laplacian_pyramid,
        ),
        Method(
            "detail-average",
            "Average plus details",
            "this book: the average plus each source's compressed details",
            classical.detail_average,
        ),
        Method(
            "wavelet-maximum",
            "Haar wavelet, maximum",
            "Li et al. 1995, doi:10.1006/gmip.1995.1022",
            classical.wavelet_maximum,
        ),
        Method("pca", "PCA weights", "Naidu and Raol 2008, doi:10.14429/dsj.58.1653", pca_average),
        Method("dwt", "DWT, maximum", "Li et al. 1995, doi:10.1006/gmip.1995.1022", dwt_maximum),
        Method(
            "guided-filter",
            "Guided filter",
            "Li et al. 2013, doi:10.1109/TIP.2013.2244222",
            guided_filter_fusion,
            bytes_a_pixel=240,
        ),
    )
}
#: The paper's own network; what it is trained for besides Section 4 is an objective of its own.
W_DUALMINE_SYSTEM = System(
    "w-dualmine",
    WDualMine,
    ModelConfig,
    lambda config, weights: Objective(config.widths[-1], weights),
    LossWeights,
)
W_DUALMINE = Method(
    "w-dualmine", "W-DUALMINE", "the paper, arXiv:2601.08920", system=W_DUALMINE_SYSTEM, bytes_a_pixel=60
)
W_DUALMINE_RECOVERY = Method(
    "w-dualmine-recovery",
    "W-DUALMINE, recovery",
    "the paper's network with this book's objective",
    objective="recovery",
    system=W_DUALMINE_SYSTEM,
    bytes_a_pixel=60,
)


def _learned(
    system: System, title: str, source: str, name: str = "", bytes_a_pixel: int = 60, **settings: Any
) -> Method:
    return Method(name or system.name, title, source, None, system.name, system, settings, bytes_a_pixel)


#: The systems that the paper names, and what each of them reads in tables.
SYSTEMS = (
    _learned(densefuse.SYSTEM, "DenseFuse", "Li and Wu 2019, doi:10.1109/TIP.2018.2887342"),
    _learned(
        densefuse.SYSTEM,
        "DenseFuse, l1-norm",
        "Li and Wu 2019, doi:10.1109/TIP.2018.2887342",
        "densefuse-l1",
        rule="l1-norm",
    ),
    _learned(ifcnn.SYSTEM, "IFCNN", "Zhang et al. 2020, doi:10.1016/j.inffus.2019.07.011"),
    _learned(u2fusion.SYSTEM, "U2Fusion", "Xu et al. 2022, doi:10.1109/TPAMI.2020.3012548"),
    _learned(sdnet.SYSTEM, "SDNet", "Zhang and Ma 2021, doi:10.1007/s11263-021-01501-8"),
    _learned(adafuse.SYSTEM, "AdaFuse", "Gu et al. 2023, arXiv:2310.05462", bytes_a_pixel=AT_ONCE),
    _learned(
        asfe_fusion.SYSTEM,
        "ASFE-Fusion",
        "Gu et al. 2024, doi:10.1016/j.bspc.2024.106478",
        bytes_a_pixel=AT_ONCE,
    ),
)
LEARNED = {method.name: method for method in (W_DUALMINE, W_DUALMINE_RECOVERY, *SYSTEMS)}


def get_system(name: str) -> System:
    """Look up what a network is made of, by the name of its system.

    Raises:
        WdualmineError: no learned system has that name.
    """
    systems = {method.system.name: method.system for method in LEARNED.values() if method.system}
    if name == W_DUALMINE_RECOVERY.name:
        raise WdualmineError(
            f"{name}: is {W_DUALMINE.name} with another objective; train that with --variant recovery, "
            "best with --preset cycle"
        )
    if name in LEARNED and name not in systems and (shared := LEARNED[name].system):
        raise WdualmineError(f"{name}: has the network of {shared.name}; train that and fuse with {name}")
    if name not in systems:
        raise WdualmineError(f"unknown learned method {name!r}; choose one of {', '.join(systems)}")
    return systems[name]


def get_method(name: str) -> Method:
    """Look a method up.

    Raises:
        WdualmineError: no method has that name.
    """
    methods = CLASSICAL | LEARNED
    if name not in methods:
        raise WdualmineError(f"unknown method {name!r}; choose one of {', '.join(methods)}")
    return methods[name]
