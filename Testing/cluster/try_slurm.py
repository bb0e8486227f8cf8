"""Tries the scripts of docs/cluster on a real SLURM of one node: python Testing/cluster/try_slurm.py [TRIAL …].

Trials: ``array`` and ``dask`` run a batch of 200 small studies of real voxels, 5 of them broken, in four jobs, of which
a process is killed every few seconds; ``train`` trains in two processes under a time limit of two minutes until the
training has ended. Needs root, Debian's packages slurm-wlm and munge, and ``pip install dask-jobqueue``. The figures
are in docs/results/benchmarks/slurm-TRIAL.json.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "Testing" / "benchmarks"))

import nibabel as nib  # noqa: E402 - after the folder of the benchmarks
import numpy as np  # noqa: E402
from batches import BROKEN, MODEL, complete  # noqa: E402
from one_node_slurm import one_node, submit, wait_for  # noqa: E402
from real_studies import SAMPLE, write_real_studies  # noqa: E402
from results_file import write_figures  # noqa: E402

from medsynth_core.io.table import read_rows  # noqa: E402
from medsynth_core.recipes.recipe import read_recipe, write_recipe  # noqa: E402

SCRIPTS = ROOT / "docs" / "cluster"
JOBS, EPOCHS = 4, 60
PATIENCE_S = 3600.0


class Killer(threading.Thread):
    """Kills one of the processes whose command line contains a text every few seconds, as a full memory would."""

    def __init__(self, text: str, every: float) -> None:
        super().__init__(daemon=True)
        self.text, self.every, self.kills = text, every, 0
        self.stopped = threading.Event()
        self.random = random.Random(0)

    def run(self) -> None:
        """Kill until stopped."""
        while not self.stopped.wait(self.every):
            found = [process for process in psutil.process_iter(["cmdline", "name"]) if self._is_meant(process)]
            if found:
                with suppress(ProcessLookupError):
                    os.kill(self.random.choice(found).pid, signal.SIGKILL)
                    self.kills += 1

    def _is_meant(self, process: psutil.Process) -> bool:
        """Return whether a process is one of the jobs of this SLURM, and has the text."""
        line, name = " ".join(process.info["cmdline"] or ()), process.info["name"]
        if not name.startswith(("python", "medsynth")) or self.text not in line:
            return False
        try:
            environment = process.environ()
        except psutil.Error:
            return False
        return "SLURM_JOB_ID" in environment and environment.get("SLURM_CONF") == os.environ["SLURM_CONF"]


def array(folder: Path, count: int, every: float) -> dict[str, Any]:
    """Run the job array."""
    studies = write_real_studies(folder / "studies", count, BROKEN)
    killer, started = Killer("medsynth batch", every), time.monotonic()
    job = submit(SCRIPTS / "batch.sbatch", str(studies), str(folder / "results"), MODEL, folder=folder)
    killer.start()
    states = wait_for(job, PATIENCE_S)
    killer.stopped.set()
    return {"jobs": states, **_found(studies, folder / "results", killer, started)}


def dask(folder: Path, count: int, every: float) -> dict[str, Any]:
    """Run the batch whose workers Dask starts as jobs."""
    studies = write_real_studies(folder / "studies", count, BROKEN)
    killer, started = Killer("spawn_main", every), time.monotonic()
    killer.start()
    command = [sys.executable, str(SCRIPTS / "dask_batch.py"), str(studies), str(folder / "results"), MODEL]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        env={**os.environ, "WORKER_MEMORY": "1GB"},
    )  # fmt: skip
    killer.stopped.set()
    if done.returncode:
        raise RuntimeError(done.stderr)
    return {"printed": done.stdout.strip(), **_found(studies, folder / "results", killer, started)}


def _found(studies: Path, results: Path, killer: Killer, started: float) -> dict[str, Any]:
    whole, others = complete(results, studies)
    with (results / "failures.csv").open(encoding="utf-8") as file:
        failed = {row["case"]: row["message"] for row in csv.DictReader(file)}
    return {
        "studies": len(list(studies.iterdir())),
        "broken": BROKEN,
        "seconds": round(time.monotonic() - started, 1),
        "seconds between two kills": killer.every,
        "kills": killer.kills,
        "results": whole,
        "failed": failed,
        "other things in the folder": others,
    }


def train(folder: Path, *_: Any) -> dict[str, Any]:
    """Run the training, with a time limit of two minutes."""
    manifest = _write_cases(folder)
    recipe = read_recipe("residual-unet-baseline")
    text = {
        "title": "Trial of a job script", "description": "Two halves of the sample case.", "limits": ("No model.",),
        "data_licence": "Sample case of MedSynth; see Resources/SampleCase/NOTICE.md.", "references": (),
    }  # fmt: skip
    about = recipe.about.model_copy(update=text)
    recipe = recipe.model_copy(update={"name": "slurm", "epochs": EPOCHS, "about": about})
    write_recipe(recipe, folder / "recipe.yaml")
    started = time.monotonic()
    options = ("--time=00:02:00", "--signal=TERM@20")
    job = submit(
        SCRIPTS / "train.sbatch", str(folder / "recipe.yaml"), str(manifest), str(folder / "run"),
        folder=folder, options=options,
    )  # fmt: skip
    states = wait_for(job, PATIENCE_S)
    if not (folder / "run" / "metrics.csv").is_file():
        raise RuntimeError((folder / "train.log").read_text())
    if "after 0 restarts" in states:
        raise RuntimeError("The training ended within its time limit; give it more epochs.")
    epochs = [int(float(row["epoch"])) for row in read_rows(folder / "run" / "metrics.csv")]
    return {
        "job": states,
        "time limit": "2 minutes, SIGTERM 20 seconds before it",
        "processes": 2,
        "seconds": round(time.monotonic() - started, 1),
        "epochs of the recipe": EPOCHS,
        "epochs in metrics.csv": [epochs[0], epochs[-1], len(epochs)],
        "package": (folder / "run" / "slurm" / "configs" / "metadata.json").is_file(),
    }


def _write_cases(folder: Path) -> Path:
    """Write the lower and the upper half of the sample case as two patients, and return their manifest."""
    lines = ["case,patient,split,ct,pet"]
    for name, split, half in (("lower", "train", slice(0, 26)), ("upper", "val", slice(26, 52))):
        files = []
        for role in ("ct", "pet"):
            image = nib.load(SAMPLE.with_name(f"{role}.nii.gz"))
            affine = image.affine.copy()
            affine[:3, 3] = (image.affine @ [0, 0, half.start, 1])[:3]
            path = folder / f"{name}_{role}.nii.gz"
            nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[:, :, half], affine), path)
            files.append(path.name)
        lines.append(",".join((name, name, split, *files)))
    manifest = folder / "cases.csv"
    manifest.write_text("\n".join(lines) + "\n")
    return manifest


def main() -> None:
    """Run the trials that are asked for and write their figures."""
    trials = {"array": array, "dask": dask, "train": train}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trials", nargs="*", choices=[*trials, []], metavar="TRIAL")
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two kills")
    options = parser.parse_args()
    # The jobs need the command of this environment.
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with one_node(JOBS):
        version = subprocess.run(["sinfo", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        for name in options.trials or trials:
            with tempfile.TemporaryDirectory() as folder:
                found = trials[name](Path(folder).resolve(), options.studies, options.every)
            write_figures(f"slurm-{name}", f"python Testing/cluster/try_slurm.py {name}", {"slurm": version, **found})


if __name__ == "__main__":
    main()
