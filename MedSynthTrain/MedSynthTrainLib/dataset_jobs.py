"""Long work on a data set, in worker processes: cases from the scene and from files, checking, registering."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from MedSynthLib.folders import freePlace
from MedSynthLib.job import VolumeJob, WorkerJob, handed, removedOnFailure
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import make_folder
from MedSynthTrainLib.dataset import DataSet, worldVolumes
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
    request = {
        "job": "check_cases", "data": str(dataSet.manifest), "roles": roles.forWorker(), "paired": roles.paired,
    }  # fmt: skip
    return WorkerJob(request, onFinished, resultOf=lambda done: done["cases"], **callbacks)


def addVolumes(
    dataSet: DataSet,
    volumes: tuple[Any, ...],
    roles: Roles,
    name: str,
    patient: str,
    onFinished: Finished,
    **callbacks: Any,
) -> WorkerJob:
    """Write volume nodes as a case, each where the scene shows it; ``onFinished(cases, error)`` gets the new case.

    The nodes are read at once; what becomes of them afterwards does not reach the case.

    Args:
        dataSet: gets the case, which has no split yet. Nothing of it stays when the job fails or is cancelled.
        volumes: scalar volumes in the order of the roles; one may be None if the roles are unpaired.
        roles: what they shall be.
        name: of the case; one that says nothing of the patient if empty.
        patient: whose case it is, for a patient with several.
        onFinished: see above.
        callbacks: ``onProgress`` and ``onLog``, as for `WorkerJob`.

    Raises:
        MedSynthError: a node that cannot be used or is not what its role asks for, a name that is taken, or a folder
            that cannot be written to. Nothing has been started then.
    """
    name = name.strip() or dataSet.newName()
    dataSet.checkNew([name])
    taken = worldVolumes(volumes, roles)
    folder = dataSet.newFolder(name)

    def request(exchanged: Path) -> dict[str, Any]:
        return {
            "job": "build_pairs", "kind": "volumes", "root": str(folder), "case": name, "patient": patient.strip(),
            "roles": {role: handed(volume, exchanged / f"{role}.npy") for role, volume in taken.items()},
            "output": str(exchanged / "manifest.csv"),
        }  # fmt: skip

    with removedOnFailure(folder):
        return VolumeJob(
            request, onFinished, resultOf=lambda done: dataSet.addManifest(done["manifest"]), made=folder, **callbacks
        )


def buildPairs(
    root: Path,
    kind: str,
    patterns: dict[str, str],
    paired: bool,
    dataSet: DataSet,
    onFinished: Finished,
    **callbacks: Any,
) -> WorkerJob:
    """Find the cases in a folder and add them; ``onFinished(cases, error)`` gets the new cases, or the error.

    Args:
        root: folder to look in; a folder below it is a case, or (``kind`` dicom) DICOM files lie below it.
        kind: ``folders`` or ``dicom``.
        patterns: role → pattern of file names, or DICOM modality.
        paired: whether every folder must have an image of each role.
        dataSet: gets the cases. Images that have to be converted are written below its folder.
        onFinished: see above.
        callbacks: ``onProgress`` and ``onLog``, as for `WorkerJob`.
    """
    folder = freePlace(dataSet.folder, "imported")
    make_folder(folder)
    request = {
        "job": "build_pairs", "root": str(root), "kind": kind, "roles": patterns, "paired": paired,
        "output": str(folder / "manifest.csv"),
    }  # fmt: skip
    with removedOnFailure(folder):
        return WorkerJob(
            request,
            onFinished,
            resultOf=lambda done: dataSet.addWritten(Path(done["manifest"])),
            made=folder,
            **callbacks,
        )


class RegisterJob(WorkerJob):
    """Registers the second image of a case to the first, and lets the case have the registered image.

    The image, its rigid motion and the quality are kept as ``SECOND-on-FIRST.nii.gz`` and ``.json`` in the case's
    folder; the image that was there before stays.

    Args:
        dataSet: changed at the end.
        name: of the case.
        roles: which image is registered to which.
        onFinished: called once as ``onFinished(quality, error)``; the quality has ``before``, ``after`` and ``note``.
        deformable: whether the second image may also bend.
        callbacks: ``onProgress`` and ``onLog``, as for `WorkerJob`.

    Raises:
        MedSynthError: there is no second image, or a file is missing. Nothing has been started then.
        OSError: no process can be started, or the folder not be written to.
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
        if len(roles.images) < 2:
            raise MedSynthError(_("The cases of this recipe have one image each, so there is nothing to register."))
        self._dataSet, self._name, self._roles = dataSet, name, roles
        fixed, moving = (self._image(role) for role in roles.images)
        folder = Path(tempfile.mkdtemp(prefix=".registering-", dir=dataSet.folder))
        request = {
            "job": "register", "fixed": fixed, "moving": moving, "output": str(folder / "moved.nii.gz"),
            "deformable": deformable,
        }  # fmt: skip
        with removedOnFailure(folder):
            super().__init__(request, onFinished, resultOf=self._keep, made=folder, **callbacks)

    def _image(self, role: Role) -> dict[str, str]:
        file = self._dataSet.case(self._name).files.get(role.name)
        if file is None:
            raise MedSynthError(_("The case {name} has no file for '{role}'.").format(name=self._name, role=role.name))
        return {"file": str(file), "modality": role.modality, "unit": role.unit}

    def _keep(self, done: dict[str, Any]) -> dict[str, Any]:
        from medsynth_core.io.atomic import atomic_write

        first, second = self._roles.names
        made, place = Path(done["output"]), self._dataSet.folderOf(self._name) / f"{second}-on-{first}.nii.gz"
        os.replace(made, place)
        made.parent.rmdir()
        record = {"lps_matrix": done["lps_matrix"], "quality": done["quality"]}
        with atomic_write(place.with_name(place.name.removesuffix(".nii.gz") + ".registration.json")) as temporary:
            temporary.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        self._dataSet.setFile(self._name, second, place)
        return done["quality"]
