"""What each learned system is known for is there, and does something."""

import pytest
import torch
from skimage.metrics import structural_similarity

from wdualmine.methods.densefuse import DenseFuse, DenseFuseConfig, add_codes, weigh_codes
from wdualmine.methods.learned import network_of, parameters
from wdualmine.methods.sdnet import SDNet
from wdualmine.methods.system import Fused
from wdualmine_book.systems.adafuse import (
    AdaFuse,
    AdaFuseConfig,
    CrossAttention,
    FourierLayer,
    structure_tensor,
)
from wdualmine_book.systems.asfe_fusion import (
    AdaptiveFrequency,
    ASFEObjective,
    ASFEWeights,
    CrossAttentionSpatial,
    ExpertsFusion,
)
from wdualmine_book.systems.ifcnn import IFCNNObjective, IFCNNWeights
from wdualmine_book.systems.objective import gradients, similarity
from wdualmine_book.systems.retrained import DENSEFUSE, DENSEFUSE_L1, U2FUSION
from wdualmine_book.systems.sdnet import SDNetObjective, SDNetWeights, sharper
from wdualmine_book.systems.u2fusion import (
    U2FusionObjective,
    U2FusionWeights,
    information,
    information_weights,
)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def images(count: int = 2, side: int = 32) -> list[torch.Tensor]:
    return list(torch.rand(count, 1, 1, side, side))


# ----------------------------------------------------------------------------------------------------
# What several share


def test_the_similarity_is_that_of_scikit_image() -> None:
    x, y = (image.double() for image in images())
    expected = structural_similarity(
        x[0, 0].numpy(), y[0, 0].numpy(), data_range=1, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, truncate=3.5, full=True,
    )[1][5:-5, 5:-5].mean()  # fmt: skip
    assert float(similarity(x, y)) == pytest.approx(expected, abs=1e-6)


def test_a_ramp_has_gradient_1() -> None:
    ramp = torch.arange(6.0).expand(1, 1, 6, 6)
    right, down = gradients(ramp)
    assert torch.equal(right[..., 1:-1], torch.ones(1, 1, 6, 4))
    assert not down.any()


# ----------------------------------------------------------------------------------------------------
# DenseFuse


def test_densefuse_has_the_published_size_and_its_code_holds_every_layer() -> None:
    network = DenseFuse()
    assert parameters(network) == 74_193
    image = images(1)[0]
    code = network.encode(image)
    assert code.shape[1] == 64
    assert torch.equal(code[:, :16], torch.relu(network.first(255 * image)))  # the first layer, still there


def test_densefuse_adds_or_weighs_by_activity() -> None:
    weak, strong = 0.1 * torch.rand(1, 8, 9, 9), torch.rand(1, 8, 9, 9)
    assert torch.equal(add_codes(weak, strong), (weak + strong) / 2)
    weighed = weigh_codes(weak, strong)
    assert (weighed - strong).abs().mean() < 0.2 * (weighed - weak).abs().mean()
    assert torch.allclose(weigh_codes(strong, strong), strong)
    a, b = images()
    network = DenseFuse().eval()
    other = DenseFuse(DenseFuseConfig(rule="l1-norm")).eval()
    other.load_state_dict(network.state_dict())
    assert not torch.equal(network(a, 0.2 * b).fused, other(a, 0.2 * b).fused)
    assert torch.allclose(network(a, a).fused, network.decode(network.encode(a)).clamp(0, 1), atol=1e-6)


def test_densefuse_l1_is_a_method_with_the_same_weights() -> None:
    first, second = DENSEFUSE, DENSEFUSE_L1
    assert first.system is second.system
    assert network_of(second).config.rule == "l1-norm"


# ----------------------------------------------------------------------------------------------------
# IFCNN


def test_ifcnn_learns_from_pairs_of_which_each_pixel_is_sharp_once() -> None:
    objective = IFCNNObjective(IFCNNWeights())
    first, second = torch.rand(2, 6, 1, 64, 64)
    near, far, sharp = objective.inputs(first, second, torch.Generator().manual_seed(1))
    of_first = [torch.equal(image, source) for image, source in zip(sharp, first, strict=True)]
    assert 0 < sum(of_first) < 6  # either source is taken
    kept_near, kept_far = near == sharp, far == sharp
    assert (kept_near | kept_far).all()
    assert 0.1 < kept_near.float().mean() < 0.9
    total, terms = objective([Fused(sharp)], near, far, sharp)
    assert total == 0 == terms["intensity"]
    assert objective([Fused((near + far) / 2)], near, far, sharp)[0] > 0


# ----------------------------------------------------------------------------------------------------
# U2Fusion


def test_u2fusion_has_the_published_size() -> None:
    assert parameters(network_of(U2FUSION)) == 659_217


def test_u2fusion_weighs_the_more_informative_source_more() -> None:
    rich = torch.rand(2, 1, 64, 64)
    poor = torch.full_like(rich, 0.5) + 0.01 * rich
    assert (information(rich) > 100 * information(poor)).all()
    shares = information_weights(rich, poor)
    assert torch.allclose(shares.sum(dim=0), torch.ones(2))
    assert (shares[0] > 0.6).all()
    assert torch.allclose(information_weights(rich, rich), torch.full((2, 2), 0.5))
    objective = U2FusionObjective(U2FusionWeights())
    losses = [float(objective([Fused(image)], rich, poor)[0]) for image in (rich, poor)]
    assert losses[0] < losses[1]  # to be the rich source costs less than to be the poor one


# ----------------------------------------------------------------------------------------------------
# SDNet


def test_sdnet_takes_the_fused_image_alone_apart() -> None:
    network = SDNet().train()
    a, b = images()
    output = network(a, b)
    for part, expected in zip(output[1:], network.take_apart(output.fused), strict=True):
        assert torch.equal(part, expected)
    assert not torch.equal(output.part1, output.part2)
    objective = SDNetObjective(SDNetWeights())
    rebuilt = output._replace(part1=a, part2=b)
    assert objective([rebuilt], a, b)[1]["decomposition"] == 0
    assert objective([output], a, b)[1]["decomposition"] > 0


def test_sdnet_follows_the_sharper_source() -> None:
    flat, steps = torch.full((1, 1, 32, 32), 0.5), (torch.arange(32) // 8 % 2).float().expand(1, 1, 32, 32)
    edges = torch.cat(gradients(steps), dim=1).abs().amax(dim=1, keepdim=True) > 0
    assert (sharper(steps, flat)[edges] == 1).all()
    assert (sharper(flat, steps)[edges] == 0).all()
    objective = SDNetObjective(SDNetWeights())
    keeps, loses = (
        objective.terms(SDNet()(steps, flat)._replace(fused=f), steps, flat) for f in (steps, flat)
    )
    assert keeps["gradient"] == 0 < loses["gradient"]


# ----------------------------------------------------------------------------------------------------
# AdaFuse


def test_adafuse_attends_to_what_the_other_modality_answers() -> None:
    attention = CrossAttention(6)
    asking, answering, other = torch.rand(3, 2, 6, 8, 8)
    scores = attention.scores(asking, answering)
    assert scores.shape == (2, 6, 6)
    assert torch.allclose(scores.sum(dim=-1), torch.ones(2, 6))
    by_hand = scores @ attention.value(answering).flatten(2)
    assert torch.allclose(attention(asking, answering).flatten(2), by_hand)
    assert not torch.allclose(scores, attention.scores(asking, other))


def test_adafuse_sees_frequencies() -> None:
    layer = FourierLayer(1)
    with torch.no_grad():  # the identity, but for what the activation between does to it
        for mix in (layer.mix1, layer.mix2):
            mix.weight.copy_(torch.eye(2)[..., None, None])
            mix.bias.zero_()
    x = torch.rand(1, 1, 9, 12)  # an odd side, too
    assert layer(x).shape == x.shape
    spectrum = torch.fft.rfft2(x, norm="ortho")
    parts = [torch.nn.functional.leaky_relu(part, 0.2) for part in (spectrum.real, spectrum.imag)]
    expected = torch.fft.irfft2(torch.complex(*parts), s=(9, 12), norm="ortho")
    assert torch.allclose(layer(x), expected, atol=1e-6)
    far = x.clone()
    far[..., 0, 0] += 1  # one pixel changes all of the feature
    assert ((layer(far) - layer(x)).abs() > 1e-6).float().mean() > 0.9


def test_adafuse_without_one_domain_is_another_network() -> None:
    network, (a, b) = AdaFuse(AdaFuseConfig(4)).eval(), images()
    whole = network(a, b).fused
    for part in ("spatial_attention", "frequency_attention", "domain_attention"):
        saved = {name: value.clone() for name, value in network.state_dict().items()}
        for fusion in network.fusions:
            torch.nn.init.zeros_(getattr(fusion, part).value.weight)
            torch.nn.init.zeros_(getattr(fusion, part).value.bias)
        assert not torch.equal(network(a, b).fused, whole), part
        network.load_state_dict(saved)


def test_the_structure_tensor_knows_direction() -> None:
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    inner = structure_tensor(ramp, ramp.mT)[..., 1:-1, 1:-1]
    assert torch.equal(inner[:, 0], torch.ones(1, 6, 6))  # the one changes to the right
    assert torch.equal(inner[:, 2], torch.ones(1, 6, 6))  # the other down
    assert not inner[:, 1].any()
    assert torch.equal(
        structure_tensor(ramp + ramp.mT)[..., 1:-1, 1:-1], torch.ones(1, 3, 6, 6)
    )  # one diagonal


# ----------------------------------------------------------------------------------------------------
# ASFE-Fusion


def test_asfe_crosses_the_self_similarity_of_the_sources() -> None:
    module = CrossAttentionSpatial(4)
    f1, f2, other = torch.rand(3, 1, 4, 16, 16)
    own = module.similarity_map(f1)
    assert own.shape == (4, 64, 64)
    assert torch.allclose(own.sum(dim=-1), torch.ones(4, 64))
    assert not torch.allclose(own, module.similarity_map(other))
    far = f1.clone()
    far[..., 8:] += 1  # the other windows see nothing of it
    assert torch.allclose(module.similarity_map(far)[[0, 2]], own[[0, 2]])
    with torch.no_grad():
        module.value.weight.zero_()  # without values only the sources themselves are left to merge
        module.value.bias.zero_()
    assert torch.allclose(module(f1, f2), module.merge(torch.cat((f1, f2), dim=1)), atol=1e-6)


def test_asfe_decides_frequency_by_frequency() -> None:
    module = AdaptiveFrequency(3)
    f1, f2 = torch.rand(2, 1, 3, 12, 9)
    assert torch.allclose(module(f1, f1), f1, atol=1e-6)  # shares of equal spectra give the feature back
    with torch.no_grad():
        for layer in (module.weigh[0], module.weigh[2]):
            layer.weight.zero_()
        module.weigh[2].bias.fill_(50.0)
    assert torch.allclose(module(f1, f2), f1, atol=1e-6)
    shares = AdaptiveFrequency(3).shares(*(torch.fft.rfft2(f, norm="ortho") for f in (f1, f2)))
    assert 0 <= shares.min() < shares.max() <= 1


def test_asfe_weighs_both_experts() -> None:
    module = ExpertsFusion(4)
    f1, f2 = torch.rand(2, 1, 4, 16, 16)
    spatial, frequency = module.spatial(f1, f2), module.frequency(f1, f2)
    weights = module.weights(spatial, frequency)
    assert torch.allclose(weights.sum(dim=1), torch.ones(1, 16, 16))
    assert weights.std() > 0
    with torch.no_grad():
        module.gate[2].weight.zero_()
        for favored, expert in ((0, spatial), (1, frequency)):
            module.gate[2].bias.copy_(torch.tensor([50.0, -50.0] if favored == 0 else [-50.0, 50.0]))
            assert torch.allclose(module(f1, f2), expert, atol=1e-6)


def test_asfe_asks_for_the_stronger_gradient() -> None:
    objective = ASFEObjective(ASFEWeights())
    flat, steps = torch.full((1, 1, 32, 32), 0.5), (torch.arange(32) // 8 % 2).float().expand(1, 1, 32, 32)
    keeps, loses = (objective.terms(Fused(image), steps, flat)["gradient"] for image in (steps, flat))
    assert keeps == 0 < loses
