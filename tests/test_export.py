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
from wdualmine.methods import load_model
from wdualmine.model import _sobel_by_convolution, sobel_magnitude

runtime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> "runtime.InferenceSession":
    pytest.importorskip("onnxscript")
    path = export_onnx("ct-mri", tmp_path_factory.mktemp("onnx") / "ct-mri.onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    return runtime.InferenceSession(path, options)


@pytest.mark.full
@pytest.mark.parametrize(("rows", "columns", "scale"), [(256, 256, 0.5), (16, 16, 1.0), (64, 208, 0.0)])
def test_the_file_gives_what_torch_gives(
    session: "runtime.InferenceSession", rows: int, columns: int, scale: float
) -> None:
    pair = load_pairs("ct-mri", limit=1, data=find_data("phantom"))[0]
    a, b = (luma_tensor(image)[..., -rows:, -columns:].contiguous() for image in (pair.image_a, pair.image_b))
    values = dict(zip(INPUTS, (a.numpy(), b.numpy(), np.array(scale, np.float32)), strict=True))
    fused, residual = session.run(list(OUTPUTS), values)
    expected = load_model("ct-mri")(a, b, scale)
    for given, wanted in ((fused, expected.fused), (residual, expected.residual)):
        apart = np.abs(given - wanted.numpy())
        assert (apart > TOLERANCES["onnx"].value).mean() < 1e-3
        assert apart.max() < TOLERANCES["onnx, ties"].value


@pytest.mark.full
def test_the_file_says_what_a_caller_has_to_know(session: "runtime.InferenceSession") -> None:
    model = load_model("ct-mri")
    assert session.get_modelmeta().custom_metadata_map == {
        "multiple": str(model.multiple),
        "residual_scale": str(model.config.residual_scale),
    }


def test_sobel_as_exported_is_sobel() -> None:
    x = torch.rand(2, 3, 7, 9)
    torch.testing.assert_close(_sobel_by_convolution(x), sobel_magnitude(x))


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(WdualmineError, match=r"net\.txt: name a file that ends in \.onnx"):
        export_onnx("ct-mri", tmp_path / "net.txt")
    with pytest.raises(WdualmineError, match="no such weights"):
        export_onnx("mri", tmp_path / "net.onnx")
