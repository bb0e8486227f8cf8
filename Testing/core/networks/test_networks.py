"""The networks have the published sizes and properties."""

import pytest
import torch
from torch import nn

from medsynth_core import MedSynthError, create_network
from medsynth_core.networks.registry import NETWORKS, count_parameters, describe


def parameters_of(name: str, **options: object) -> int:
    with torch.device("meta"):
        return count_parameters(create_network(name, **options))


@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        ("unet256", {}, 54_414_531),
        ("unet256", {"in_channels": 1, "out_channels": 1}, 54_408_385),
        ("cascade-wide", {}, 54_414_531),
        ("cascade-wide", {"stages": 2}, 108_829_062),
        ("cascade-compact", {}, 22_129_107),
        ("cascade-compact", {"in_channels": 1, "out_channels": 1}, 22_127_569),
        ("cascade-compact", {"visual_activation": "pre"}, 22_129_107),
        ("cas-unet", {}, 108_829_062),
        ("dsggan", {}, 2 * 46_272_067),
        ("unet-ctmr", {}, 31_030_593),
        ("unet-ctmr", {"batch_norm": True}, 31_036_481),
        ("resnet9", {}, 11_378_179),
        ("resnet9", {"in_channels": 1, "out_channels": 1}, 11_365_633),
        ("resnet9", {"blocks": 6}, 7_837_699),
        ("patchgan2d", {}, 2_768_705),
        ("patchgan2d", {"in_channels": 2}, 2_764_609),
        ("unet3d", {}, 28_101_697),
        ("mlnet3d", {}, 28_101_697 + 132_870),
        ("contextual3d", {"channels": 16}, 35_521),
        ("contextual3d", {}, 140_161),
        ("contextual3d", {"channels": 64}, 556_801),
        ("cg3dsrgan", {}, 28_101_697 + 132_870 + 140_161),
        ("resnet3d", {}, 5_885_185),
        ("patchgan3d", {}, 11_052_865),
        ("structure-encoder", {}, 75_856_064),
        ("structure-decoder", {}, 37_736_326),
        ("structure-generator", {}, 37_736_326 + 1_083_014),
        ("structure-mask", {}, 1_083_014),
        ("structure-discriminator", {}, 402_433),
        ("latent-discriminator", {}, 2_632_705),
        ("multimodal-generator", {}, 4_330_627),
        ("multimodal-generator", {"in_channels": 2}, 4_331_203),
        ("multimodal-generator", {"in_channels": 6}, 4_333_507),
        ("multimodal-generator", {"modalities": 0}, 4_321_411),
        ("modality-translator", {}, 4_330_627),
        ("multimodal-from-noise", {}, 37_736_326 + 1_083_014 + 4_331_203),
        ("multimodal-discriminator", {}, 475_330),
        ("lesion-segmenter", {}, 4_323_727),
        ("lesion-classifier", {"in_channels": 3, "classes": 1000}, 132_863_336),
        ("lesion-detector", {"in_channels": 3, "classes": 20}, 26_285_486),
        ("unet-gan", {}, 4_321_411),
        ("skrgan", {}, 4_321_411),
        ("dcgan", {}, 3_576_704),
        ("dcgan", {"size": 256, "out_channels": 1}, 47_981_440),
        ("dcgan-discriminator", {}, 2_765_568),
        ("dcgan-discriminator", {"size": 256, "in_channels": 1}, 44_737_280),
        ("pggan", {"size": 1024, "out_channels": 3}, 23_079_115),
    ],
)
def test_parameter_counts_are_the_published_ones(name, options, parameters):
    assert parameters_of(name, **options) == parameters


def test_ten_compact_stages_reproduce_the_published_table():
    published = [22.13, 44.26, 66.39, 88.52, 110.65, 132.77, 154.90, 177.03, 199.16, 221.29]
    counted = [parameters_of("cascade-compact", stages=n) / 1e6 for n in range(1, 11)]
    assert [round(count, 2) for count in counted] == published


@pytest.mark.parametrize(
    ("name", "options", "gflop"),
    [
        ("cascade-wide", {}, 12.096),
        ("cascade-compact", {}, 0.555),
        ("unet-ctmr", {}, 96.18),
        ("mlnet3d", {}, 41.22),
        ("contextual3d", {"channels": 16}, 74.3),
        ("contextual3d", {"channels": 32}, 293.5),
        ("contextual3d", {"channels": 64}, 1166.9),
    ],
)
def test_floating_point_operations_at_the_reference_size(name, options, gflop):
    assert describe(name, **options).gflop == pytest.approx(gflop, rel=0.005)


# Networks from or to codes, and discriminators.
NOT_OF_IMAGES = (
    "structure-encoder", "structure-decoder", "structure-gen", "structure-disc", "latent", "multimodal", "modality",
    "lesion-class", "lesion-detect", "image-features",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_describes_itself_with_every_option(name):
    description = describe(name)
    assert set(description.options) == set(NETWORKS[name].options) and description.parameters > 0


def small(**options: object) -> nn.Module:
    torch.manual_seed(0)
    return create_network("cascade-compact", channels=[4, 6, 8], **options)


def test_tanh_after_the_last_block_bounds_the_image():
    images = torch.randn(2, 3, 16, 16)
    post, pre, linear = (small(visual_activation=kind, dropout=0.0).eval() for kind in ("post", "pre", "linear"))
    assert post(images).abs().max() < 1
    with torch.no_grad():
        for network in (pre, linear):
            network.stages[0].visual[1].bias.fill_(5.0)
    assert pre(images).max() > 1 and linear(images).max() > 1


def test_later_stages_that_pass_their_input_on_change_nothing():
    class Same(nn.Module):
        def forward(self, image):
            return image

    one, three = small().eval(), small(stages=3).eval()
    three.stages[0].load_state_dict(one.stages[0].state_dict())
    three.stages[1], three.stages[2] = Same(), Same()
    images = torch.randn(2, 3, 24, 16)
    assert torch.equal(one(images), three(images))


def test_each_stage_sees_the_image_before_it_and_the_input_only_when_asked():
    published, seeing = small(stages=2), small(stages=2, see_input=True)
    assert published.stages[1].encoders[0][0].in_channels == 3
    assert seeing.stages[1].encoders[0][0].in_channels == 6
    assert seeing.eval()(torch.randn(1, 3, 8, 8)).shape == (1, 3, 8, 8)


def test_slices_in_a_batch_are_those_one_by_one():
    network, images = small(stages=2).eval(), torch.randn(5, 3, 16, 24)
    singly = torch.cat([network(image[None]) for image in images])
    assert torch.allclose(network(images), singly, atol=1e-5)


def test_dropout_is_in_the_three_decoders_next_to_the_bottleneck():
    stage = create_network("unet256").stages[0]
    assert [any(isinstance(layer, nn.Dropout) for layer in block) for block in stage.decoders] == [True] * 3 + [
        False
    ] * 4


def test_resize_convolution_has_no_transposed_one():
    kinds = [type(layer) for layer in small(upsample="resize").modules()]
    assert nn.ConvTranspose2d not in kinds and nn.Upsample in kinds


def test_the_discriminator_judges_patches():
    assert create_network("patchgan2d", in_channels=2)(torch.randn(1, 2, 256, 256)).shape == (1, 1, 30, 30)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("unet", {}, "no network called 'unet'; choose one of unet256"),
        ("unet256", {"stages": 3}, "no option 'stages'"),
        ("unet256", {"upsample": "resize", "stages": 3, "blocks": 2, "": 1}, "no option 'stages'"),
        ("cascade-compact", {"stages": 0}, "needs 1 to 100 stages"),
        ("cascade-compact", {"upsample": "resize_conv"}, "'resize_conv' is not one of transposed, resize"),
        ("unet256", {"visual_activation": "tanh"}, "'tanh' is not one of post, pre, linear"),
        ("cascade-compact", {"channels": "many"}, "cannot be built"),
    ],
)
def test_a_wrong_name_or_option_is_refused_in_one_sentence(name, options, words):
    with pytest.raises(MedSynthError, match=words):
        create_network(name, **options)


@pytest.mark.parametrize(
    "name", [name for name in NETWORKS if "gan" not in name and not name.startswith(NOT_OF_IMAGES)]
)
def test_every_generator_keeps_the_size_and_says_which_sizes_it_takes(name):
    with torch.device("meta"):
        network = create_network(name).eval()
        depth = (5,) if getattr(network, "spatial_dims", 2) == 3 else ()
        image = torch.empty(2, network.in_channels, *depth, 4 * network.multiple_of, 2 * network.multiple_of)
        assert network(image).shape == (2, network.out_channels, *image.shape[2:])
