"""Networks of multi-modal synthesis from structure maps, and of its baselines."""

from typing import Any

import pytest
import torch
from fixed_weights import fill, numbers
from torch import nn
from torch.nn import functional

from medsynth_core.errors import MedSynthError
from medsynth_core.networks.progressive import _PixelNorm, _with_spread
from medsynth_core.networks.registry import create_network
from medsynth_core.networks.structure_vae import _share

SMALL = {"size": 64, "latent": 16, "width": 4}


def filled(name: str, **options: Any) -> Any:
    return fill(create_network(name, **options), name).eval()


@pytest.mark.parametrize("size", [64, 128, 256, 512])
def test_codes_of_maps_of_every_size_become_maps_of_that_size(size):
    with torch.device("meta"):
        encoder, decoder = (
            create_network(f"structure-{name}", size=size, latent=16, width=4) for name in ("encoder", "decoder")
        )
        mean, log_variance = encoder(torch.empty(2, 1, size, size))
        assert mean.shape == log_variance.shape == (2, 16)
        assert decoder(mean).shape == (2, 2, size, size)


@pytest.mark.parametrize("size", [0, 32, 96, 1024, -64])
def test_other_sizes_are_refused(size):
    for name in ("structure-encoder", "structure-decoder"):
        with pytest.raises(MedSynthError, match=r"64, 128, 256 or 512|at least 0"):
            create_network(name, size=size)


@pytest.mark.parametrize("size", [0, 8, 48, 2048])
def test_sizes_of_the_baselines_are_powers_of_two(size):
    for name in ("dcgan", "acgan-discriminator", "pggan", "pggan-discriminator"):
        with pytest.raises(MedSynthError, match="power of two from 16 to 1024"):
            create_network(name, size=size)


def test_a_map_is_scaled_before_it_is_encoded():
    encoder = filled("structure-encoder", **SMALL)
    lines = (numbers((1, 1, 64, 64), "lines") > 0.5).float()
    with torch.no_grad():
        features = encoder.convolutions(0.9 + 0.1 * lines).flatten(1)
        torch.testing.assert_close(encoder(lines), (encoder.mean(features), encoder.log_variance(features)))


def test_lines_alone_are_encoded_without_a_background():
    encoder = filled("structure-encoder", **SMALL, background=0.0)
    lines = (numbers((1, 1, 64, 64), "lines") > 0.5).float()
    with torch.no_grad():
        features = encoder.convolutions(lines).flatten(1)
        torch.testing.assert_close(encoder(lines), (encoder.mean(features), encoder.log_variance(features)))


def test_inputs_are_left_out_in_training_alone():
    for name, options, share in (
        ("structure-encoder", SMALL, 0.15),
        ("structure-mask", {"channels": 2}, 0.1),
        ("multimodal-generator", {"channels": 2, "dropout": 0.3}, 0.3),
    ):
        network = create_network(name, **options)
        assert [layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)] == [share]


def test_the_modality_changes_the_image_and_must_be_stated():
    generator = filled("multimodal-generator", channels=4, modalities=3)
    image = numbers((3, 1, 16, 16), "image")[:1].repeat(3, 1, 1, 1)
    with torch.no_grad():
        made = generator(image, torch.tensor([0, 1, 1]))
    assert not torch.allclose(made[0], made[1], atol=1e-3)
    torch.testing.assert_close(made[1], made[2])
    assert made.min() >= 0 and made.max() <= 1
    with pytest.raises(ValueError, match="wanted modality"):
        generator(image)
    with pytest.raises(ValueError, match="number of the class"):
        filled("acgan", size=16, latent=3, channels=2)(numbers((1, 3), "code"))


def test_several_modalities_are_those_of_one_at_a_time():
    generator = filled("multimodal-generator", channels=4, modalities=3)
    image, wanted = numbers((2, 1, 16, 24), "image"), torch.tensor([[2, 0, 1], [1, 1, 0]])
    with torch.no_grad():
        made = generator(image, wanted)
        apart = torch.stack([generator(image, one) for one in wanted.unbind(1)], dim=1)
    assert made.shape == (2, 3, 1, 16, 24)
    torch.testing.assert_close(made, apart)
    assert not torch.allclose(made[0, 0], made[0, 1], atol=1e-3)


def test_one_modality_needs_no_number():
    assert filled("unet-gan", channels=2)(torch.zeros(1, 1, 16, 16)).shape == (1, 1, 16, 16)


def test_the_modality_is_one_map_behind_the_features_at_the_lowest_level():
    generator = filled("multimodal-generator", channels=2, modalities=3)
    seen = []
    generator.lowest.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    generator(numbers((2, 1, 16, 24), "image"), torch.tensor([2, 0]))
    maps = seen[0][:, -3:]
    assert maps.shape == (2, 3, 2, 3)
    assert maps[0].amax(dim=(1, 2)).tolist() == [0, 0, 1] and maps[1].amin(dim=(1, 2)).tolist() == [1, 0, 0]


def test_discriminators_judge_patches():
    real, modality = filled("multimodal-discriminator", channels=2)(numbers((2, 1, 64, 32), "image"))
    assert real.shape == modality.shape == (2, 1, 4, 2)
    assert filled("structure-discriminator", channels=2)(numbers((2, 2, 32, 48), "map")).shape == (2, 1, 2, 3)
    assert filled("latent-discriminator", latent=64, channels=2)(numbers((2, 64), "code")).shape == (2, 1, 4, 4)
    with pytest.raises(MedSynthError, match="square number"):
        create_network("latent-discriminator", latent=50)


def growing() -> tuple[Any, Any]:
    options = {"size": 32, "base": 16, "most": 4}
    torch.manual_seed(0)
    return create_network("pggan", latent=6, **options), create_network("pggan-discriminator", **options)


@pytest.mark.parametrize(("level", "side"), [(0, 4), (0.25, 8), (1, 8), (1.5, 16), (3, 32), (-1, 4), (9, 32)])
def test_the_side_is_that_of_the_level(level, side):
    generator, discriminator = growing()
    generator.grow(level)
    discriminator.grow(level)
    image = generator(numbers((4, 6), "code"))
    assert image.shape == (4, 1, side, side) and discriminator(image).shape == (4,)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_level_is_faded_in(level):
    generator, discriminator = growing()
    code = numbers((4, 6), "code")
    images = []
    with torch.no_grad():
        for reached in (level, level + 0.25, level + 1):
            generator.grow(reached)
            images.append(generator(code))
        former, mixed, new = images
        before = functional.interpolate(former, scale_factor=2)
        torch.testing.assert_close(mixed, 0.75 * before + 0.25 * new)
        # The discriminator too hardly sees a level that has just begun.
        scores = []
        for reached, image in ((level, former), (level + 1e-4, before), (level + 1 - 1e-4, new), (level + 1, new)):
            discriminator.grow(reached)
            scores.append(discriminator(image))
        torch.testing.assert_close(scores[0], scores[1], rtol=1e-2, atol=1e-3)
        torch.testing.assert_close(scores[2], scores[3], rtol=1e-2, atol=1e-3)


def test_real_images_are_shown_as_those_of_the_level():
    discriminator = growing()[1]
    image = numbers((2, 1, 32, 32), "image")
    assert torch.equal(discriminator.shown(image), image)
    for level, block in ((1, 4), (2, 2), (3, 1)):
        discriminator.grow(level)
        whole = functional.avg_pool2d(image, block)
        torch.testing.assert_close(discriminator.shown(image), whole)
        discriminator.grow(level - 0.75)
        before = functional.interpolate(functional.avg_pool2d(image, 2 * block), scale_factor=2)
        torch.testing.assert_close(discriminator.shown(image), 0.75 * before + 0.25 * whole)


def test_networks_are_fully_grown_unless_they_are_told():
    generator, discriminator = growing()
    assert generator(numbers((2, 6), "code")).shape[-1] == 32
    assert discriminator.level == generator.level == generator.levels == 3


def test_the_discriminator_sees_how_much_the_images_of_a_batch_differ():
    discriminator = growing()[1]
    image = numbers((1, 1, 32, 32), "image")
    with torch.no_grad():
        alike = discriminator(image.repeat(4, 1, 1, 1))
        mixed = discriminator(torch.cat([image, 3 * numbers((3, 1, 32, 32), "others")]))
    torch.testing.assert_close(alike, alike[:1].expand(4))
    assert abs(mixed[0] - alike[0]) > 1e-3


def test_a_weight_is_scaled_by_its_inputs():
    layer = growing()[0].blocks[1][1]
    expected = functional.conv2d(numbers((1, 4, 5, 5), "x"), layer.weight * (2 / (4 * 9)) ** 0.5, layer.bias, padding=1)
    torch.testing.assert_close(layer(numbers((1, 4, 5, 5), "x")), expected)


def test_a_generator_from_noise_draws_colours_as_channels():
    network = filled("multimodal-from-noise", **SMALL, channels=2, modalities=2, out_channels=3)
    given = torch.rand(2, 2, 64, 64, generator=torch.Generator().manual_seed(0))
    drawn = network(given, torch.tensor([0, 1]))
    assert drawn.shape == (2, 3, 64, 64) and network.out_channels == 3
    assert all(not torch.equal(drawn[:, a], drawn[:, b]) for a, b in ((0, 1), (1, 2), (0, 2)))
    assert torch.cat(network.maps.draw(torch.zeros(1, 16)), dim=1).shape == (1, 2, 64, 64)


def test_features_of_nothing_stay_nothing():
    network = filled("pggan", size=16, base=16, most=4, latent=5)
    assert torch.isfinite(network(torch.zeros(1, 5))).all()


def test_without_output_normalisation_images_have_a_mean_of_their_own():
    torch.manual_seed(0)
    dark, bright = torch.zeros(1, 1, 32, 32), torch.ones(1, 1, 32, 32)
    dark[..., 10:12, 10:12], bright[..., :16] = 1, 0
    for normalised in (True, False):
        network = create_network("unet-gan", channels=4, output_norm=normalised).eval()
        with torch.no_grad():
            means = [network(image).logit().mean() for image in (dark, bright)]
        assert bool(abs(means[0] - means[1]) < 1e-3) is normalised


def test_a_modality_is_told_everywhere_only_by_scales():
    torch.manual_seed(0)
    image, modalities = torch.rand(1, 1, 128, 128), torch.tensor([[0, 1]])
    plain = create_network("multimodal-generator", channels=4, modalities=2).eval()
    scaled = create_network("multimodal-generator", channels=4, modalities=2, modality_scales=True).eval()
    scaled.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        one, other = plain(image, modalities)[0]
        assert torch.equal(torch.stack([one, other]), scaled(image, modalities)[0])
        # Of the constant maps at 16², only what zeros around the image leave of them after normalisation.
        lowest = (
            plain._told(plain._encoded(image)[0], torch.tensor([0])),
            plain._told(plain._encoded(image)[0], torch.tensor([1])),
        )
        before = [plain.lowest[0](features) for features in lowest]
        inside = (before[0] - before[1])[..., 1:-1, 1:-1]
        assert inside.std(dim=(2, 3)).max() < 1e-5 < inside.abs().max()
        for scale in scaled.scales:
            nn.init.normal_(scale.weights)
        one, other = scaled(image, modalities)[0]
    assert (one - other)[..., 40:-40, 40:-40].abs().mean() > 0.01
    with pytest.raises(MedSynthError, match="modality_scales needs several modalities"):
        create_network("multimodal-generator", modalities=0, modality_scales=True)


def test_small_numbers_keep_divisions_finite():
    code = torch.tensor([[1e-4, 1e-4], [0.0, 0.0]])[:, :, None, None]
    torch.testing.assert_close(_PixelNorm()(code)[:, 0, 0, 0], torch.tensor([0.5**0.5, 0.0]))
    alike = torch.ones(4, 2, 3, 3)
    torch.testing.assert_close(_with_spread(alike)[:, 2], torch.full((4, 3, 3), 1e-4))
    maps = torch.full((1, 2, 1, 1), 1e-7)
    assert _share(maps).item() == pytest.approx(0.1)
