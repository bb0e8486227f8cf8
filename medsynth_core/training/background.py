"""A training in a process of its own that outlives the program that started it.

``python -m medsynth_core.training.background REQUEST.json``, where the request is::

    {"recipe": FILE, "data": MANIFEST.csv, "output": RUN, "resume": false, "device": "auto"}

What happens is written to ``RUN/events.jsonl``: ``started``, ``progress``, ``metric``, ``preview``, ``device``,
``log``, and at the end ``done``, ``error`` or ``cancelled`` (see `medsynth_core.training.watching`).
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

from medsynth_core.errors import Cancelled, MedSynthError
from medsynth_core.training.journal import append_event
from medsynth_core.training.watching import RunWatch


def main(request: Path) -> int:
    """Run the training of a request and return the exit status: 0, 2 (user's mistake), 1 (failure) or 130 (stopped)."""
    wanted = json.loads(request.read_text(encoding="utf-8"))
    output = Path(wanted["output"])
    watch = RunWatch(output)
    watch.events()
    try:
        from medsynth_core.training.train import train

        train(
            wanted["recipe"],
            wanted["data"],
            output,
            resume=wanted.get("resume", False),
            device=wanted.get("device", "auto"),
        )
    except Cancelled:
        return 130
    except MedSynthError as error:
        # A training tells of its own errors; what goes wrong before it has the folder is told here, unless another
        # training has it.
        if not watch.running() and not any(event["event"] == "error" for event in watch.events()):
            append_event(output, "error", kind=error.kind, message=error.message, hint=error.hint)
        return 2
    except Exception as error:
        # The window that watches must learn of it; the traceback goes to the console's file.
        traceback.print_exc()
        message = f"The training failed: {type(error).__name__}: {error}."
        append_event(output, "error", kind="failure", message=message, hint="Its console.log says where.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
