"""The question that closing Slicer asks while trainings are running, and what follows from the answer."""

import enum
import logging
import math
import time
from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthTrainLib.run import TrainingRun

# Slicer may try to close several times in a row; for this long it is not asked again.
ANSWER_HOLDS_S = 60.0


class Answer(enum.Enum):
    """What to do with the running trainings."""

    STOP = "stop"
    LEAVE = "leave"
    STAY = "stay"


class CloseFilter(qt.QWidget):
    """Watches the main window: it closes only if ``mayClose()`` agrees.

    This is the way to prevent closing that Slicer's documentation gives; ``aboutToQuit`` is emitted too late for that.
    A Slicer that is ended by a script, or that has no main window, does not ask.
    """

    def __init__(self, mayClose: Callable[[], bool]) -> None:
        qt.QWidget.__init__(self)
        self._mayClose: Callable[[], bool] | None = mayClose

    def eventFilter(self, watched, event) -> bool:
        """Ignore a close event if the window must stay open."""
        if event.type() != qt.QEvent.Close or self._mayClose is None or self._mayClose():
            return False
        event.ignore()
        return True

    def release(self) -> None:
        """Ask nothing from now on."""
        self._mayClose = None
        self.deleteLater()


class CloseGuard:
    """Asks what to do with running trainings before Slicer closes, and does it when Slicer really closes.

    Slicer asks a question of its own afterwards, which may be answered by Cancel: until the window has closed and the
    module is cleaned up, nothing is stopped.

    Args:
        running: returns the running trainings.
    """

    def __init__(self, running: Callable[[], list[TrainingRun]]) -> None:
        self._running = running
        self._answer, self._answeredAt = Answer.LEAVE, -math.inf
        self._asked: list[TrainingRun] = []  # those that the answer is for
        self._filter: CloseFilter | None = CloseFilter(self.mayClose)
        if slicer.util.mainWindow() is not None:
            slicer.util.mainWindow().installEventFilter(self._filter)

    def close(self) -> None:
        """Stop watching the main window; if it has closed after the user's answer, do what the user has answered."""
        watching, self._filter = self._filter, None
        if watching is None:
            return
        window = slicer.util.mainWindow()
        if window is not None:
            window.removeEventFilter(watching)
        watching.release()
        if self._answer is Answer.STOP and (window is None or not window.visible):
            for run in self._running():
                if run in self._asked:
                    _stop(run)

    def mayClose(self) -> bool:
        """Return whether Slicer may close, after asking if trainings are running."""
        running = self._running()
        isAnswered = time.monotonic() - self._answeredAt < ANSWER_HOLDS_S and all(run in self._asked for run in running)
        if not running or isAnswered:
            return True
        self._asked = running
        self._answer, self._answeredAt = ask([run.folder.name for run in running]), time.monotonic()
        if self._answer is Answer.STAY:
            self._answeredAt = -math.inf
        return self._answer is not Answer.STAY


def _stop(run: TrainingRun) -> None:
    try:
        run.stop()  # its process writes the checkpoint without Slicer
    except MedSynthError as problem:
        logging.error("MedSynth: %s", problem.message)


def ask(names: list[str]) -> Answer:
    """Ask what to do with the trainings of these names. In tests nobody is asked: they are left running."""
    if slicer.app.testingEnabled() or slicer.util.mainWindow() is None:
        return Answer.LEAVE
    box = qt.QMessageBox(slicer.util.mainWindow())
    box.setIcon(qt.QMessageBox.Question)
    box.setWindowTitle(_("MedSynth"))
    box.setTextFormat(qt.Qt.PlainText)  # names of folders are not HTML
    box.setText(_("Still training: {names}.").format(names=", ".join(names)))
    box.setInformativeText(
        _(
            "A training that is stopped writes a checkpoint and can be resumed later. A training that is left running "
            "goes on without Slicer; the module MedSynth Train shows it again when Slicer is started."
        )
    )
    stop = box.addButton(_("Stop training"), qt.QMessageBox.AcceptRole)
    leave = box.addButton(_("Leave running"), qt.QMessageBox.DestructiveRole)
    box.setDefaultButton(box.addButton(qt.QMessageBox.Cancel))
    box.exec_()
    clicked = box.clickedButton()
    box.deleteLater()  # else it stays as a hidden child of the main window
    return Answer.STOP if clicked == stop else Answer.LEAVE if clicked == leave else Answer.STAY
