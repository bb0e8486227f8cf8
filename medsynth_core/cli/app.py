"""The command's tree, and what its exit status means."""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any, cast

import typer
from typer.exceptions import TyperException

from medsynth_core.cli import dicom, dose, evaluation, models, pairs, suv, synthesis, training
from medsynth_core.errors import Cancelled, MedSynthError

USER_MISTAKE, FAILURE, CANCELLED = 2, 1, 130

app = typer.Typer(
    help="Medical image synthesis on the exact grid and in the units of its input.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("synthesize")(synthesis.synthesize)
app.command("evaluate")(evaluation.evaluate)
app.command("simulate-dose")(dose.simulate_dose)
app.command("suv")(suv.suv)
app.command("dicom")(dicom.dicom)
app.command("train", cls=training.TrainCommand)(training.train)
app.command("networks")(training.networks)
app.command("reproduce")(training.reproduce)
app.add_typer(models.app, name="models")
app.add_typer(pairs.app, name="pairs")


def run() -> int:
    """Run the command and return its exit status.

    0 when all went well, 2 for a mistake of the user's (one sentence on stderr), 1 for a failure (with its traceback),
    130 when cancelled. With ``--json`` whatever is not 0 is also an object with the key ``error`` on stdout.
    """
    try:
        return app(standalone_mode=False) or 0
    except TyperException as error:
        usage = cast(Any, error)  # its public name does not declare what every such error has
        usage.show()
        _tell_machines("input", usage.format_message())
        return int(usage.exit_code)
    except (KeyboardInterrupt, typer.Abort, Cancelled):
        print("Cancelled.", file=sys.stderr)
        _tell_machines("cancelled", "Cancelled.")
        return CANCELLED
    except MedSynthError as error:
        print(" ".join(part for part in (error.message, error.hint) if part), file=sys.stderr)
        _tell_machines(error.kind, error.message, error.hint)
        return USER_MISTAKE
    except BrokenPipeError:
        # Whoever read the output has gone; closing it again would only complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except Exception as error:
        traceback.print_exc()
        _tell_machines("failure", f"MedSynth failed: {type(error).__name__}: {error}")
        return FAILURE


def _tell_machines(kind: str, message: str, hint: str = "") -> None:
    if "--json" in sys.argv:
        print(json.dumps({"error": {"kind": kind, "message": message, "hint": hint}}))
