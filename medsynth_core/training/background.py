"""A training in a separate process that continues when the program that started it ends.

``python -m medsynth_core.training.background REQUEST.json``, with the request::

    {"recipe": FILE, "data": MANIFEST.csv, "output": RUN, "resume": false, "device": "auto"}

Events are written to ``RUN/events.jsonl``: ``started``, ``progress``, ``metric``, ``preview``, ``device``, ``log``,
and finally ``done``, ``error`` or ``cancelled`` (see `medsynth_core.training.run_watch`).
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any, cast

from medsynth_core.errors import Cancelled, ExitStatus, MedSynthError
from medsynth_core.failures import as_user_error, reason_of
from medsynth_core.interruption import Terminated, raise_on_termination
from medsynth_core.io.json_reading import read_json
from medsynth_core.training.event_log import append_event
from medsynth_core.training.run_watch import TRACEBACK_HINT, RunWatch


def main(request: Path) -> int:
    """Run the training of a request and return its `ExitStatus`; 129 or 143 if a signal stopped it."""
    try:
        wanted = read_request(request)
    except MedSynthError as error:  # there is no run folder to log it in
        print(error.message, file=sys.stderr)
        return ExitStatus.USER_MISTAKE
    output = Path(wanted["output"])
    watch = RunWatch(output)
    watch.events()
    try:
        from medsynth_core.training.train import train

        train(
            wanted["recipe"],
            wanted["data"],
            output,
            resume=wanted["resume"],
            device=wanted["device"],
        )
    except (Cancelled, KeyboardInterrupt, Terminated) as stop:
        _end(watch, "cancelled")
        return int(cast(int, stop.code)) if isinstance(stop, Terminated) else ExitStatus.CANCELLED
    except Exception as failure:
        return _report(watch, failure)
    return ExitStatus.SUCCESS


def read_request(file: Path) -> dict[str, Any]:
    """Return the request in a file, with ``recipe``, ``data`` and ``output`` as paths, ``resume`` and ``device``.

    Raises:
        MedSynthError: the file cannot be read, or a value is missing or has the wrong type.
    """
    try:
        content = read_json(file)
    except OSError as error:
        raise MedSynthError(f"The request {file} cannot be read: {reason_of(error)}.") from error
    except ValueError as error:
        raise MedSynthError(f"The request {file} is damaged: {error}; start the training again.") from error
    wanted = {"resume": False, "device": "auto", **content} if isinstance(content, dict) else {}
    texts = all(isinstance(wanted.get(key), str) and wanted[key] for key in ("recipe", "data", "output", "device"))
    if not texts or not isinstance(wanted["resume"], bool):
        raise MedSynthError(f"The request {file} does not state recipe, data and output; start the training again.")
    return wanted


def _report(watch: RunWatch, failure: Exception) -> int:
    """Log why a training failed: the watching window must be informed."""
    error = as_user_error(failure)
    if error is not None:
        _end(watch, "error", kind=error.kind, message=error.message, hint=error.hint)
        return ExitStatus.USER_MISTAKE
    traceback.print_exception(failure)  # to console.log
    message = f"The training failed: {type(failure).__name__}: {failure}."
    _end(watch, "error", kind="failure", message=message, hint=TRACEBACK_HINT)
    return ExitStatus.FAILURE


def _end(watch: RunWatch, event: str, **content: str) -> None:
    """Log how a training ended that did not hold its folder yet, and so could not log it itself."""
    if not watch.running() and not any(logged["event"] == event for logged in watch.events()):
        append_event(watch.folder, event, **content)


if __name__ == "__main__":
    raise_on_termination()
    sys.exit(main(Path(sys.argv[1])))
