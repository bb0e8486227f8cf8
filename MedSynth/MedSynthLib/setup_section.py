"""The section Setup of a module's panel: installed packages, devices, Install, and Remove stored data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import Cancelled, MedSynthError
from MedSynthLib import coreFolder, dependencies
from MedSynthLib.connections import Connections
from MedSynthLib.job import WorkerJob
from MedSynthLib.kept_worker import endKeptWorker, startOf
from MedSynthLib.messages import asItIs, sentenceOf

# Groups of application settings.
SETTINGS = ("MedSynth", "MedSynthTrain")
# The devices that were found, and how the worker was started that found them: both modules ask once in a session.
_known: list[tuple[Any, list[dict[str, str]]]] = []


class SetupSection:
    """Shows which packages are installed and which devices a worker finds; installs packages, removes stored data.

    Args:
        ui: the panel's widgets: ``setupCollapsibleButton``, ``packagesLabel``, ``deviceLabel``,
            ``installButton`` and ``removeDataButton``.
        onInstalled: called when all packages are installed after Install was pressed.
        onRemoved: called when stored data were removed: the models of the library and the settings.
        onDevices: called with the list of devices, each with ``id`` and ``name``.
        onLog: called with lines for the log.
    """

    def __init__(
        self,
        ui,
        onInstalled: Callable[[], None],
        onRemoved: Callable[[], None],
        onDevices: Callable[[list[dict[str, str]]], None],
        onLog: Callable[[str], None],
    ) -> None:
        self._ui, self._onInstalled, self._onRemoved = ui, onInstalled, onRemoved
        self._onDevices, self._onLog = onDevices, onLog
        self._probe: WorkerJob | None = None
        self._asked: Any = None
        self._connections = Connections()
        self._connections.connect(ui.installButton, "clicked(bool)", self._install)
        self._connections.connect(ui.removeDataButton, "clicked(bool)", self._removeStoredData)

    def refresh(self) -> None:
        """Show which packages are installed; collapse the section if none is missing that is needed."""
        packages = dependencies.packages()
        missing = [package for package in packages if not package.ready]
        lines = [_("✓ Installed: {names}").format(names=_joined(packages, missing))]
        if missing:
            lines.append(_("✗ Missing: {names}").format(names=", ".join(str(package) for package in missing)))
        offered = [package for package in dependencies.optionalPackages() if not package.ready]
        if offered and not missing:
            lines.append(_("Faster on the CPU: {names}").format(names=", ".join(str(package) for package in offered)))
        self._ui.packagesLabel.text = "\n".join(lines if len(missing) < len(packages) else lines[1:])
        self._ui.installButton.enabled = bool(missing or offered)
        self._ui.installButton.text = _("Install") if missing or offered else _("Everything is installed")
        self._ui.setupCollapsibleButton.collapsed = not missing

    def findDevices(self) -> None:
        """Ask a worker which devices PyTorch finds, unless that is known. Returns at once."""
        if self._probe is not None or not dependencies.ready():
            return
        # Kept until the answer comes: a script may change the environment meanwhile.
        self._asked = startOf(coreFolder())
        if _known and _known[0][0] == self._asked:
            self._show(_known[0][1])
        else:
            self._ui.deviceLabel.text = _("Looking for devices…")
            try:
                self._probe = WorkerJob({"job": "describe"}, self._showDevices, onLog=self._onLog)
            except OSError as problem:
                self._ui.deviceLabel.text = str(problem)

    def waitForDevices(self) -> None:
        """Return when the devices are known."""
        if self._probe is not None:
            self._probe.wait()

    def close(self) -> None:
        """Stop the worker that looks for devices, and disconnect the widgets."""
        self._connections.close()
        probe, self._probe = self._probe, None
        if probe is not None:
            probe.abort()

    def _showDevices(self, done: dict[str, Any] | None, error: Exception | None) -> None:
        if self._probe is None:  # closed, and the widgets may be gone
            return
        if done is None:
            self._ui.deviceLabel.text = str(error) or _("Not known")
            return
        _known[:] = [(self._asked, done["devices"])]
        self._show(done["devices"])

    def _show(self, devices: list[dict[str, str]]) -> None:
        self._ui.deviceLabel.text = ", ".join(device["name"] for device in devices)
        self._onDevices(devices)

    def _install(self, *_clicked: Any) -> None:
        endKeptWorker()  # it may have loaded what is replaced
        _known.clear()
        try:
            with slicer.util.WaitCursor():
                (dependencies.installOptional if dependencies.ready() else dependencies.install)()
        except Cancelled as answer:
            self._onLog(sentenceOf(answer))
        except MedSynthError as problem:
            self._tell(problem.message)
        endKeptWorker()  # one that was started meanwhile may have loaded a part of what was replaced
        self.refresh()
        if dependencies.ready():
            self._onInstalled()
            self.findDevices()

    def _removeStoredData(self, *_clicked: Any) -> None:
        """Remove what MedSynth keeps on this computer, after asking."""
        try:
            from medsynth_core.stored_data import check_readable, remove_stored, stored_items
        except ImportError:
            self._tell(_("Stored data cannot be listed yet: press Install first."))
            return
        own = [Path(slicer.app.temporaryPath)]
        items = stored_items(own)
        places = "\n".join(f"{item.path} ({item.size / 1e6:.1f} MB)" for item in items) or _("no files")
        question = _(
            "Remove all imported models, compiled networks, what MedSynth has left in folders for temporary files, and "
            "the settings of its modules? This cannot be undone. Data sets, trainings and scenes are in your own "
            "folders and are kept."
        )
        if not slicer.util.confirmOkCancelDisplay(asItIs(question), detailedText=places):
            return
        endKeptWorker()  # a file that it has open could not be removed
        for group in SETTINGS:
            qt.QSettings().remove(group)
        try:
            remove_stored(items)
            check_readable(own)
        except MedSynthError as problem:
            self._tell(problem.message)
        else:
            self._onLog(_("Removed: {places}").format(places=places.replace("\n", ", ")))
        self._onRemoved()

    def _tell(self, message: str) -> None:
        self._onLog(message)
        slicer.util.errorDisplay(asItIs(message))


def _joined(packages: list[dependencies.Package], missing: list[dependencies.Package]) -> str:
    return ", ".join(str(package) for package in packages if package not in missing)
