"""The part of the panel that follows a job: the button Apply or Cancel, progress bar, status line and log."""

import logging
from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthLib.job import State
from MedSynthLib.job_runner import JobRunner
from MedSynthLib.messages import asItIs
from MedSynthLib.time_left import TimeLeft

STEPS = 1000


class JobSection:
    """Starts jobs of a logic and shows how far they are.

    Args:
        ui: the panel's widgets: ``applyButton``, ``progressBar``, ``statusLabel`` and ``logTextEdit``.
        logic: runs the jobs.
        onChanged: called when a job has started, is being cancelled, or has ended.
    """

    def __init__(self, ui, logic: JobRunner, onChanged: Callable[[], None]) -> None:
        self._ui, self._logic, self._onChanged = ui, logic, onChanged
        self._timeLeft, self._closed = TimeLeft(), False

    def close(self) -> None:
        """Show nothing from now on: the widgets may be gone."""
        self._closed = True

    def start(self, run: Callable[..., Any], onFinished: Callable[..., None], *arguments: Any, **options: Any) -> None:
        """Start a job and follow it until it has finished.

        Args:
            run: method of the logic that starts the job.
            onFinished: called once as ``onFinished(result, error)``, also when the job cannot be started.
            arguments: positional arguments of ``run``.
            options: keyword arguments of ``run``.
        """
        self._timeLeft = TimeLeft()
        self._ui.progressBar.value = 0
        self.say(_("Starting the worker process…"))
        calls = {"onProgress": self._onProgress, "onLog": self.log, "onFinished": onFinished}
        try:
            run(*arguments, **options, waitForCompletion=False, **calls)
        except MedSynthError as problem:
            onFinished(None, problem)
        except Exception as problem:  # what follows the job must hear of its end in any case
            logging.exception("MedSynth: a job could not be started.")
            onFinished(None, _notStarted(problem))
        self._onChanged()

    def cancel(self) -> None:
        """Cancel the running job."""
        self._logic.cancel()
        self.say(_("Cancelling…"))
        self._onChanged()

    def end(self, message: str) -> None:
        """Show how a job has ended."""
        if self._closed:
            return
        self.say(message)
        self.log(message)
        self._onChanged()

    def say(self, text: str) -> None:
        """Show a sentence in the status line."""
        if not self._closed:
            self._ui.statusLabel.text = text

    def log(self, message: str) -> None:
        """Add a line to the log."""
        if not self._closed:
            self._ui.logTextEdit.appendPlainText(message)

    def update(self, fits: bool, reason: str) -> None:
        """Show the state of the job at the button and the progress bar.

        Args:
            fits: whether a synthesis can be started.
            reason: why not, in a sentence.
        """
        button, running = self._ui.applyButton, self._logic.isRunning
        button.text = _("Cancel") if running else _("Apply")
        button.enabled = self._logic.state is not State.CANCELLING if running else fits
        button.toolTip = (
            _("Cancel the running job.") if running else _("Make the synthetic image.") if fits else asItIs(reason)
        )
        self._ui.progressBar.visible = running

    def _onProgress(self, fraction: float, message: str) -> None:
        if self._closed:
            return
        self._ui.progressBar.value = round(STEPS * fraction)
        if self._logic.state is State.RUNNING:
            self.say(" – ".join(part for part in (message, self._timeLeft.text(fraction)) if part))


def _notStarted(problem: Exception) -> MedSynthError:
    return MedSynthError(
        _("The job could not be started: {reason}.").format(reason=str(problem) or type(problem).__name__),
        hint=_("Report it with Slicer's log."),
    )
