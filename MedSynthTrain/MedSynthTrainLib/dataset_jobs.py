"""Long work on a data set, in worker processes: checking its cases, registering a pair, building pairs from files."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from MedSynthLib.job import State, WorkerJob
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthTrainLib.dataset import DataSet
from MedSynthTrainLib.roles import Role, Roles

Finished = Callable[[Any, Exception | None], None]


def checkCases(dataSet: DataSet, roles: Roles, onFinished: Finished, **callbacks: Any) -> WorkerJob:
    """Check all cases; ``onFinished(checks, error)`` gets a dictionary for each case, or the error.

    See ``medsynth_core.datasets.checks.CaseCheck`` for its keys.
    """
    if not dataSet.cases:
        raise MedSynthError(_("Add cases to the data set first."))
    lacking = {role for role in roles.names if not any(role in case.files for case in dataSet.cases)}
    if lacking:
        raise MedSynthError(
            _("No case has files for '{role}', which the recipe asks for; choose another recipe or add cases.").format(
                role=sorted(lacking)[0]
            )
        )
    request = {"job": "check_cases", "data": str(dataSet.manifest), "roles": roles.forWorker()}
    return WorkerJob(request, lambda done, error: onFinished(done["cases"] if done else None, error), **callbacks)


def buildPairs(
    root: Path, kind: str, patterns: dict[str, str], dataSet: DataSet, onFinished: Finished, **callbacks: Any
) -> WorkerJob:
    """Find the cases in a folder and add them; ``onFinished(cases, error)`` gets the new cases, or the error.

    Args:
        root: folder to look in; a folder below it is a case, or (``kind`` dicom) DICOM files lie below it.
        kind: ``folders`` or ``dicom``.
        patterns: role → pattern of file names, or DICOM modality.
        dataSet: gets the cases. Images that have to be converted are written below its folder.
        onFinished: see above.
        callbacks: ``onProgress`` and ``onLog``, as for `WorkerJob`.
    """
    folder = _newFolder(dataSet.folder, "imported")
    request = {
        "job": "build_pairs", "root": str(root), "kind": kind, "roles": patterns,
        "output": str(folder / "manifest.csv"),
    }  # fmt: skip

    def finish(done: dict[str, Any] | None, error: Exception | None) -> None:
        cases = None
        if done is not None:
            try:
                cases = dataSet.addManifest(done["manifest"])
            except MedSynthError as problem:
                error = problem
        if cases is None:
            shutil.rmtree(folder, ignore_errors=True)
        onFinished(cases, error)

    return WorkerJob(request, finish, **callbacks)


class RegisterJob:
    """Registers the target of a case to its input, and lets the case have the registered image.

    The image, its rigid motion and the quality are kept as ``TARGET-on-INPUT.nii.gz`` and ``.json`` in the case's
    folder; the image that was there before stays.

    Args:
        dataSet: changed at the end.
        name: of the case.
        roles: which image is registered to which.
        onFinished: called once as ``onFinished(quality, error)``; the quality has ``before``, ``after`` and ``note``.
        deformable: whether the target may also bend.
        callbacks: ``onProgress`` and ``onLog``, as for `WorkerJob`.

    Raises:
        MedSynthError: a file is missing or cannot be read. Nothing has been started then.
    """

    def __init__(
        self,
        dataSet: DataSet,
        name: str,
        roles: Roles,
        onFinished: Finished,
        deformable: bool = False,
        **callbacks: Any,
    ) -> None:
        self._dataSet, self._name, self._roles, self._onFinished = dataSet, name, roles, onFinished
        self._fixed, moving = (self._read(role) for role in (roles.input, roles.target))
        # Only this user can read a folder that mkdtemp makes.
        folder = Path(tempfile.mkdtemp(prefix="MedSynth-", dir=slicer.app.temporaryPath))
        try:
            request = {
                "job": "register",
                "fixed": _handed(self._fixed, folder / "fixed.npy"),
                "moving": _handed(moving, folder / "moving.npy"),
                "output": str(folder / "moved.npy"),
                "deformable": deformable,
            }
            self._job = WorkerJob(request, self._finish, folder=folder, **callbacks)
        except OSError as problem:
            shutil.rmtree(folder, ignore_errors=True)
            raise MedSynthError(
                _("The images could not be handed to the worker process: {reason}.").format(reason=problem),
                kind="output",
            ) from problem

    @property
    def state(self) -> State:
        """What the job is doing."""
        return self._job.state

    def cancel(self) -> None:
        """Ask the worker to stop."""
        self._job.cancel()

    def abort(self) -> None:
        """Stop at once."""
        self._job.abort()

    def wait(self) -> None:
        """Return when the job has finished and its worker is gone."""
        self._job.wait()

    def _read(self, role: Role):
        from medsynth_core.io.reading import read_volume

        file = self._dataSet.case(self._name).files.get(role.name)
        if file is None:
            raise MedSynthError(_("The case {name} has no file for '{role}'.").format(name=self._name, role=role.name))
        return read_volume(file, role.modality, role.unit)

    def _finish(self, done: dict[str, Any] | None, error: Exception | None) -> None:
        quality = None
        if done is not None:
            try:
                self._keep(done)
                quality = done["quality"]
            except (MedSynthError, OSError, ValueError) as problem:
                error = problem
        self._onFinished(quality, error)

    def _keep(self, done: dict[str, Any]) -> None:
        from medsynth_core.io.atomic import atomic_write
        from medsynth_core.io.writing import write_volume

        role = self._roles.target
        voxels = np.load(done["output"], allow_pickle=False)
        moved = self._fixed.replace(voxels=voxels, modality=role.modality, unit=role.unit, metadata={})
        place = self._dataSet.folderOf(self._name) / f"{role.name}-on-{self._roles.input.name}.nii.gz"
        write_volume(moved, place)
        record = {"lps_matrix": done["lps_matrix"], "quality": done["quality"]}
        with atomic_write(place.with_name(place.name.removesuffix(".nii.gz") + ".registration.json")) as temporary:
            temporary.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        self._dataSet.setFile(self._name, role.name, place)


def _handed(volume: Any, file: Path) -> dict[str, Any]:
    """Write a volume's voxels for the worker, and return how a request states the volume."""
    np.save(file, volume.voxels)
    return {
        "voxels": str(file), "ijk_to_ras": volume.ijk_to_ras.tolist(),
        "modality": volume.modality, "unit": volume.unit,
    }  # fmt: skip


def _newFolder(folder: Path, name: str) -> Path:
    number, found = 1, folder / name
    while found.exists():
        number += 1
        found = folder / f"{name}-{number}"
    try:
        found.mkdir(parents=True)
    except OSError as problem:
        raise MedSynthError(
            _("The folder {folder} cannot be made: {reason}; choose another folder.").format(
                folder=found, reason=problem.strerror
            ),
            kind="output",
        ) from problem
    return found
