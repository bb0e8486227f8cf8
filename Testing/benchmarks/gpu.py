"""All that is to be measured on a GPU, in one run of less than ten minutes: python Testing/benchmarks/gpu.py

- the tests that use a GPU where there is one, of which one takes a training step of every preset as it ships;
- how far bfloat16 differs from single precision for each bundled model of one image, on the sample case, as PSNR over
  the range of the output (55 dB or more is wanted);
- how many slices or slabs a second each of these models computes, by the size of the batch, against one at a time, and
  which share that is of what the device gives for a large product of matrices and of what its memory allows (the
  roofline; operations counted by PyTorch, bytes at least those of weights, input and output).

The figures are in docs/results/benchmarks/gpu.json. ``--device cpu`` tries the
script itself without a GPU, and keeps no figures.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from results_file import write_figures
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from medsynth_core import read_volume
from medsynth_core.models.library import list_models, load_model
from medsynth_core.models.package import Model
from medsynth_core.preparation.case import prepare
from medsynth_core.preparation.slices import neighbours
from medsynth_core.volume import Volume

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "Resources" / "SampleCase"
FILES = {"CT": ("ct.nii.gz", "HU"), "PT": ("pet.nii.gz", "SUVbw"), "MR": ("mr_t1.nii.gz", "T1")}
TESTS = ("compute", "inference/test_slice_predictor.py", "inference/test_slab_predictor.py", "systems/test_batch.py",
         "losses/test_perceptual.py", "recipes/test_first_step.py")  # fmt: skip
BATCHES, WANTED_DB, REPEATS = (1, 2, 4, 8, 16, 32, 64), 55.0, 5
SIDE = 4096  # of the product of matrices


def tests() -> dict[str, Any]:
    """Run the tests that use a GPU, and return how many passed, and how long each preset's step took with its data."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", f"--junitxml={report}"]
        done = subprocess.run(
            [*command, *(str(ROOT / "Testing" / "core" / name) for name in TESTS)],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if not report.is_file():
            return {"failed": done.stderr.splitlines()[-3:] or done.stdout.splitlines()[-3:]}
        suite = ElementTree.parse(report).getroot()[0]
    counts = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    steps = {
        case.attrib["name"].split("[")[-1].rstrip("]"): float(case.attrib["time"])
        for case in suite
        if case.attrib["name"].startswith("test_a_preset_takes_a_step")
    }
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    return {**counts, "failed": failed, "seconds of a preset's first step, with its data": steps}


def images_of(model: Model, most: int) -> Tensor:
    """Return the network inputs that the sample case gives for a model: slices with their neighbours, or one slab."""
    contract, network = model.synthesis.contract, model.network()
    file, unit = FILES[contract.input.modality]
    volume: Volume = read_volume(SAMPLE / file, modality=contract.input.modality)
    volume = volume.replace(unit=contract.input.unit if contract.input.modality == "MR" else unit)
    voxels = torch.from_numpy(prepare(contract.check(volume), contract).voxels)
    if contract.slab is not None:
        # As many slices as a slab has, and a plane of the largest multiple that fits.
        depth, size = contract.slab.slices, int(network.multiple_of)
        rows, columns = (side // size * size for side in voxels.shape[1:])
        slabs = [voxels[start : start + depth, :rows, :columns] for start in range(0, len(voxels) - depth + 1, 2)]
        return torch.stack(slabs[:most])[:, None].float()
    size = int(network.multiple_of)
    made = [neighbours(voxels, torch.tensor([k]), network.in_channels, contract.slices) for k in range(len(voxels))]
    images = torch.cat(made[:most]).float()
    margins = (0, -images.shape[-1] % size, 0, -images.shape[-2] % size)
    return nn.functional.pad(images, margins, value=contract.input.empty)


def timed(work: Callable[[], Any], device: torch.device) -> float:
    """Return the median seconds of a piece of work after a first time that does not count."""
    seconds = []
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def decibels(found: Tensor, expected: Tensor) -> float:
    """Return the PSNR (dB) of values over the range of those that are expected."""
    error = float((found.double() - expected.double()).square().mean())
    span = float(expected.max() - expected.min())
    return math.inf if error == 0 else 10 * math.log10(span**2 / error)


def limits(device: torch.device, dtype: torch.dtype, side: int) -> dict[str, float]:
    """Return the operations a second of a large product of matrices, and the bytes a second of a copy."""
    square = torch.randn(side, side, device=device, dtype=dtype)
    product = timed(lambda: square @ square, device)
    large = torch.zeros(32 * side * side, device=device, dtype=dtype)  # larger than any cache
    copy = timed(large.clone, device)
    moved = 2 * large.numel() * large.element_size()
    return {"tflops": 2 * side**3 / product / 1e12, "gigabytes a second": moved / copy / 1e9}


@torch.inference_mode()
def measured(model: Model, device: torch.device, most: int, roof: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Return accuracy in bfloat16 and speeds of a model's network."""
    network, images = model.network().eval().to(device), images_of(model, most).to(device)
    with FlopCounterMode(display=False) as counter:
        expected = network(images[:1])
    operations = counter.get_total_flops()
    weights = sum(each.numel() for each in network.parameters())
    found: dict[str, Any] = {"image": list(images.shape[1:]), "gflop an image": operations / 1e9}
    with torch.autocast(device.type, dtype=torch.bfloat16):
        reduced = torch.cat([network(one[None]).float() for one in images])
    whole = torch.cat([network(one[None]) for one in images])
    found["bfloat16 against single precision (dB)"] = round(decibels(reduced, whole), 1)
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        speeds = {}
        for size in (size for size in BATCHES if size <= len(images)):
            try:
                with torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
                    batch = images[:size]
                    speeds[size] = size / timed(lambda batch=batch: network(batch), device)
            except torch.OutOfMemoryError:
                break
        best = max(speeds, key=lambda size: speeds[size])
        # The weights are read once a batch.
        moved = weights * 4 / best + (images[:1].numel() + expected.numel()) * dtype.itemsize
        bound = min(roof[name]["tflops"] * 1e12 / operations, roof[name]["gigabytes a second"] * 1e9 / moved)
        found[name] = {
            "images a second by the size of the batch": {size: round(value, 1) for size, value in speeds.items()},
            "best batch over one at a time": round(speeds[best] / speeds[1], 2),
            "share of the roofline": round(speeds[best] / bound, 3),
        }
    return found


def main() -> None:
    """Measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--images", type=int, default=64, help="slices or slabs of each model")
    parser.add_argument("--without-tests", action="store_true")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("There is no CUDA device here; --device cpu tries the script itself.")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    side = SIDE if device.type == "cuda" else 512
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    started = time.perf_counter()
    roof = {
        "float32": limits(device, torch.float32, side),
        "bfloat16": limits(device, torch.bfloat16, side),
    }
    names = [summary.name for summary in list_models() if summary.kind == "synthesis" and len(summary.inputs) == 1]
    models = {name: measured(load_model(name), device, options.images, roof) for name in names}
    figures = {
        "device": name, "cuda": torch.version.cuda or "", "roofline": roof, "models": models,
        "wanted (dB)": WANTED_DB, "tests": {} if options.without_tests else tests(),
        "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip
    if device.type == "cuda":
        write_figures("gpu", "python Testing/benchmarks/gpu.py", figures)
    else:
        print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
