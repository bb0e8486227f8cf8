"""The perceptual loss with a VGG-16 of random weights, against torch's functional form."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import conv2d, max_pool2d, relu

from medsynth_core.errors import MedSynthError
from medsynth_core.losses.perceptual import LAYERS, NUMBERS, Perceptual, _vgg16

# torchvision's numbers and output channels of VGG-16's convolutions.
CONVOLUTIONS = {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256, 17: 512, 19: 512, 21: 512}
POOLINGS = (4, 9, 16)
State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    """Entries of VGG-16 up to relu4_3, drawn as He et al. start networks."""
    random = torch.Generator().manual_seed(0)
    entries, inputs = {}, 3
    for number, outputs in CONVOLUTIONS.items():
        noise = torch.randn(outputs, inputs, 3, 3, generator=random)
        entries[f"features.{number}.weight"] = noise * (2 / (9 * inputs)) ** 0.5
        entries[f"features.{number}.bias"] = 0.1 * torch.randn(outputs, generator=random)
        inputs = outputs
    return entries


@pytest.fixture(scope="module")
def weights(state: State, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    save_file({**state, "classifier.0.weight": torch.zeros(2, 2)}, path)
    return path


def images(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    a, b = torch.rand(2, *shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return a, b


def activation(state: State, image: torch.Tensor, last: int) -> torch.Tensor:
    """Return what the convolution ``last`` and its ReLU make of one grey image (h, w) in -1…1."""
    grey = ((image + 1) / 2).expand(3, -1, -1)
    mean, sd = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    current = ((grey - mean[:, None, None]) / sd[:, None, None])[None]
    for number in CONVOLUTIONS:
        if number - 1 in POOLINGS:
            current = max_pool2d(current, 2)
        weight, bias = (state[f"features.{number}.{kind}"] for kind in ("weight", "bias"))
        current = relu(conv2d(current, weight, bias, padding=1))
        if number == last:
            break
    return current


def test_it_is_the_sum_of_the_layers_mean_squared_differences(state: State, weights: Path) -> None:
    a, b = images(1, 1, 24, 20)
    layers = {"relu1_2": 2, "relu2_2": 7, "relu3_3": 14, "relu4_3": 21}
    expected = sum(
        float((activation(state, a[0, 0], n) - activation(state, b[0, 0], n)).square().mean()) for n in layers.values()
    )
    assert expected > 0.1
    assert float(Perceptual(weights)(a, b)) == pytest.approx(expected, rel=1e-4)
    one = (activation(state, a[0, 0], 14) - activation(state, b[0, 0], 14)).square().mean()
    assert float(Perceptual(weights, ["relu3_3"])(a, b)) == pytest.approx(float(one), rel=1e-4)


def test_channels_and_slices_are_images_of_their_own(weights: Path) -> None:
    loss = Perceptual(weights, ["relu2_2"])
    a, b = images(2, 3, 4, 16, 16)
    each = [loss(a[n, c, d][None, None], b[n, c, d][None, None]) for n in range(2) for c in range(3) for d in range(4)]
    assert float(loss(a, b)) == pytest.approx(float(torch.stack(each).mean()), rel=1e-4)
    flat = [loss(a[:, c, 0][:, None], b[:, c, 0][:, None]) for c in range(3)]
    assert float(loss(a[:, :, 0], b[:, :, 0])) == pytest.approx(float(torch.stack(flat).mean()), rel=1e-4)


def test_equal_images_have_zero_loss_and_only_the_prediction_gets_gradients(weights: Path) -> None:
    loss = Perceptual(weights)
    a, b = images(1, 1, 16, 16)
    assert float(loss(a, a)) == 0
    predicted, target = a.requires_grad_(), b.requires_grad_()
    value = loss(predicted, target)
    value.backward()
    assert predicted.grad.abs().max() > 0
    assert target.grad is None
    assert all(not parameter.requires_grad for parameter in loss.parameters())
    assert loss(predicted - 0.05 * predicted.grad / predicted.grad.norm(), target).item() < value.item()


def test_the_stated_range_is_mapped_to_black_and_white(weights: Path) -> None:
    a, b = images(1, 1, 16, 16)
    own = Perceptual(weights, ["relu1_2"], low=0, high=255)
    expected = Perceptual(weights, ["relu1_2"])(a, b)
    assert float(own((a + 1) * 127.5, (b + 1) * 127.5)) == pytest.approx(float(expected), rel=1e-4)


def test_a_pth_file_gives_the_same(state: State, weights: Path, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "vgg16.pth")
    a, b = images(1, 1, 16, 16)
    assert float(Perceptual(tmp_path / "vgg16.pth")(a, b)) == float(Perceptual(weights)(a, b))


def test_shallow_layers_need_no_deep_entries(state: State, tmp_path: Path) -> None:
    save_file({name: state[name] for name in state if name < "features.5"}, tmp_path / "shallow.safetensors")
    Perceptual(tmp_path / "shallow.safetensors", ["relu1_1"])
    with pytest.raises(MedSynthError, match=r"shallow\.safetensors has no entry 'features\.5\.weight'"):
        Perceptual(tmp_path / "shallow.safetensors", ["relu2_1"])


def test_entries_of_another_shape_and_broken_numbers_are_named(state: State, tmp_path: Path) -> None:
    wrong = state["features.2.weight"][:, :, :1]
    save_file({**state, "features.2.weight": wrong.contiguous()}, tmp_path / "wrong.safetensors")
    with pytest.raises(MedSynthError, match=r"'features\.2\.weight' of .*wrong\.safetensors .*\(64, 64, 3, 3\)"):
        Perceptual(tmp_path / "wrong.safetensors")
    save_file({**state, "features.0.bias": torch.full((64,), torch.nan)}, tmp_path / "nan.safetensors")
    with pytest.raises(MedSynthError, match=r"'features\.0\.bias'"):
        Perceptual(tmp_path / "nan.safetensors")


@pytest.mark.parametrize("name", ["vgg16.pth", "vgg16.safetensors"])
def test_files_that_are_missing_or_damaged_are_refused(state: State, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(MedSynthError, match=f"not at .*{name}"):
        Perceptual(path)
    (torch.save if path.suffix == ".pth" else save_file)(state, path)
    whole = path.read_bytes()
    for content in (b"", b"PK\x03\x04", b"\x80\x02.", b"not weights at all", whole[: len(whole) // 2], whole[100:]):
        path.write_bytes(content)
        with pytest.raises(MedSynthError, match=name):
            Perceptual(path)


def test_a_pth_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "harm",))

    torch.save({"features.0.weight": Harm()}, tmp_path / "vgg16.pth")
    with pytest.raises(MedSynthError, match="with tensors only"):
        Perceptual(tmp_path / "vgg16.pth")
    assert not (tmp_path / "harm").exists()
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(MedSynthError, match="no entry"):
        Perceptual(tmp_path / "list.pth")


def test_layers_are_named_as_in_the_publication(weights: Path) -> None:
    assert (NUMBERS["relu1_1"], NUMBERS["relu1_2"], NUMBERS["relu5_3"]) == (1, 3, 29)
    for layers in (["relu1_2", "relu6_1"], []):
        with pytest.raises(MedSynthError, match="choose one or more of relu1_1"):
            Perceptual(weights, layers)


def test_the_layers_are_those_of_vgg_16():
    features = _vgg16(NUMBERS["relu5_3"])
    assert sum(value.numel() for value in features.parameters()) == 14_714_688
    assert [n for n, layer in enumerate(features) if isinstance(layer, torch.nn.MaxPool2d)] == [4, 9, 16, 23]
    assert LAYERS == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


def test_an_untrained_network_is_always_the_same_and_draws_no_random_numbers():
    a, b = images(1, 1, 16, 16)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one = Perceptual("random", ["relu1_1", "relu2_1"])
    assert torch.equal(torch.rand(1), expected)
    assert float(one(a, b)) == float(Perceptual("random", ["relu2_1", "relu1_1"])(a, b))
    torch.manual_seed(0)
    assert torch.equal(one.features[0].weight, torch.nn.Conv2d(3, 64, 3).weight)


def test_a_checkpoint_holds_neither_range_nor_statistics(weights: Path):
    loss = Perceptual(weights, ["relu1_1"])
    assert set(loss.state_dict()) == {"features.0.weight", "features.0.bias"}
    assert {name for name, _ in loss.named_buffers()} == {"mean", "sd"}


def test_weights_that_were_saved_on_a_gpu_are_read(state: State, weights: Path, tmp_path: Path):
    import zipfile

    torch.save(state, tmp_path / "cpu.pth")
    with zipfile.ZipFile(tmp_path / "cpu.pth") as old, zipfile.ZipFile(tmp_path / "gpu.pth", "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename.endswith("data.pkl"):
                # The place of a storage, as text with its length before it.
                moved = content.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:9")
                assert moved != content
                content = moved
            new.writestr(entry, content)
    a, b = images(1, 1, 16, 16)
    layers = ["relu1_2"]
    assert float(Perceptual(tmp_path / "gpu.pth", layers)(a, b)) == float(Perceptual(weights, layers)(a, b))
