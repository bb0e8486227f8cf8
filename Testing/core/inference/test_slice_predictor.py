"""Slices give the same result with any batch size and any amount of device memory."""

import numpy as np
import pytest
import torch
from builders import TINY_NETWORK, tiny_recipe
from torch import nn

from medsynth_core import Cancelled, MedSynthError, Progress, create_network
from medsynth_core.compute.device import choose_device, list_devices
from medsynth_core.inference.slice_predictor import Predictor

CPU = torch.device("cpu")
CONTRACT = tiny_recipe().contract


class Shifted(nn.Module):
    """Answers with the three slices that it was shown; each output channel shows the same slice as its input."""

    in_channels, out_channels, multiple_of = 3, 3, 8

    def forward(self, image):
        return image


class Greedy(Shifted):
    """Has memory for so many slices at once."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room, self.seen = room, []

    def forward(self, image):
        self.seen.append(len(image))
        if len(image) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return image


def volume(slices: int = 7) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(slices, 13, 18)).astype(np.float32)


@pytest.mark.parametrize("slices", [1, 2, 7])
def test_every_slice_comes_back_at_its_own_place(slices):
    assert np.allclose(Predictor(Shifted(), CONTRACT, CPU, 3)(volume(slices)), volume(slices), atol=1e-6)


@pytest.mark.parametrize("channels", [3, 5, 7])
@pytest.mark.parametrize("slices", [1, 2, 4, 7])
@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_networks_with_more_output_slices_than_the_batch_return_every_slice(channels, slices, batch_size):
    network = Shifted()
    network.in_channels = network.out_channels = channels
    answer = Predictor(network, CONTRACT, CPU, batch_size)(volume(slices))
    assert np.allclose(answer[channels // 2 : -(channels // 2)], volume(slices)[channels // 2 : -(channels // 2)])
    assert answer.shape == volume(slices).shape and np.isfinite(answer).all()


@pytest.mark.parametrize("slices", ["neighbours", "replicate"])
def test_the_batch_size_does_not_matter(slices):
    torch.manual_seed(0)
    network = create_network(TINY_NETWORK["name"], **TINY_NETWORK["options"])
    contract = CONTRACT.model_copy(update={"slices": slices})
    answers = [Predictor(network, contract, CPU, size)(volume()) for size in (1, 3, 32)]
    assert np.allclose(answers[0], answers[1], atol=1e-5) and np.allclose(answers[0], answers[2], atol=1e-5)
    assert answers[0].shape == volume().shape and answers[0].dtype == np.float32


def test_the_average_with_the_mirror_image_is_symmetric():
    torch.manual_seed(0)
    network = create_network(TINY_NETWORK["name"], **TINY_NETWORK["options"])
    wide = volume()[:, :16, :16]
    predictor = Predictor(network, CONTRACT, CPU)
    assert np.allclose(predictor(wide[..., ::-1]), predictor(wide)[..., ::-1], atol=1e-5)


def test_the_batch_is_halved_and_reported_when_memory_runs_out():
    log: list[str] = []
    network = Greedy(room=2)
    answer = Predictor(network, CONTRACT, CPU, 8)(volume(), Progress(log=log.append))
    assert np.allclose(answer, volume(), atol=1e-6)
    assert max(network.seen) == 7 and max(network.seen[-2:]) <= 2
    assert len(log) == 2 and "batches of 2 slices" in log[1]


def test_no_room_for_one_slice_is_told_in_one_sentence():
    with pytest.raises(MedSynthError, match="is too small for one slice") as caught:
        Predictor(Greedy(room=0), CONTRACT, CPU)(volume())
    assert caught.value.kind == "device"


@pytest.mark.parametrize("words", ["DefaultCPUAllocator: can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED"])
def test_memory_errors_of_other_exception_types_are_recognised(words):
    class Full(Shifted):
        def forward(self, image):
            if len(image) > 2:
                raise RuntimeError(words)
            return image

    assert np.allclose(Predictor(Full(), CONTRACT, CPU, 8)(volume()), volume(), atol=1e-6)


def test_a_device_too_small_for_the_network_falls_back_to_the_cpu():
    class Large(Shifted):
        def to(self, device=CPU, memory_format=None):
            if device.type != "cpu":
                raise torch.OutOfMemoryError("CUDA out of memory")
            return self

    log: list[str] = []
    predictor = Predictor(Large(), CONTRACT, torch.device("meta"), 1)
    assert np.allclose(predictor(volume(), Progress(log=log.append)), volume(), atol=1e-6)
    assert predictor.device == CPU and "on the CPU" in log[-1]


def test_other_runtime_errors_are_not_taken_for_memory_errors():
    class Broken(Shifted):
        def forward(self, image):
            raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        Predictor(Broken(), CONTRACT, CPU)(volume())


def test_cancelling_stops_between_two_batches():
    network, reports = Greedy(room=9), []
    with pytest.raises(Cancelled):
        Predictor(network, CONTRACT, CPU, 1)(volume(), Progress(lambda *r: reports.append(r), lambda: len(reports) > 2))
    assert len(reports) == 3 and 0 <= reports[-1][0] < 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_result_and_falls_back_to_the_cpu():
    torch.manual_seed(0)
    network = create_network(TINY_NETWORK["name"], **TINY_NETWORK["options"])
    expected = Predictor(network, CONTRACT, CPU)(volume())
    assert np.allclose(Predictor(network, CONTRACT, torch.device("cuda"))(volume()), expected, atol=1e-3)

    class Full(Shifted):
        def forward(self, image):
            if image.is_cuda:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return image

    log: list[str] = []
    answer = Predictor(Full(), CONTRACT, torch.device("cuda"), 1)(volume(), Progress(log=log.append))
    assert np.allclose(answer, volume(), atol=1e-6) and "on the CPU" in log[-1]


def test_devices():
    assert "cpu" in list_devices() and choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(MedSynthError, match="no device 'tpu'"):
        choose_device("tpu")
    with pytest.raises(MedSynthError, match="batch size is 0"):
        Predictor(Shifted(), CONTRACT, CPU, 0)
