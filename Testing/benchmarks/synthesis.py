"""Synthesis of the sample case, file to file, against a plain PyTorch loop over the same slices with the same network.

Run with ``python Testing/benchmarks/synthesis.py``. Both are run in turn, each in processes of their own, after Python
and the libraries have started: the loop gets slices that are prepared already and returns its answers, while the
pipeline reads the CT, loads the model, prepares, predicts, returns to the CT's grid and writes the PET. Peak memory is
the process's, above what it had after the imports.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
CT = ROOT / "Resources" / "SampleCase" / "ct.nii.gz"
MODEL = "ct-to-pet"
REPEATS = 5


def memory() -> float:
    """Return the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def loop() -> dict[str, float]:
    """Time the network alone: one slice after the other, as a first script would do it."""
    import torch
    from torch.nn.functional import pad

    from medsynth_core import load_model, read_volume
    from medsynth_core.preparation.case import prepare
    from medsynth_core.preparation.slices import neighbours

    model = load_model(MODEL)
    network, contract = model.network(), model.contract
    source = torch.from_numpy(prepare(contract.check(read_volume(CT)), contract).voxels)
    height, width = source.shape[1:]
    size = network.multiple_of
    margins = (0, -width % size, 0, -height % size)
    before, started = memory(), time.perf_counter()
    answers = []
    with torch.no_grad():
        for k in range(len(source)):
            image = neighbours(source, torch.tensor([k]), network.in_channels, contract.slices)
            image = pad(image, margins, value=contract.input.empty)
            answer = network(image)
            if contract.flip_average:
                answer = (answer + network(image.flip(-1)).flip(-1)) / 2
            answers.append(answer)
    torch.cat(answers)
    return {"seconds": time.perf_counter() - started, "megabytes": memory() - before}


def pipeline() -> dict[str, float]:
    """Time everything from file to file."""
    import medsynth_core.inference.synthesis  # noqa: F401 - start-up is not what is measured
    from medsynth_core import read_volume, synthesize, write_volume

    with tempfile.TemporaryDirectory() as folder:
        before, started = memory(), time.perf_counter()
        ct = read_volume(CT, modality="CT", unit="HU")
        write_volume(synthesize(ct, MODEL, device="cpu"), Path(folder) / "pet.nii.gz")
        return {"seconds": time.perf_counter() - started, "megabytes": memory() - before}


def main() -> None:
    """Run both in turn and print the medians and their ratio."""
    measured: dict[str, list[dict[str, float]]] = {"loop": [], "pipeline": []}
    for _ in range(REPEATS):
        for name, results in measured.items():
            done = subprocess.run(
                [sys.executable, __file__, name], capture_output=True, text=True, check=True, cwd=ROOT
            )
            results.append(json.loads(done.stdout))
    medians = {
        name: {key: round(statistics.median(result[key] for result in results), 2) for key in results[0]}
        for name, results in measured.items()
    }
    ratios = {key: round(medians["pipeline"][key] / medians["loop"][key], 2) for key in medians["loop"]}
    print(json.dumps({**medians, "pipeline over loop": ratios, "repeats": REPEATS}, indent=2))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps({"loop": loop, "pipeline": pipeline}[sys.argv[1]]()))
    else:
        main()
