"""The command tree and its error handling."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from io import TextIOWrapper
from typing import Annotated, Any, cast

import typer
from typer.exceptions import TyperException

from medsynth_core.cli import batch_command as batches
from medsynth_core.cli import clean_command as cleaning
from medsynth_core.cli import dicom_command as dicom
from medsynth_core.cli import dose_command as dose
from medsynth_core.cli import evaluate_command as evaluation
from medsynth_core.cli import generate_command as generation
from medsynth_core.cli import models_command as models
from medsynth_core.cli import pairs_command as pairs
from medsynth_core.cli import structure_command as structure
from medsynth_core.cli import suv_command as suv
from medsynth_core.cli import synthesize_command as synthesis
from medsynth_core.cli import train_command as training
from medsynth_core.cli.output import complain, print_json, print_version
from medsynth_core.errors import Cancelled, ExitStatus
from medsynth_core.failures import as_user_error, reason_of
from medsynth_core.interruption import Terminated

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("synthesize")(synthesis.synthesize)
app.command("batch")(batches.batch)
app.command("evaluate")(evaluation.evaluate)
app.command("simulate-dose")(dose.simulate_dose)
app.command("structure")(structure.structure)
app.command("generate")(generation.generate)
app.command("suv")(suv.suv)
app.command("dicom")(dicom.dicom)
app.command("train", cls=training.TrainCommand)(training.train)
app.command("networks")(training.networks)
app.command("reproduce")(training.reproduce)
app.command("clean")(cleaning.clean)
app.add_typer(models.app, name="models")
app.add_typer(pairs.app, name="pairs")


@app.callback()
def medsynth(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Medical image synthesis on the exact grid and in the units of its input."""


def run() -> int:
    """Run the command and return its `ExitStatus`.

    User errors are printed to stderr as one sentence, failures as a traceback. With ``--json``, an object with the key
    ``error`` is also printed to stdout.
    """
    _prepare_streams()
    try:
        status = _run_command()
        if status == ExitStatus.SUCCESS:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output has ended.
        status = ExitStatus.FAILURE
    except OSError as error:
        complain(f"The output of the command cannot be written: {reason_of(error)}.")
        status = ExitStatus.USER_MISTAKE
    _discard_unwritten()
    return status


def _prepare_streams() -> None:
    """Make stdout and stderr safe to print to: they may be closed, or unable to show a file name."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open until the process ends
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _discard_unwritten() -> None:
    """Redirect a stdout that cannot be written to, so that closing it raises no second error."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run_command() -> int:
    try:
        status = app(standalone_mode=False) or 0
        return _cancelled() if status == ExitStatus.CANCELLED else status  # to which typer turns Ctrl-C
    except TyperException as error:
        return _refuse_usage(cast(Any, error))
    except (KeyboardInterrupt, typer.Abort, Cancelled):
        return _cancelled()
    except Terminated as stop:
        complain("Stopped by a signal.")
        _print_error("cancelled", "Stopped by a signal.")
        return int(cast(int, stop.code))
    except BrokenPipeError:
        raise
    except Exception as error:
        return _report(error)


def _cancelled() -> int:
    complain("Cancelled.")
    _print_error("cancelled", "Cancelled.")
    return ExitStatus.CANCELLED


def _refuse_usage(error: Any) -> int:
    """Print why options or arguments cannot be used; the public base class does not declare these methods."""
    message = error.format_message()
    if getattr(error, "ctx", None) is None or type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        complain(error.ctx.get_usage())
        complain(f"{message} Try: {error.ctx.command_path} --help")
    _print_error("input", message)
    return int(error.exit_code)


def _report(failure: Exception) -> int:
    error = as_user_error(failure)
    if error is None:
        traceback.print_exc()
        _print_error("failure", f"MedSynth failed: {type(failure).__name__}: {failure}")
        return ExitStatus.FAILURE
    complain(" ".join(part for part in (error.message, error.hint) if part))
    _print_error(error.kind, error.message, error.hint)
    return ExitStatus.USER_MISTAKE


def _print_error(kind: str, message: str, hint: str = "") -> None:
    if "--json" in sys.argv:
        with suppress(OSError):  # the error that stderr has reported may be that of stdout
            print_json({"error": {"kind": kind, "message": message, "hint": hint}})
