"""The section Setup of a module's panel: what is installed, which device was found, and one button."""

from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthLib import dependencies
from MedSynthLib.job import State, WorkerJob


class SetupSection:
    """Shows the state of the installation and asks a worker which devices there are.

    Args:
        ui: the panel's widgets: ``setupCollapsibleButton``, ``packagesLabel``, ``deviceLabel`` and
            ``installButton``.
        onInstalled: called after packages were installed.
        onDevices: called with the list of devices, each with ``id`` and ``name``, once they are known.
        onLog: called with sentences to keep.
    """

    def __init__(
        self,
        ui,
        onInstalled: Callable[[], None],
        onDevices: Callable[[list[dict[str, str]]], None],
        onLog: Callable[[str], None],
    ) -> None:
        self._ui, self._onInstalled, self._onDevices, self._onLog = ui, onInstalled, onDevices, onLog
        self._probe: WorkerJob | None = None
        ui.installButton.connect("clicked(bool)", self._install)

    def refresh(self) -> None:
        """Show what is installed; fold the section when nothing is missing."""
        packages = dependencies.packages()
        missing = [package for package in packages if not package.ready]
        lines = [_("✓ Installed: {names}").format(names=_joined(packages, missing))]
        if missing:
            lines.append(_("✗ Missing: {names}").format(names=", ".join(str(package) for package in missing)))
        self._ui.packagesLabel.text = "\n".join(lines if len(missing) < len(packages) else lines[1:])
        self._ui.installButton.enabled = bool(missing)
        self._ui.installButton.text = _("Install") if missing else _("Everything is installed")
        self._ui.setupCollapsibleButton.collapsed = not missing

    def findDevices(self) -> None:
        """Ask a worker, once, which devices PyTorch finds; nothing waits for the answer."""
        if self._probe is None and dependencies.ready():
            self._ui.deviceLabel.text = _("Looking for devices…")
            try:
                self._probe = WorkerJob({"job": "describe"}, self._showDevices, onLog=self._onLog)
            except OSError as problem:
                self._ui.deviceLabel.text = str(problem)

    def waitForDevices(self) -> None:
        """Return when the worker has answered."""
        if self._probe is not None:
            self._probe.wait()

    def close(self) -> None:
        """Stop the worker that looks for devices."""
        probe, self._probe = self._probe, None
        if probe is not None and probe.state is not State.FINISHED:
            probe.abort()

    def _showDevices(self, done: dict[str, Any] | None, error: Exception | None) -> None:
        if self._probe is None:  # closed, and the widgets may be gone
            return
        if done is None:
            self._ui.deviceLabel.text = str(error) or _("Not known")
            return
        devices = done["devices"]
        self._ui.deviceLabel.text = ", ".join(device["name"] for device in devices)
        self._onDevices(devices)

    def _install(self, *_clicked: Any) -> None:
        try:
            with slicer.util.WaitCursor():
                dependencies.install()
        except MedSynthError as problem:
            self._onLog(problem.message)
            slicer.util.errorDisplay(problem.message)
        self.refresh()
        if dependencies.ready():
            self._onInstalled()
            self.findDevices()


def _joined(packages: list[dependencies.Package], missing: list[dependencies.Package]) -> str:
    return ", ".join(str(package) for package in packages if package not in missing)
