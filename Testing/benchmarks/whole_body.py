"""Memory, time and response to Cancel of a 3-D model on a whole body of 400 × 400 × 1000 voxels, on the CPU.

Run with ``python Testing/benchmarks/whole_body.py [MODEL] [SLICES]``; MODEL is a name in the library or the folder of
a package (``low-dose-pet`` by default), SLICES fewer than 1000 for a quick look. The body is made of an elliptic trunk
with hot spots and noise, in voxels of 3 mm. It is written to a file and synthesized from file to file, uncertainty
included, in a process of its own, whose peak memory is that of the whole process, Python and torch included. Then the
same is begun again and asked to stop in the middle of a slab. Because air around a patient is left out, memory is also
measured of one who fills the whole plane, in some slices, as air takes no time.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

SHAPE = (1000, 400, 400)
BUDGET_GIB = 6.0
# Slices of a body that fills the plane.
WIDE = 32


def whole_body(slices: int, wide: bool = False):
    """Return the PET of a body of uptake 1 with hot spots and the noise of a low dose, SUVbw.

    A ``wide`` one reaches from edge to edge of the plane, in some slices in the middle.
    """
    from medsynth_core import Volume

    random = np.random.default_rng(0)
    j, i = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE[1:]], indexing="ij")
    body = np.ones(i.shape, dtype=bool) if wide else (i / 0.55) ** 2 + (j / 0.35) ** 2 < 1
    voxels = np.zeros((slices, *SHAPE[1:]), dtype=np.float32)
    for k in range(slices // 2 - WIDE // 2, slices // 2 + WIDE // 2) if wide else range(20, slices - 20):
        voxels[k] = np.where(body, np.maximum(random.normal(1, 0.4, body.shape), 0), 0)
    for _ in range(30):
        k, j0, i0 = random.integers(24, slices - 24), random.integers(150, 250), random.integers(120, 280)
        voxels[k - 3 : k + 4, j0 - 3 : j0 + 4, i0 - 3 : i0 + 4] += random.uniform(3, 15)
    return Volume(voxels, np.diag([-3.0, -3.0, 3.0, 1.0]), "PT", "SUVbw")


def run(model: str, source: Path, target: Path) -> None:
    """Synthesize from file to file and print what it took."""
    from medsynth_core import read_volume, synthesize, write_volume

    started = time.perf_counter()
    pet = read_volume(source, modality="PT", unit="SUVbw")
    result = synthesize(pet, model, device="cpu", uncertainty=True)
    seconds = time.perf_counter() - started
    write_volume(result, target)
    write_volume(result.uncertainty, target.with_name("error.nii"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    log = result.metadata["log"]
    print(json.dumps({"peak_gib": round(peak, 2), "synthesis_seconds": round(seconds, 1), "log": log}))


def cancel(model: str, source: Path) -> None:
    """Ask a running synthesis to stop, and print the seconds until it has, and those that one slab takes."""
    from medsynth_core import Cancelled, Progress, read_volume, synthesize

    asked = threading.Event()
    times: list[float] = []

    def progress(fraction: float, message: str) -> None:
        if message.startswith("Slab"):
            times.append(time.perf_counter())
        if asked.is_set():
            raise Cancelled
        if len(times) == 3:
            threading.Timer((times[2] - times[1]) / 2, ask).start()

    def ask() -> None:
        moments.append(time.perf_counter())
        asked.set()

    moments: list[float] = []
    try:
        synthesize(read_volume(source, modality="PT", unit="SUVbw"), model, device="cpu", progress=Progress(progress))
    except Cancelled:
        stopped = time.perf_counter() - moments[0]
        print(json.dumps({"slab_seconds": round(times[2] - times[1], 2), "cancelled_after": round(stopped, 2)}))


def measured(*arguments: str) -> dict[str, object]:
    """Run this file in a process of its own and return what it prints."""
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure and print."""
    from medsynth_core import write_volume

    model = sys.argv[1] if len(sys.argv) > 1 else "low-dose-pet"
    slices = int(sys.argv[2]) if len(sys.argv) > 2 else SHAPE[0]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "body.nii"), Path(folder, "result.nii")
        write_volume(whole_body(slices), source)
        found = measured("run", model, str(source), str(target))
        stopped = measured("cancel", model, str(source))
        write_volume(whole_body(slices, wide=True), source)
        wide = measured("run", model, str(source), str(target))
    print(f"400 × 400 × {slices} voxels, {model}, CPU")
    print(f"peak memory of the process: {found['peak_gib']} GiB (at most {BUDGET_GIB:g})")
    print(f"peak memory with a body that fills the plane: {wide['peak_gib']} GiB")
    print(f"synthesis: {found['synthesis_seconds']} s")
    print(f"a slab: {stopped['slab_seconds']} s; cancelled {stopped['cancelled_after']} s after it was asked")
    for line in found["log"]:
        print(f"  {line}")
    if max(found["peak_gib"], wide["peak_gib"]) > BUDGET_GIB:
        sys.exit(f"More than {BUDGET_GIB:g} GiB of memory.")
    if stopped["cancelled_after"] > stopped["slab_seconds"] + 1:
        sys.exit("Cancelled more than a second after the slab that was being computed.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    elif sys.argv[1:2] == ["cancel"]:
        cancel(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
