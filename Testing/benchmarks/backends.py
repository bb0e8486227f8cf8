"""OpenVINO and PyTorch on the CPU, against a plain PyTorch loop that gives the network one image after the other.

    python Testing/benchmarks/backends.py

The loop gets exactly the images that the predictor makes of the sample case: slices in their frames, flipped ones too,
or slabs. All three have compiled and warmed up, and run in turn. A run with --slices only prints its figures. The
results are in docs/results/benchmarks.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from results_file import spread, write_figures
from torch import Tensor, nn

from medsynth_core import create_network, load_model, read_volume
from medsynth_core.compute.openvino import installed_version
from medsynth_core.inference.backends import OpenVinoBackend, TorchBackend
from medsynth_core.inference.predictor import create_predictor
from medsynth_core.preparation.case import prepare
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.resources import resource_folder

CPU, REPEATS = torch.device("cpu"), 5
BUNDLED = {"ct-to-pet": "ct", "ct-to-mr": "ct", "low-dose-pet": "pet"}
# Networks with weights at random, on the prepared CT of ct-to-pet in frames of 256².
UNTRAINED: dict[str, dict[str, Any]] = {"unet256": {}, "cascade-compact": {"stages": 3}, "unet-ctmr": {}}
FRAME = 256


class Recorder(TorchBackend):
    """Keeps the images that the network gets."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.images: list[Tensor] = []

    def __call__(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Keep an image and return the output."""
        self.images.append(image.clone())
        return super().__call__(image)


def prepared(name: str, slices: int | None) -> np.ndarray:
    """Return the prepared voxels (inputs, k, j, i) of the sample case for a bundled model, or some of its slices."""
    contract = load_model(name).synthesis.contract
    modality, unit = contract.input.modality, contract.input.unit
    volume = read_volume(resource_folder() / "SampleCase" / f"{BUNDLED[name]}.nii.gz", modality=modality, unit=unit)
    whole = prepare({contract.input_role: volume}, contract).narrowed(contract).stacked
    middle = whole.shape[1] // 2
    return whole if slices is None else whole[:, middle : middle + slices]


def measured(make: Callable[[], nn.Module], contract: SynthesisContract, voxels: np.ndarray) -> dict[str, Any]:
    """Time the loop, the predictor with PyTorch and that with OpenVINO in turn.

    Args:
        make: returns the network, always with the same weights; each of the three has its own.
        contract: of the predictors.
        voxels: (inputs, k, j, i) prepared.
    """
    recorder, plain = Recorder(make()), make()
    create_predictor(make(), contract, CPU, 1, recorder)(voxels)
    network = make()
    openvino = OpenVinoBackend(network, "")
    runs: dict[str, Callable[[], Any]] = {
        "loop": partial(_loop, plain, recorder.images),
        "torch": partial(create_predictor(make(), contract, CPU), voxels),
        "openvino": partial(create_predictor(network, contract, CPU, None, openvino), voxels),
    }
    started = time.perf_counter()
    answers = {name: run() for name, run in runs.items() if name != "loop"}
    compiling = time.perf_counter() - started
    assert openvino.name == "openvino", openvino.note()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(REPEATS):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    pairs = {name: np.array(seconds[name]) / np.array(seconds["openvino"]) for name in ("loop", "torch")}
    return {
        "images": len(recorder.images),
        "loop seconds": spread(seconds["loop"]),
        "loop over openvino": spread(pairs["loop"].tolist(), 2),
        "torch over openvino": spread(pairs["torch"].tolist(), 2),
        "greatest difference over range": float(
            f"{np.abs(answers['torch'] - answers['openvino']).max() / np.ptp(answers['torch']):.1e}"
        ),
        "seconds of the first runs, with compiling": round(compiling, 1),
    }


@torch.inference_mode()
def _loop(network: nn.Module, images: list[Tensor]) -> None:
    run = TorchBackend(network)
    for image in images:
        run(image)


def untrained(name: str) -> nn.Module:
    """Return a network with weights at random, always the same."""
    torch.manual_seed(0)
    return create_network(name, **UNTRAINED[name]).eval()


def compare(names: list[str], slices: int | None) -> dict[str, Any]:
    """Measure the named models and networks."""
    found = {}
    for name in names:
        if name in BUNDLED:
            model = load_model(name)
            found[name] = measured(model.network, model.synthesis.contract, prepared(name, slices))
        else:
            contract = load_model("ct-to-pet").synthesis.contract
            framed = contract.model_copy(update={"frame": FRAME, "flip_average": False})
            found[name] = measured(partial(untrained, name), framed, prepared("ct-to-pet", slices))
        print(name, found[name], flush=True)
    return found


def main() -> None:
    """Measure, and write the figures if all slices were used."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, help="only so many slices from the middle, without a record")
    parser.add_argument("names", nargs="*", default=[*BUNDLED, *UNTRAINED])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as library:
        os.environ["MEDSYNTH_MODELS"] = library
        found = compare(options.names, options.slices)
    if options.slices is None:
        shared = {"openvino": installed_version(), "threads": torch.get_num_threads(), "repeats": REPEATS}
        write_figures("backends", "python Testing/benchmarks/backends.py", {**shared, **found})


if __name__ == "__main__":
    main()
