"""The table of methods."""

from dataclasses import dataclass

from wdualmine.errors import WdualmineError
from wdualmine.fusion import Fuse
from wdualmine.methods import classical
from wdualmine.methods.dwt import dwt_maximum
from wdualmine.methods.guided_filter import guided_filter_fusion
from wdualmine.methods.pca import pca_average


@dataclass(frozen=True)
class Method:
    """A way to fuse.

    Attributes:
        name: how it is called in records and on the command line.
        title: how it is called in tables.
        source: the publication, or what it is.
        fuse: lumas to luma; None where weights have to be loaded first.
        objective: of a network, what its weights were trained for (:func:`~wdualmine.methods.load_model`).
    """

    name: str
    title: str
    source: str
    fuse: Fuse | None = None
    objective: str = "paper"

    @property
    def learned(self) -> bool:
        """Whether the method needs weights."""
        return self.fuse is None


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
        ),
    )
}
W_DUALMINE = Method("w-dualmine", "W-DUALMINE", "the paper, arXiv:2601.08920")
W_DUALMINE_RECOVERY = Method(
    "w-dualmine-recovery",
    "W-DUALMINE, recovery",
    "the paper's network with this book's objective",
    objective="recovery",
)
LEARNED = {method.name: method for method in (W_DUALMINE, W_DUALMINE_RECOVERY)}


def get_method(name: str) -> Method:
    """Look a method up.

    Raises:
        WdualmineError: no method has that name.
    """
    methods = CLASSICAL | LEARNED
    if name not in methods:
        raise WdualmineError(f"unknown method {name!r}; choose one of {', '.join(methods)}")
    return methods[name]
