"""Section 3, equation by equation."""

import numpy as np
import pytest
import pywt
import torch
from scipy import ndimage
from torch import nn

from wdualmine.errors import WdualmineError
from wdualmine.experiments import VARIANTS, make_experiment
from wdualmine.model import (
    EPSILON,
    DualExpertFusion,
    EfficientChannelAttention,
    Encoder,
    ModelConfig,
    Reliability,
    ResidualBlock,
    SoftGradientMixer,
    SpatialExpert,
    WaveletExpert,
    WDualMine,
    sobel_magnitude,
)

TINY = ModelConfig(widths=(4, 6, 8, 8))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(3)


def features(channels: int = 4, height: int = 8, width: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(2, channels, height, width), torch.randn(2, channels, height, width)


def test_residual_block_is_two_convolutions_and_a_shortcut() -> None:
    block, x = ResidualBlock(3, 5, stride=2), torch.randn(2, 3, 8, 8)
    strided = nn.functional.conv2d(x, block.shortcut.weight, block.shortcut.bias, stride=2)
    expected = torch.relu(block.conv2(torch.relu(block.conv1(x))) + strided)
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize(("channels", "size"), [(4, 1), (16, 3), (64, 3), (128, 5)])
def test_eca_kernel_grows_with_the_channels(channels: int, size: int) -> None:
    # ECA-Net: the odd number nearest above |log2(C)/2 + 1/2|, truncated.
    assert EfficientChannelAttention(channels).conv.kernel_size == (size,)


def test_eca_scales_whole_channels_by_a_number_in_0_1() -> None:
    x = torch.rand(2, 8, 5, 5) + 0.1
    ratio = EfficientChannelAttention(8)(x) / x
    torch.testing.assert_close(ratio, ratio[..., :1, :1].expand_as(ratio))
    assert ((ratio > 0) & (ratio < 1)).all()


def test_encoder_halves_after_the_first_stage() -> None:
    shapes = [tuple(f.shape) for f in Encoder((4, 6, 8, 10))(torch.rand(2, 1, 32, 48))]
    assert shapes == [(2, 4, 32, 48), (2, 6, 16, 24), (2, 8, 8, 12), (2, 10, 4, 6)]


def test_encoder_shares_its_weights_between_modalities() -> None:
    model, image = WDualMine(TINY), torch.rand(1, 1, 32, 32)
    fusion = model(image, image)
    for f1, f2 in zip(fusion.features1, fusion.features2, strict=True):
        assert torch.equal(f1, f2)


def test_reliability_is_softplus_and_its_gate_convex() -> None:
    module = Reliability(4)
    f1, f2 = features()
    reliability, weight = module(f1, f2)
    scores = module.score(torch.relu(module.head(torch.cat((f1, f2), 1))))
    torch.testing.assert_close(reliability, torch.log1p(scores.exp()))  # Eq. 2
    expected = reliability[:, :1] / (reliability[:, :1] + reliability[:, 1:] + EPSILON)  # Eq. 3
    torch.testing.assert_close(weight, expected)
    assert (reliability >= 0).all()
    assert ((weight >= 0) & (weight <= 1)).all()
    assert EPSILON == 1e-6


def test_gate_stays_finite_where_nothing_is_reliable() -> None:
    module = Reliability(4)
    nn.init.constant_(module.score.bias, -1e4)
    reliability, weight = module(*features())
    assert (reliability == 0).all()
    assert (weight == 0).all()


def test_spatial_expert_joins_a_local_and_a_dilated_branch_of_the_weighted_base() -> None:
    expert = SpatialExpert(4)
    f1, f2 = features()
    w1 = torch.rand(2, 1, 8, 12)
    base = w1 * f1 + (1 - w1) * f2
    local = nn.functional.conv2d(base, expert.local_branch.weight, expert.local_branch.bias, padding=1)
    wide = nn.functional.conv2d(
        base, expert.global_branch.weight, expert.global_branch.bias, padding=2, dilation=2
    )
    expected = nn.functional.conv2d(torch.cat((local, wide), 1), expert.merge.weight, expert.merge.bias)
    torch.testing.assert_close(expert(f1, f2, w1), expected)


def test_wavelet_expert_equals_a_literal_one_built_on_pywavelets() -> None:
    f1, f2 = (x.double() for x in features(channels=2))
    w1 = torch.rand(2, 1, 8, 12, dtype=torch.float64)
    result = WaveletExpert()(f1, f2, w1)
    for n in range(2):
        weight = w1[n, 0].numpy().reshape(4, 2, 6, 2).mean(axis=(1, 3))
        for c in range(2):
            low1, details1 = pywt.dwt2(f1[n, c].numpy(), "haar")
            low2, details2 = pywt.dwt2(f2[n, c].numpy(), "haar")
            low = weight * low1 + (1 - weight) * low2
            details = tuple(
                np.where(np.abs(d1) > np.abs(d2), d1, d2) for d1, d2 in zip(details1, details2, strict=True)
            )
            expected = pywt.idwt2((low, details), "haar")
            torch.testing.assert_close(result[n, c], torch.tensor(expected))


def test_sobel_magnitude_equals_scipy() -> None:
    x = torch.rand(1, 2, 9, 7, dtype=torch.float64)
    for channel in range(2):
        image = x[0, channel].numpy()
        expected = sum(np.abs(ndimage.sobel(image, axis, mode="nearest")) for axis in (0, 1)) / 8
        torch.testing.assert_close(sobel_magnitude(x)[0, channel], torch.tensor(expected))


def test_sobel_of_a_ramp_is_its_slope() -> None:
    ramp = torch.arange(6.0).expand(1, 1, 5, 6)
    assert torch.equal(sobel_magnitude(ramp)[0, 0, 1:-1, 1:-1], torch.ones(3, 4))


def test_mixer_is_a_convex_combination_by_softmax() -> None:
    mixer = SoftGradientMixer(4)
    spatial, wavelet = features()
    fused, alpha = mixer(spatial, wavelet)
    evidence = torch.cat((spatial + sobel_magnitude(spatial), wavelet + sobel_magnitude(wavelet)), 1)
    scores = mixer.coefficients(evidence).exp()
    torch.testing.assert_close(alpha, scores / scores.sum(1, keepdim=True))  # Eq. 9
    torch.testing.assert_close(fused, alpha[:, :1] * spatial + alpha[:, 1:] * wavelet)  # Eq. 10
    torch.testing.assert_close(alpha.sum(1), torch.ones_like(alpha[:, 0]))


@pytest.mark.parametrize("scale", [0.0, 0.25, 0.5])
def test_output_is_the_average_plus_the_scaled_residual(scale: float) -> None:
    model = WDualMine(TINY)
    a, b = torch.rand(2, 1, 32, 32), torch.rand(2, 1, 32, 32)
    fusion = model(a, b, residual_scale=scale)
    residual = torch.tanh(model.decoder([stage.fused for stage in fusion.stages]))
    torch.testing.assert_close(fusion.fused, ((a + b) / 2 + scale * residual).clamp(0, 1))  # Eq. 11
    if scale == 0:
        assert torch.equal(fusion.fused, (a + b) / 2)


def test_residual_scale_defaults_to_the_papers_half() -> None:
    model = WDualMine(TINY)
    a, b = torch.rand(1, 1, 16, 16), torch.rand(1, 1, 16, 16)
    assert torch.equal(model(a, b).fused, model(a, b, residual_scale=0.5).fused)


def test_a_pair_does_not_depend_on_its_batch() -> None:
    model = WDualMine(TINY).eval()
    a, b = torch.rand(3, 1, 32, 32), torch.rand(3, 1, 32, 32)
    alone = torch.cat([model(a[k : k + 1], b[k : k + 1]).fused for k in range(3)])
    torch.testing.assert_close(model(a, b).fused, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_of_every_variant_learns(variant: str) -> None:
    config = make_experiment("ct-mri", "smoke", variant).model
    model = WDualMine(config)
    fusion = model(torch.rand(2, 1, 32, 32), torch.rand(2, 1, 32, 32))
    fusion.fused.mean().backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not idle


@pytest.mark.parametrize(
    ("variant", "absent"),
    [
        ("no-spatial-expert", "spatial"),
        ("no-wavelet-expert", "wavelet"),
        ("average-mixer", "mixing"),
    ],
)
def test_ablations_of_table_4_remove_what_they_say(variant: str, absent: str) -> None:
    stage = DualExpertFusion(4, make_experiment("ct-mri", "smoke", variant).model)(*features())
    assert getattr(stage, absent) is None
    assert stage.fused.shape == (2, 4, 8, 12)
    if variant == "average-mixer":
        torch.testing.assert_close(stage.fused, (stage.spatial + stage.wavelet) / 2)


def test_gradients_agree_with_finite_differences() -> None:
    model = WDualMine(ModelConfig(widths=(2, 3))).double()
    a = torch.rand(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    b = torch.rand(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    # In the middle of the range, away from the clip's edges.
    assert torch.autograd.gradcheck(lambda x, y: model(0.25 + x / 2, 0.25 + y / 2).fused, (a, b), atol=1e-4)


def test_default_widths_and_size() -> None:
    model = WDualMine()
    assert model.config.widths == (16, 32, 64, 128)
    assert sum(p.numel() for p in model.parameters()) < 1.3e6


@pytest.mark.parametrize(
    ("shape_a", "shape_b", "message"),
    [
        ((1, 1, 32, 32), (1, 1, 32, 16), "one shape"),
        ((1, 3, 32, 32), (1, 3, 32, 32), "one shape"),
        ((1, 1, 20, 32), (1, 1, 20, 32), "divisible by 16"),
        ((1, 1, 0, 16), (1, 1, 0, 16), "divisible by 16"),
    ],
)
def test_wrong_shapes_are_named(shape_a: tuple, shape_b: tuple, message: str) -> None:
    with pytest.raises(WdualmineError, match=message):
        WDualMine(TINY)(torch.zeros(shape_a), torch.zeros(shape_b))


def test_wrong_configurations_are_named() -> None:
    with pytest.raises(WdualmineError, match="keep at least one expert"):
        ModelConfig(spatial_expert=False, wavelet_expert=False)
    with pytest.raises(WdualmineError, match="widths"):
        ModelConfig(widths=())


@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (2, 3, 5, 7)])
def test_gradient_of_the_sobel_magnitude_is_right_up_to_the_border(shape: tuple[int, ...]) -> None:
    x = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(sobel_magnitude, x)
