"""A 3-D network gives the same result slab by slab as in one pass, with any amount of memory."""

import numpy as np
import pytest
import torch
from torch import nn

from medsynth_core import Cancelled, MedSynthError, create_network
from medsynth_core.inference.predictor import create_predictor
from medsynth_core.inference.slab_predictor import SlabPredictor
from medsynth_core.inference.slice_predictor import Predictor
from medsynth_core.inference.windows import Windows
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.progress import Progress

SIDE = {"modality": "PT", "unit": "SUVbw", "intensity": {"kind": "linear", "divisor": 5.0}}
CPU = torch.device("cpu")


def contract(slices: int = 16, overlap: int = 8, **others: object) -> SynthesisContract:
    return SynthesisContract(input=SIDE, output=SIDE, slab={"slices": slices, "overlap": overlap}, **others)


def refine(**options: object) -> nn.Module:
    torch.manual_seed(0)
    return create_network("contextual3d", channels=4, **options).eval()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def whole(network: nn.Module, voxels: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return network(torch.from_numpy(voxels)[None, None])[0, 0].numpy()


@pytest.mark.parametrize("length", [5, 16, 17, 40, 43])
@pytest.mark.parametrize(("size", "overlap", "halo"), [(16, 8, 0), (16, 4, 2), (16, 8, 4), (20, 6, 3), (16, 0, 0)])
def test_windows_cover_an_axis_and_count_nowhere_in_their_halo(length, size, overlap, halo):
    windows = Windows(length, size, overlap, halo)
    assert (windows.total() > 0).all() and windows.starts[-1] + min(size, length) == length
    for start in windows.starts:
        weight = windows.weight(start)
        assert len(weight) == min(size, length)
        assert start == 0 or not weight[:halo].any()
        assert start + size >= length or not weight[len(weight) - halo :].any()


@pytest.mark.parametrize("depth", [32, 41, 53])
def test_where_slabs_see_enough_there_are_no_seams(depth):
    network, voxels = refine(), noise(depth, 24, 20)
    made = SlabPredictor(network, contract(32, 14), CPU)(voxels)
    assert np.abs(made - whole(network, voxels)).max() < 1e-4


@pytest.mark.parametrize("depth", [1, 9, 31])
def test_a_volume_thinner_than_a_slab_is_padded_as_in_training(depth):
    network, voxels = refine(), noise(depth, 24, 20)
    filled = np.concatenate([voxels, np.zeros((32 - depth, 24, 20), dtype=np.float32)])
    made = SlabPredictor(network, contract(32, 14), CPU)(voxels)
    assert made.shape == voxels.shape and np.abs(made - whole(network, filled)[:depth]).max() < 1e-4


def test_where_nothing_goes_in_what_is_called_empty_comes_out():
    side = {**SIDE, "intensity": {"kind": "curve", "points": [[0, -1], [20, 1]]}}
    made = SlabPredictor(refine(), SynthesisContract(input=side, output=side, slab={"slices": 8, "overlap": 4}), CPU)(
        np.full((40, 16, 16), -1, dtype=np.float32)
    )
    assert (made == -1).all()


@pytest.mark.slow
def test_windows_in_the_plane_leave_no_seams_either():
    network, voxels = refine(), noise(40, 150, 100)
    predictor = SlabPredictor(network, contract(32, 14), CPU, budget=network.memory_per_voxel() * 32 * 80 * 80)
    messages: list[str] = []
    made = predictor(voxels, Progress(lambda fraction, message: messages.append(message)))
    assert np.abs(made - whole(network, voxels)).max() < 1e-4
    assert len([message for message in messages if message.startswith("Slab")]) > 10


def test_slabs_that_are_too_thin_for_the_network_are_blended_without_steps():
    torch.manual_seed(0)
    network, voxels = create_network("unet3d", channels=4).eval(), noise(40, 32, 32)
    made = SlabPredictor(network, contract(16, 8), CPU)(voxels)
    steps = np.abs(np.diff(made, axis=0)).mean(axis=(1, 2))
    starts = [8 * n for n in range(1, 4)]
    assert made.shape == voxels.shape and max(steps[start - 1] for start in starts) < 2 * np.median(steps)


def test_empty_slabs_are_skipped_without_changing_the_result():
    class Counting(nn.Module):
        spatial_dims, in_channels, out_channels, multiple_of, halo = 3, 1, 1, 1, 7

        def __init__(self) -> None:
            super().__init__()
            self.net, self.seen = refine(), 0

        def memory_per_voxel(self) -> int:
            return 100

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            self.seen += len(image)
            return self.net(image)

    voxels = np.zeros((120, 16, 16), dtype=np.float32)
    voxels[50:70] = noise(20, 16, 16)
    network = Counting()
    made = SlabPredictor(network, contract(32, 14), CPU)(voxels)
    assert network.seen < 4 <= len(Windows(120, 32, 14, 7).starts)
    assert np.abs(made - whole(network.net, voxels))[50:70].max() < 1e-4


def test_the_dose_is_that_of_all_slabs():
    torch.manual_seed(0)
    network = create_network("mlnet3d", channels=4, classes=3).eval()
    predictor = SlabPredictor(network, contract(), CPU)
    predictor(noise(40, 32, 32))
    assert predictor.probabilities.shape == (3,) and predictor.probabilities.sum() == pytest.approx(1, abs=1e-5)
    plain = SlabPredictor(refine(), contract(), CPU)
    plain(noise(20, 16, 16))
    assert plain.probabilities is None


def test_the_mirror_image_is_averaged_where_the_contract_says_so():
    network, voxels = refine(), noise(16, 16, 16)
    both = SlabPredictor(network, contract(flip_average=True), CPU)(voxels)
    mirrored = np.ascontiguousarray(voxels[..., ::-1])
    expected = (whole(network, voxels) + whole(network, mirrored)[..., ::-1]) / 2
    assert np.allclose(both, expected, atol=1e-5)


class Greedy(nn.Module):
    """Contextual-Net on a device that does not hold more than so many voxels."""

    spatial_dims, in_channels, out_channels, multiple_of, halo = 3, 1, 1, 1, 7

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.net, self.limit = refine(), limit

    def memory_per_voxel(self) -> int:
        return 1

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if image.numel() > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.net(image)


@pytest.mark.slow
def test_when_memory_runs_out_fewer_and_smaller_windows_give_the_same():
    voxels, said = noise(40, 130, 90), []
    network = Greedy(32 * 66 * 66)
    predictor = SlabPredictor(network, contract(32, 14), CPU, batch_size=4)
    made = predictor(voxels, Progress(log=said.append))
    assert np.abs(made - whole(network.net, voxels)).max() < 1e-4
    assert "2 windows at once" in said[0] and "1 windows at once" in said[1] and "windows of 65 × 65 voxels" in said[2]


def test_the_result_is_put_together_on_the_device_where_it_has_room():
    gpu = torch.device("cuda")
    predictor = SlabPredictor(refine(), contract(), gpu, budget=1 << 30)
    a_slice_of_it = 4 * 400 * 400
    assert predictor._stitching(64 * a_slice_of_it) == gpu
    assert predictor._stitching(1000 * a_slice_of_it) == CPU


def test_a_window_that_fits_nowhere_is_refused_in_one_sentence():
    with pytest.raises(MedSynthError, match="memory is too small for one window"):
        SlabPredictor(Greedy(10), contract(), CPU)(noise(20, 64, 64))


def test_asked_to_stop_it_stops_at_the_next_slab():
    calls = []

    def stop(fraction: float, message: str) -> None:
        calls.append(message)
        if len(calls) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        SlabPredictor(refine(), contract(), CPU)(noise(80, 16, 16), Progress(stop))
    assert len(calls) == 2


def test_the_predictor_is_that_of_the_contract():
    flat = SynthesisContract(input=SIDE, output=SIDE)
    assert isinstance(create_predictor(refine(), contract(), CPU), SlabPredictor)
    assert isinstance(create_predictor(create_network("unet-ctmr", channels=[4, 8]), flat, CPU), Predictor)
    with pytest.raises(MedSynthError, match="3-D network needs a contract with a slab"):
        create_predictor(refine(), flat, CPU)
    with pytest.raises(MedSynthError, match="2-D network"):
        create_predictor(create_network("unet-ctmr", channels=[4, 8]), contract(), CPU)
    with pytest.raises(MedSynthError, match=r"distinguishes 3 doses, but contract\.dose_factors lists 2"):
        create_predictor(create_network("mlnet3d", channels=4, classes=3), contract(dose_factors=(4.0, 10.0)), CPU)
    with pytest.raises(MedSynthError, match="batch size is 0"):
        create_predictor(refine(), contract(), CPU, 0)
