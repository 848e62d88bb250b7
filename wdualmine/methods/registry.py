"""The table of methods."""

from pathlib import Path

from wdualmine.errors import WdualmineError
from wdualmine.losses import LossWeights, Objective
from wdualmine.methods import classical, light
from wdualmine.methods.authors import AUTHORS
from wdualmine.methods.dwt import dwt_maximum
from wdualmine.methods.guided_filter import guided_filter_fusion
from wdualmine.methods.method import Method
from wdualmine.methods.pca import pca_average
from wdualmine.methods.plugins import load_function, load_plugin, plugin_names
from wdualmine.methods.system import System
from wdualmine.model import ModelConfig, WDualMine

WEIGHTS = Path(__file__).parents[1] / "weights"

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
#: The paper's own network.
W_DUALMINE_SYSTEM = System(
    "w-dualmine",
    WDualMine,
    ModelConfig,
    lambda config, weights: Objective(config.widths[-1], weights, dimensions=config.dimensions),
    LossWeights,
)
W_DUALMINE = Method(
    "w-dualmine",
    "W-DUALMINE",
    "the paper, arXiv:2601.08920",
    system=W_DUALMINE_SYSTEM,
    weights=lambda task: WEIGHTS / f"{task}.safetensors",
    bytes_a_pixel=60,
)
LIGHT = Method(
    "light",
    "Light network",
    "this book: a small network that keeps what an observer detects",
    system=light.SYSTEM,
    weights=lambda _: WEIGHTS / "light.safetensors",
    bytes_a_pixel=60,
)
LIGHT_3D = Method(
    "light-3d",
    "Light network, 3-D",
    "this book: the light network in three dimensions, of volumes",
    system=light.VOLUME_SYSTEM,
    weights=lambda _: WEIGHTS / "light-3d.safetensors",
)
#: Systems whose authors published fused images, and no weights.
IMAGES_ONLY = ("adafuse", "asfe-fusion")
LEARNED = {method.name: method for method in (W_DUALMINE, LIGHT, *AUTHORS)}
#: Methods that fuse volumes as a whole, and no images.
VOLUMETRIC = {LIGHT_3D.name: LIGHT_3D}


def list_methods() -> list[str]:
    """Return the names of all ways to fuse; ``wdualmine methods`` says what each is."""
    return list(dict.fromkeys([*LEARNED, *CLASSICAL, *plugin_names()]))


def get_method(name: str) -> Method:
    """Look a method up: of this package, of another one that adds it, or ``module:function``.

    Raises:
        WdualmineError: no method has that name, or it cannot be imported.
    """
    if not isinstance(name, str):
        raise WdualmineError(f"method {name!r}: give a name, such as {W_DUALMINE.name}")
    known = LEARNED | CLASSICAL | VOLUMETRIC
    if name in known:
        return known[name]
    if ":" in name:
        return load_function(name)
    if method := load_plugin(name):
        return method
    if name in IMAGES_ONLY:
        ours = [known for known in list_methods() if known.startswith(f"{name}-")]
        what = f"{' or '.join(ours)}, which was trained here," if ours else "one of `wdualmine methods`"
        raise WdualmineError(f"{name}: its authors published fused images, but no weights; choose {what}")
    raise WdualmineError(
        f"unknown method {name!r}; choose one of {', '.join(list_methods())}, or give module:function"
    )


def get_system(name: str) -> System:
    """Look up what a network is made of and trained for, by the name of its system.

    Raises:
        WdualmineError: no method has that name, or it is not trained, or under another name.
    """
    if ":" in name:  # which a record may name, and to read a record runs nothing
        raise WdualmineError(f"{name}: is a function and not trained; choose a name of `wdualmine methods`")
    system = get_method(name).system
    if system is None:
        raise WdualmineError(f"{name}: has nothing to learn; choose {W_DUALMINE.name} or another network")
    if name != system.name:
        raise WdualmineError(f"{name}: has the network of {system.name}; train that and fuse with {name}")
    return system
