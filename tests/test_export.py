"""Networks as ONNX files: the same numbers as torch's in another runtime, at any size and lambda."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tolerances import TOLERANCES

from wdualmine.data import find_data, load_pairs
from wdualmine.errors import WdualmineError
from wdualmine.export import INPUTS, OUTPUTS, export_onnx
from wdualmine.fusion import luma_tensor
from wdualmine.methods import get_method, load_fuse, load_network
from wdualmine.model import _sobel_by_convolution, sobel_magnitude

runtime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module", params=["w-dualmine", "light"])
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> "tuple[str, runtime.InferenceSession]":
    pytest.importorskip("onnxscript")
    path = export_onnx("ct-mri", tmp_path_factory.mktemp("onnx") / "network.onnx", request.param)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    return request.param, runtime.InferenceSession(path, options)


@pytest.mark.full
@pytest.mark.parametrize(("rows", "columns", "scale"), [(256, 256, 0.5), (16, 16, 1.0), (64, 208, 0.0)])
def test_the_file_gives_what_torch_gives(
    exported: "tuple[str, runtime.InferenceSession]", rows: int, columns: int, scale: float
) -> None:
    method, session = exported
    pair = load_pairs("ct-mri", limit=1, data=find_data("phantom"))[0]
    a, b = (luma_tensor(image)[..., -rows:, -columns:].contiguous() for image in (pair.image_a, pair.image_b))
    values = dict(zip(INPUTS, (a.numpy(), b.numpy(), np.array(scale, np.float32)), strict=True))
    fused, residual = session.run(list(OUTPUTS), values)
    network = load_network(get_method(method), "ct-mri")
    expected = load_fuse(method, "ct-mri", residual_scale=scale)(a, b), network(a, b).residual
    for given, wanted in zip((fused, residual), expected, strict=True):
        apart = np.abs(given - wanted.numpy())
        assert (apart > TOLERANCES["onnx"].value).mean() < (1e-3 if method == "w-dualmine" else 1e-9)
        assert apart.max() < TOLERANCES["onnx, ties"].value


@pytest.mark.full
def test_the_file_says_what_a_caller_has_to_know(
    exported: "tuple[str, runtime.InferenceSession]",
) -> None:
    method, session = exported
    network = load_network(get_method(method), "ct-mri")
    assert session.get_modelmeta().custom_metadata_map == {
        "multiple": str(network.multiple),
        "residual_scale": str(network.config.residual_scale),
    }


def test_sobel_as_exported_is_sobel() -> None:
    x = torch.rand(2, 3, 7, 9)
    torch.testing.assert_close(_sobel_by_convolution(x), sobel_magnitude(x))


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(WdualmineError, match=r"net\.txt: name a file that ends in \.onnx"):
        export_onnx("ct-mri", tmp_path / "net.txt")
    with pytest.raises(WdualmineError, match="no such weights"):
        export_onnx("mri", tmp_path / "net.onnx")
    with pytest.raises(
        WdualmineError, match="average: adds no residual to the average; export w-dualmine or light"
    ):
        export_onnx("ct-mri", tmp_path / "net.onnx", "average")
