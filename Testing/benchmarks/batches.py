"""Batches of 200 small studies of real voxels, 5 of them broken: with kills, and against a warm loop.

    python Testing/benchmarks/batches.py kills      # four processes, of which one is killed every 10 seconds
    python Testing/benchmarks/batches.py overhead   # one process, no kills, against a loop with the model in memory

Both run on the CPU. The results are in docs/results/benchmarks.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from distributed import Client
from real_studies import write_real_studies
from results_file import spread, write_figures

import medsynth_core as ms
from medsynth_core.batches.cluster import connected
from medsynth_core.inference.loaded_model import LoadedModel

MODEL, BROKEN, REPEATS = "ct-to-pet", 5, 5


class Killer(threading.Thread):
    """Kills a worker process of a cluster every few seconds, and notes which studies it held."""

    def __init__(self, client: Client, every: float) -> None:
        super().__init__(daemon=True)
        self.client, self.every = client, every
        self.held: list[int] = []
        self.stopped = threading.Event()
        self.random = random.Random(0)

    def run(self) -> None:
        """Kill until stopped."""
        while not self.stopped.wait(self.every):
            pids = self.client.run(os.getpid)
            studies = self.client.processing()
            address = self.random.choice(sorted(pids))
            os.kill(pids[address], signal.SIGKILL)
            self.held.append(len(studies.get(address, ())))


def complete(output: Path, studies: Path) -> tuple[int, list[str]]:
    """Return how many studies have a result on their own grid, and what else lies in the folder of the results."""
    whole, others = 0, []
    for path in sorted(output.iterdir()):
        image, source = path / f"{path.name}_pet.nii.gz", studies / f"{path.name}.nii.gz"
        if path.is_dir() and image.is_file() and {file.name for file in path.iterdir()} == _names(path.name):
            found, given = nib.load(image), nib.load(source)
            assert found.shape == given.shape, path
            assert np.allclose(found.affine, given.affine, atol=1e-4), path
            assert np.isfinite(np.asarray(found.dataobj)).all(), path
            whole += 1
        else:
            others.append(path.name)
    return whole, others


def _names(study: str) -> set[str]:
    return {f"{study}_pet.nii.gz", f"{study}_pet.json"}


def kills(folder: Path, count: int, processes: int, every: float, size: tuple[int, int, int]) -> dict[str, Any]:
    """Run a batch whose processes are killed one after the other."""
    studies = write_real_studies(folder / "studies", count, BROKEN, size)
    with connected(processes) as client:
        killer = Killer(client, every)
        killer.start()
        started = time.monotonic()
        found = ms.batch(studies, folder / "results", MODEL, device="cpu", scheduler=client.scheduler.address)
        seconds = time.monotonic() - started
        killer.stopped.set()
        killer.join()
    whole, others = complete(folder / "results", studies)
    again = ms.batch(studies, folder / "results", MODEL, device="cpu")
    return {
        "studies": count,
        "broken": BROKEN,
        "processes": processes,
        "seconds": round(seconds, 1),
        "kills": len(killer.held),
        "studies held by a killed process": killer.held,
        "results": whole,
        "made": len(found.made),
        "found there, of a process that died after it had written them": len(found.there),
        "failed": found.failed,
        "other things in the folder": others,
        "made by a second run": len(again.made),
    }


def overhead(folder: Path, count: int, size: tuple[int, int, int]) -> dict[str, Any]:
    """Time a batch and a loop over the same studies in turn, with the same network in memory."""
    studies = write_real_studies(folder / "studies", count, 0, size)
    paths, loaded = sorted(studies.iterdir()), LoadedModel.load(MODEL)
    _loop(paths[:2], folder / "warm", loaded)
    ratios, loops = [], []
    for number in range(REPEATS):
        started = time.perf_counter()
        _loop(paths, folder / f"loop-{number}", loaded)
        middle = time.perf_counter()
        ms.batch(studies, folder / f"batch-{number}", loaded, device="cpu")
        loops.append(middle - started)
        ratios.append((time.perf_counter() - middle) / loops[-1])
    return {"studies": count, "size": size, "loop seconds": round(statistics.median(loops), 2),
            "time of the batch over that of the loop": spread(ratios), "repeats": REPEATS}  # fmt: skip


def _loop(paths: list[Path], output: Path, loaded: LoadedModel) -> None:
    """Synthesize one file after the other, as a script would."""
    output.mkdir()
    for path in paths:
        ct = ms.read_volume(path, modality="CT", unit="HU")
        ms.write_volume(ms.synthesize(ct, loaded, device="cpu"), output / path.name)


def main() -> None:
    """Run one of the two and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("kills", "overhead"))
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two kills")
    parser.add_argument("--size", type=int, nargs=3, default=(96, 96, 8), metavar=("X", "Y", "Z"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.kind == "kills":
            found = kills(Path(folder), options.studies, options.processes, options.every, tuple(options.size))
        else:
            found = overhead(Path(folder), options.studies, tuple(options.size))
    write_figures(f"batches-{options.kind}", f"python Testing/benchmarks/batches.py {options.kind}", found)


if __name__ == "__main__":
    main()
