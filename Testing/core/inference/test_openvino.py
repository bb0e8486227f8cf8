"""OpenVINO makes the same images as PyTorch, is chosen where it is installed, and PyTorch takes over where it fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import TINY_NETWORK, phantom_ct, tiny_recipe
from openvino_fixtures import SAMPLE, TOLERANCE, cropped, difference, needs_openvino, sample_ct
from torch import nn

from medsynth_core import Cancelled, MedSynthError, Progress, create_network, read_volume, synthesize
from medsynth_core.compute import openvino
from medsynth_core.inference import backends
from medsynth_core.inference.backends import OpenVinoBackend, TorchBackend
from medsynth_core.inference.loaded_model import LoadedModel
from medsynth_core.inference.predictor import create_predictor

CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="module")
def library(tmp_path_factory):
    """A library for the compiled networks of these tests, which choose OpenVINO as a user's process does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDSYNTH_MODELS", str(tmp_path_factory.mktemp("library")))
        patch.delenv("MEDSYNTH_BACKEND")
        yield


def by_torch(monkeypatch, volume, model, **options):
    with monkeypatch.context() as patch:
        patch.setenv("MEDSYNTH_BACKEND", "torch")
        return synthesize(volume, model, device="cpu", **options)


def tiny(**options) -> nn.Module:
    torch.manual_seed(0)
    return create_network(TINY_NETWORK["name"], **{**TINY_NETWORK["options"], **options}).eval()


def noise(count: int = 5, side: int = 64) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(count, 3, side, side)).astype(np.float32))


class Refused(nn.Module):
    """Cannot be converted: what it does depends on the values."""

    in_channels = out_channels = 3
    multiple_of = 8

    def forward(self, image):
        return torch.from_numpy(image.numpy() * 2) if image.sum() > 1e9 else torch.fft.fft2(image).angle().nan_to_num()


class Grown(Refused):
    """Converted with another result, as its factor depends on the size of the image it was recorded with."""

    def forward(self, image):
        return image * float(image.shape[2])


def waited(request) -> bool:
    """Tell whether a request is done or has failed."""
    try:
        return request.wait_for(0)
    except RuntimeError:
        return True


class Failing:
    """Stands for a compiled network whose memory runs out with the third batch."""

    def __init__(self, compiled):
        self.compiled, self.batches = compiled, 0

    def __call__(self, image):
        self.batches += 1
        if self.batches > 2:
            raise RuntimeError("bad allocation\nException from src/memory.cpp:12")
        return self.compiled(image)


@needs_openvino
@pytest.mark.slow
def test_slices_of_a_bundled_model_are_those_of_torch(monkeypatch):
    ct, loaded = sample_ct(), LoadedModel.load("ct-to-pet")
    made, expected = synthesize(ct, loaded, device="cpu"), by_torch(monkeypatch, ct, loaded)
    assert difference(made, expected) < TOLERANCE and not np.array_equal(made.voxels, expected.voxels)
    assert (made.metadata["backend"], expected.metadata["backend"]) == ("openvino", "torch")
    assert made.metadata["device"] == expected.metadata["device"] == "cpu" and made.metadata["log"] == []


@needs_openvino
@pytest.mark.slow
def test_slabs_of_a_bundled_model_and_the_probable_dose_are_those_of_torch(monkeypatch):
    pet = read_volume(SAMPLE / "pet.nii.gz", modality="PT", unit="SUVbw")
    pet, loaded = cropped(pet, (slice(10, 30), slice(None), slice(3, 40))), LoadedModel.load("low-dose-pet")
    made, expected = synthesize(pet, loaded, device="cpu"), by_torch(monkeypatch, pet, loaded)
    assert difference(made, expected) < TOLERANCE and made.metadata["backend"] == "openvino"
    shares = [each.metadata["dose_probabilities"] for each in (made, expected)]
    assert shares[0] == pytest.approx(shares[1], abs=1e-4)


@needs_openvino
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("threads", [1, 3])
def test_images_come_back_in_order_with_any_number_of_streams(count, threads, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    network, image = tiny(), noise(count)
    made, logits = OpenVinoBackend(network, f"tiny {threads}")(image)
    with torch.no_grad():
        assert torch.allclose(made, network(image), atol=1e-5) and logits is None


@needs_openvino
def test_a_network_is_compiled_once_for_images_of_all_sizes(monkeypatch):
    made, compiled = [], backends.convert
    monkeypatch.setattr(backends, "convert", lambda *given: made.append(given) or compiled(*given))
    network = tiny()
    backend = OpenVinoBackend(network, "sizes")
    for side in (64, 128, 192):
        with torch.no_grad():
            assert torch.allclose(backend(noise(1, side))[0], network(noise(1, side)), atol=1e-5)
    assert len(made) == 1 and backend.name == "openvino"


@needs_openvino
@pytest.mark.parametrize(
    ("network", "reason"), [(Refused(), ""), (Grown(), r"its results differ from those of PyTorch by \d")]
)
def test_torch_runs_what_openvino_cannot_and_one_sentence_says_so(network, reason):
    contract = tiny_recipe().contract.model_copy(update={"flip_average": False})
    predictor = create_predictor(network, contract, CPU, backend=OpenVinoBackend(network, type(network).__name__))
    voxels = noise(1, 16)[0].numpy()
    assert np.array_equal(predictor(voxels), create_predictor(network, contract, CPU)(voxels))
    assert predictor.backend.name == "torch"
    log = [predictor.backend.note(), predictor.backend.note()]
    assert re.fullmatch(rf"OpenVINO cannot run this network here \(.*{reason}.*\); .*\.", log[0])
    assert log[1] == "" and "\n" not in log[0]


@needs_openvino
def test_torch_goes_on_when_openvino_runs_out_of_memory(monkeypatch):
    ct, loaded = phantom_ct(), LoadedModel.load("ct-to-pet")
    made = OpenVinoBackend._for
    failing = []

    def fails(self, image):
        failing.append(failing[0] if failing else Failing(made(self, image)))
        return failing[0]

    monkeypatch.setattr(OpenVinoBackend, "_for", fails)
    log = []
    made_by_both = synthesize(ct, loaded, device="cpu", progress=Progress(log=log.append))
    assert log == ["OpenVINO cannot run this network here (bad allocation); PyTorch runs it, more slowly."]
    assert made_by_both.metadata["log"] == log and made_by_both.metadata["backend"] == "torch"
    assert difference(made_by_both, by_torch(monkeypatch, ct, loaded)) < TOLERANCE
    synthesize(ct, loaded, device="cpu", progress=Progress(log=log.append))
    assert len(log) == 1, "said once"


@needs_openvino
def test_cancelling_in_the_middle_leaves_nothing_under_way():
    loaded, ct = LoadedModel.load("ct-to-pet"), sample_ct(slice(30, 40))
    reports = []

    def stop(fraction, message):
        reports.append(message)
        if message.startswith("Slice") and len([each for each in reports if each.startswith("Slice")]) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        synthesize(ct, loaded, device="cpu", progress=stop)
    (compiled,) = loaded._openvino._compiled.values()
    assert all(request.wait_for(0) for request in compiled._requests)
    assert synthesize(ct, loaded, device="cpu").metadata["backend"] == "openvino"


@needs_openvino
def test_an_error_in_one_image_waits_for_the_others():
    backend = OpenVinoBackend(tiny(), "waits")
    backend(noise(1))
    (compiled,) = backend._compiled.values()
    with pytest.raises(RuntimeError):
        compiled(torch.zeros(4, 7, 64, 64))
    assert all(waited(request) for request in compiled._requests)


@needs_openvino
def test_another_thread_may_run_it():
    backend, made = OpenVinoBackend(tiny(), "threads"), []
    thread = threading.Thread(target=lambda: made.append(backend(noise())))
    thread.start()
    thread.join(120)
    assert made and backend.name == "openvino"


@needs_openvino
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_computes_by_torch():
    network = tiny()
    backend = OpenVinoBackend(network, "forked")
    expected = backend(noise())[0]
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with torch.no_grad():
                same = torch.allclose(backend(noise())[0], expected, atol=1e-5)
                status = int(not same or backend.name != "torch")
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert torch.equal(backend(noise())[0], expected) and backend.name == "openvino"


PROCESS = """
import sys
{first}
import torch
from medsynth_core.inference.backends import OpenVinoBackend
kept = OpenVinoBackend(torch.nn.Conv2d(1, 1, 3, padding=1).eval(), "process")
kept(torch.rand(2, 1, 16, 16))
assert kept.name == "openvino", kept.note()
assert sys.modules["openvino.tools.ovc.telemetry_utils"].tm.__name__.endswith("stub")
{last}
print("done")
"""
FORKS = """
import os
child = os.fork()
if child == 0:
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
kept(torch.rand(2, 1, 16, 16))
"""
RUNS_ON = """
import threading, time
images = torch.rand(8, 1, 64, 64)
def forever():
    while True:
        kept(images)
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.3)
"""


@needs_openvino
@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("", ""),
        ("import openvino", ""),
        pytest.param("", FORKS, marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")),
        ("", RUNS_ON),
    ],
)
def test_a_process_ends_without_complaint_and_sends_no_statistics(first, last, tmp_path):
    """OpenVINO keeps an identifier in the folder ``intel`` of the user when a program of others imports it."""
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "MEDSYNTH_MODELS": str(tmp_path / "library")}
    environment = {**os.environ, **home, "PYTHONPATH": str(Path(backends.__file__).parents[2])}
    environment.pop("CI", None)
    command = [sys.executable, "-c", PROCESS.format(first=first, last=last)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert (tmp_path / "intel").exists() == bool(first)
    assert (tmp_path / "library" / ".compiled").is_dir()


def test_torch_can_be_chosen_and_other_words_are_refused(monkeypatch):
    loaded = LoadedModel.load("ct-to-pet")
    monkeypatch.setenv("MEDSYNTH_BACKEND", "torch")
    assert isinstance(loaded.predictor("cpu").backend, TorchBackend)
    monkeypatch.setenv("MEDSYNTH_BACKEND", "onnx")
    with pytest.raises(MedSynthError, match="MEDSYNTH_BACKEND is 'onnx'; set it to torch or openvino"):
        loaded.predictor("cpu")


@pytest.mark.parametrize("version", ["", "2024.6.0"])
def test_torch_computes_where_openvino_is_missing_or_too_old(version, monkeypatch):
    monkeypatch.setattr(openvino, "installed_version", lambda: version)
    loaded = LoadedModel.load("ct-to-pet")
    assert isinstance(loaded.predictor("cpu").backend, TorchBackend)
    monkeypatch.setenv("MEDSYNTH_BACKEND", "openvino")
    with pytest.raises(MedSynthError, match="OpenVINO 2025 or newer is not installed"):
        loaded.predictor("cpu")


@needs_openvino
def test_the_default_batch_has_two_slices_for_each_stream(monkeypatch):
    for threads, slices in ((1, 2), (2, 4), (64, 16)):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert LoadedModel.load("ct-to-pet").predictor("cpu").batch_size == slices
    assert LoadedModel.load("low-dose-pet").predictor("cpu").batch_size == 1
