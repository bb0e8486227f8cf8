"""A button that starts a job of its section, and cancels it while it runs."""

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from MedSynthLib.connections import Connections
from MedSynthLib.job import State
from MedSynthLib.job_section import JobSection
from MedSynthLib.messages import asItIs


class StartButton:
    """Starts a job of a section, and becomes Cancel while that job runs.

    Args:
        button: the button.
        logic: runs the jobs.
        jobs: follows them.
        text: what the button says while no job of the section runs.
        toolTip: of the button while it can be pressed.
        start: starts the job.
    """

    def __init__(self, button, logic, jobs: JobSection, text: str, toolTip: str, start: Callable[[], None]) -> None:
        self._button, self._logic, self._jobs = button, logic, jobs
        self._text, self._toolTip, self._start = text, toolTip, start
        self._isOwnJob = False
        self._connections = Connections()
        self._connections.connect(button, "clicked(bool)", self._onClicked)

    def close(self) -> None:
        """Disconnect the button."""
        self._connections.close()

    def update(self, running: bool, reason: str) -> None:
        """Show the state of the job.

        Args:
            running: whether a job is running.
            reason: why none can be started, in a sentence; "" if one can.
        """
        self._isOwnJob = self._isOwnJob and running
        cancels = self._isOwnJob
        self._button.text = _("Cancel") if cancels else self._text
        self._button.enabled = self._logic.state is not State.CANCELLING if cancels else not running and not reason
        self._button.toolTip = _("Cancel the running job.") if cancels else asItIs(reason or self._toolTip)

    def _onClicked(self, *_clicked: Any) -> None:
        if self._logic.isRunning:
            self._jobs.cancel()
            return
        self._isOwnJob = True
        self._start()
