"""Networks of others with their authors' own weights.

`wdualmine data fetch --networks` brings the files; here they are read, without their frameworks and without
running anything in them, and written once as safetensors into the cache.
"""

import os
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from wdualmine.checkpoints import write_tensors
from wdualmine.data.cache import cache_folder
from wdualmine.data.manifest import NETWORKS, file_sha256, is_intact, read_networks
from wdualmine.errors import WdualmineError, one_line
from wdualmine.methods.densefuse import DenseFuse, DenseFuseConfig
from wdualmine.methods.ifcnn import IFCNN, IFCNNConfig
from wdualmine.methods.method import Method
from wdualmine.methods.sdnet import SDNet, SDNetConfig
from wdualmine.methods.system import Network, System
from wdualmine.methods.u2fusion import U2Fusion, U2FusionConfig

#: Environment variable that names a folder with the authors' files, ``<system>/<file>``.
NETWORKS_VARIABLE = "WDUALMINE_NETWORKS"
LARGEST = 2**26  # bytes of a file that is read


def read_torch(network: Network, path: Path) -> None:
    """Fill a network from a state dictionary that torch saved; nothing in it is run."""
    try:
        with warnings.catch_warnings(action="ignore"):
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a dozen kinds, some of which advise to trust the file
        raise ValueError("torch reads no tensors in it") from error
    for name, layer in network.authors_layers().items():
        state = {
            key: tensors.pop(f"{name}.{key}") for key in layer.state_dict() if key != "num_batches_tracked"
        }
        layer.load_state_dict(state, strict=False)
    if tensors:
        raise ValueError(f"{next(iter(tensors))}: is of no layer")


def read_tensorflow(network: Network, path: Path) -> None:
    """Fill a network from the data file of a TensorFlow checkpoint.

    It holds the float32 numbers of all layers by name, of each the bias before the kernel (H, W, in, out).
    """
    numbers = np.fromfile(path, "<f4")
    layers = [layer for _, layer in sorted(network.authors_layers().items()) if isinstance(layer, nn.Conv2d)]
    if path.stat().st_size != 4 * (count := sum(p.numel() for layer in layers for p in layer.parameters())):
        raise ValueError(f"{path.stat().st_size} bytes where {4 * count} are due")
    for layer in layers:
        assert layer.bias is not None
        outputs, inputs, *sides = layer.weight.shape
        bias, kernel, numbers = np.split(numbers, np.cumsum([outputs, layer.weight.numel()]))
        layer.bias.data = torch.from_numpy(bias.copy())
        kernel = kernel.reshape(*sides, inputs, outputs).transpose(3, 2, 0, 1)
        layer.weight.data = torch.from_numpy(kernel.copy())


def convert(system: System, path: Path) -> Path:
    """Write an authors' file of weights as safetensors into the cache, unless it was done before.

    Raises:
        WdualmineError: the file is not one of this network, or the cache cannot be written.
    """
    digest = file_sha256(path)
    if (converted := _place(system.name, digest)).is_file():
        return converted
    network = system.network(system.config())
    assert isinstance(network, Network)
    assert system.read is not None
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path.stat().st_size} bytes")
        system.read(network, path)
    except Exception as error:  # such as a missing or another layer
        what = f"no weights of {system.name} as its authors published them ({one_line(error)})"
        remedy = "run `wdualmine data fetch --networks`, or give another file"
        raise WdualmineError(f"{path}: {what}; {remedy}") from error
    listed = read_networks()[system.name]
    origin = f"{listed.repository} at {listed.commit[:7]}" if digest == listed.sha256 else ""
    experiment = {"method": system.name, "model": network.config.as_dict()}
    write_tensors(converted, network.state_dict(), {"experiment": experiment, "authors": origin})
    return converted


def find_weights(system: System) -> Path | None:
    """Return the converted weights of a network's authors; None where they were not fetched.

    Raises:
        WdualmineError: the file is not the one of the manifest.
    """
    listed = read_networks()[system.name]
    if (converted := _place(system.name, listed.sha256)).is_file():
        return converted
    path = Path(os.environ.get(NETWORKS_VARIABLE) or cache_folder() / NETWORKS).expanduser() / listed.path
    if not path.is_file():
        return None
    if not is_intact(path, listed):
        raise WdualmineError(
            f"{path}: is not the file of the manifest (altered, or cut short); run `wdualmine data fetch "
            f"--networks`, or set {NETWORKS_VARIABLE} to a folder with it"
        )
    return convert(system, path)


def _place(name: str, digest: str) -> Path:
    return cache_folder() / NETWORKS / "converted" / f"{name}-{digest[:16]}.safetensors"


def _method(system: System, title: str, source: str, name: str = "", **settings: str) -> Method:
    return Method(
        name or system.name, title, source, system=system, weights=lambda _: find_weights(system),
        settings=settings, bytes_a_pixel=60,
    )  # fmt: skip


DENSEFUSE = System("densefuse", DenseFuse, DenseFuseConfig, read=read_torch)
_IFCNN = System("ifcnn", IFCNN, IFCNNConfig, read=read_torch)
_U2FUSION = System("u2fusion", U2Fusion, U2FusionConfig, read=read_tensorflow)
_SDNET = System("sdnet", SDNet, SDNetConfig, read=read_tensorflow)
_SOURCE = "Li and Wu 2019, doi:10.1109/TIP.2018.2887342"
AUTHORS = (
    _method(DENSEFUSE, "DenseFuse", _SOURCE),
    _method(DENSEFUSE, "DenseFuse, l1-norm", _SOURCE, "densefuse-l1", rule="l1-norm"),
    _method(_IFCNN, "IFCNN", "Zhang et al. 2020, doi:10.1016/j.inffus.2019.07.011"),
    _method(_U2FUSION, "U2Fusion", "Xu et al. 2022, doi:10.1109/TPAMI.2020.3012548"),
    _method(_SDNET, "SDNet", "Zhang and Ma 2021, doi:10.1007/s11263-021-01501-8"),
)
