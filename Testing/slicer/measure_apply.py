"""How long a user waits: python Testing/slicer/measure_apply.py

Measures, in the test application, the time from Apply to the first progress, for the first synthesis of a session and
for those that follow, and what the two modules add to Slicer's start, when Slicer imports them and makes their
descriptions. The figures are in docs/results/benchmarks/apply.json.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "benchmarks")]

import application  # noqa: E402 - the folder must be importable first

application.start()

import SampleData  # noqa: E402 - these exist once the application has started
from results_file import spread, write_figures  # noqa: E402
from scene_helpers import closePanel, waitUntil  # noqa: E402

REPEATS = 5
START = """
import sys, time
sys.path.insert(0, {folder!r})
import application
application.start()
started = time.perf_counter()
application.loadModule({module!r})
print(1000 * (time.perf_counter() - started))
"""


def first_progress(panel) -> float:
    """Press Apply, wait for the end, and return the seconds until the first progress."""
    seen: list[float] = []
    original = panel._jobs._onProgress
    panel._jobs._onProgress = lambda *what: (seen.append(time.perf_counter()), original(*what))
    started = time.perf_counter()
    panel.ui.applyButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, 300)
    panel._jobs._onProgress = original
    return seen[0] - started


def start_of(module: str) -> list[float]:
    """Return the milliseconds that a module adds to the start, in several processes."""
    script = START.format(folder=str(Path(__file__).parent), module=module)
    return [
        float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
        for _ in range(REPEATS)
    ]


def main() -> None:
    """Measure, and write the figures."""
    module = application.loadModule("MedSynth")
    ct = SampleData.downloadSamples("MedSynthSarcoma")[0]
    panel = module.MedSynthWidget()
    panel.enter()
    panel.ui.inputVolumeSelector.setCurrentNode(ct)
    waits = [first_progress(panel) for _ in range(REPEATS + 1)]
    closePanel(panel)
    figures = {
        "seconds from the first Apply to progress": round(waits[0], 3),
        "seconds from the next Apply to progress": spread(waits[1:]),
        "milliseconds that a module adds to the start": {
            name: spread(start_of(name), 1) for name in ("MedSynth", "MedSynthTrain")
        },
    }
    write_figures("apply", "python Testing/slicer/measure_apply.py", figures)


if __name__ == "__main__":
    main()
