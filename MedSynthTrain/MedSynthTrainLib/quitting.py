"""The question that closing Slicer asks while a training runs."""

import enum
from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _


class Answer(enum.Enum):
    """What shall become of the trainings that run."""

    STOP = "stop"
    LEAVE = "leave"
    STAY = "stay"


class CloseFilter(qt.QWidget):
    """Watches the main window: it closes only if ``mayClose()`` agrees.

    This is the hook that Slicer's documentation gives for closing; ``aboutToQuit`` comes when it is too late to stay.
    A Slicer that is ended by a script, or without a main window, does not ask.
    """

    def __init__(self, mayClose: Callable[[], bool]) -> None:
        qt.QWidget.__init__(self)
        self._mayClose = mayClose

    def eventFilter(self, watched, event) -> bool:
        """Swallow a wish to close that is not to be fulfilled."""
        if event.type() != qt.QEvent.Close or self._mayClose():
            return False
        event.ignore()
        return True


def ask(names: list[str]) -> Answer:
    """Ask what shall become of the trainings with these names; nobody is asked in tests, they are left running."""
    if slicer.app.testingEnabled() or slicer.util.mainWindow() is None:
        return Answer.LEAVE
    box = qt.QMessageBox(slicer.util.mainWindow())
    box.setIcon(qt.QMessageBox.Question)
    box.setWindowTitle(_("MedSynth"))
    box.setText(_("A training is running: {names}.").format(names=", ".join(names)))
    box.setInformativeText(
        _("It can be stopped with a checkpoint, and resumed later, or run on without Slicer and be found again.")
    )
    stop = box.addButton(_("Stop it"), qt.QMessageBox.AcceptRole)
    leave = box.addButton(_("Leave it running"), qt.QMessageBox.DestructiveRole)
    box.setDefaultButton(box.addButton(qt.QMessageBox.Cancel))
    box.exec_()
    clicked = box.clickedButton()
    return Answer.STOP if clicked == stop else Answer.LEAVE if clicked == leave else Answer.STAY
