"""Long work on a data set, in worker processes: adding cases from the scene and from files, checking, registration."""

import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from MedSynthLib.folders import freePlace
from MedSynthLib.job import VolumeJob, WorkerJob, handed, removedOnFailure
from slicer.i18n import tr as _

from medsynth_core.datasets.completeness import lacking_roles
from medsynth_core.datasets.registration_origin import original_of, record_of
from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write, make_folder
from medsynth_core.io.json_file import write_json
from medsynth_core.io.sidecar import sidecar_path
from medsynth_core.systems.data_needs import DataNeeds, Role
from MedSynthTrainLib.dataset import DataSet, worldVolumes

Finished = Callable[[Any, Exception | None], None]


def checkCases(dataSet: DataSet, needs: DataNeeds, onFinished: Finished, **callbacks: Any) -> WorkerJob:
    """Check all cases; ``onFinished(checks, error)`` gets a dictionary, or the error.

    See ``medsynth_core.datasets.checks.DataChecks.to_dict`` for its keys.

    Raises:
        MedSynthError: there are no cases, or no case has an image of one of the roles; nothing is started.
    """
    dataSet.readAgain()
    if not dataSet.cases:
        raise MedSynthError(_("Add cases to the data set first."))
    lacking = lacking_roles({role for case in dataSet.cases for role in case.files}, needs)
    if lacking:
        raise MedSynthError(
            _("No case has files for '{role}', which the recipe needs; choose another recipe or add cases.").format(
                role=lacking[0]
            )
        )
    request = {
        "job": "check_cases", "data": str(dataSet.manifest), "paired": needs.paired, "optional": list(needs.optional),
        "simulated": needs.simulated, "sides": [list(side) for side in needs.sides],
        "roles": {role.name: _asked(role) for role in needs.roles},
        **({"classes": list(needs.classes)} if needs.classes else {}),
    }  # fmt: skip
    return WorkerJob(request, onFinished, **callbacks)


def _asked(role: Role) -> dict[str, Any]:
    """Return what the worker is told of a role; what is said of pictures, only where there may be any."""
    pictures = {"pictures": True, "colours": role.colours, "channel": role.channel} if role.pictures else {}
    return {"modality": role.modality, "unit": role.unit, **pictures}


def addVolumes(
    dataSet: DataSet,
    volumes: Mapping[str, Any],
    needs: DataNeeds,
    name: str,
    patient: str,
    onFinished: Finished,
    **callbacks: Any,
) -> WorkerJob:
    """Write volume nodes as a case, in world coordinates; ``onFinished(cases, error)`` gets a list with the new case.

    The nodes are read at once; later changes of the scene do not affect the case.

    Args:
        dataSet: gets the case, which has no split yet. Nothing of it stays when the job fails or is cancelled.
        volumes: scalar volumes by role; one that is optional, or any if images are unpaired, may be None.
        needs: data requirements of the recipe.
        name: name of the case; ``case-001`` and so on if empty, which does not identify the patient.
        patient: identifies the patient of several cases; the name of the case if empty.
        onFinished: see above.
        callbacks: ``onProgress`` and ``onLog``, as for `WorkerJob`; the log also gets `notesOn` the volumes.

    Raises:
        MedSynthError: a node cannot be used or has another modality or unit than its role, the name is taken, or the
            folder cannot be written to. Nothing has been started then.
    """
    dataSet.checkUnchanged()
    name = name.strip() or dataSet.newName()
    dataSet.checkNew([name])
    taken = worldVolumes(volumes, needs)
    folder = dataSet.newFolder(name)
    for note in notesOn(taken, needs):
        callbacks.get("onLog", logging.warning)(note)

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


def notesOn(volumes: Mapping[str, Any], needs: DataNeeds) -> list[str]:
    """Return what the user should know of volumes that become a case: that one is synthetic, or a unit is assumed."""
    from medsynth_core.datasets.stated_facts import SYNTHETIC, unit_assumption

    found = []
    for role in needs.roles:
        volume = volumes.get(role.name)
        if volume is not None:
            said = (SYNTHETIC if volume.is_synthetic else "", unit_assumption(role, volume.unit))
            found += [f"{role.name}: {sentence}" for sentence in said if sentence]
    return found


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
        kind: ``folders``, ``data_set`` (a public data set, recognised without patterns) or ``dicom``.
        patterns: role → pattern of file names, or DICOM modality.
        paired: whether every folder must have an image of each role.
        dataSet: gets the cases. Images that are converted from DICOM are written below its folder.
        onFinished: see above.
        callbacks: ``onProgress`` and ``onLog``, as for `WorkerJob`.
    """
    dataSet.checkUnchanged()
    known = sorted(dataSet.folder.glob("imported*"))  # patients from DICOM keep their numbers
    folder = freePlace(dataSet.folder, "imported")
    make_folder(folder)
    request = {
        "job": "build_pairs", "root": str(root), "kind": kind, "roles": patterns, "paired": paired,
        "output": str(folder / "manifest.csv"), "known": [str(earlier) for earlier in known],
    }  # fmt: skip
    with removedOnFailure(folder):
        return WorkerJob(
            request,
            onFinished,
            resultOf=lambda done: dataSet.addWritten(Path(done["manifest"])),
            made=folder,
            **callbacks,
        )


class RegisterJob(VolumeJob):
    """Registers an image of a case to its first image, and replaces it in the data set by the registered image.

    The registered image is written as ``MOVING-on-FIRST.nii.gz`` (with a JSON of its unit and origin), its rigid
    transform, the quality and the files that it was made from as ``MOVING-on-FIRST.registration.json`` in the case's
    folder. The file of the original image is kept, and each registration starts from it.

    Args:
        dataSet: changed when the registration has succeeded.
        name: name of the case.
        roles: roles of the image that keeps its position and of the image that is registered to it.
        onFinished: called once as ``onFinished(quality, error)``; the quality has ``before``, ``after`` and ``note``.
        deformable: also deform the moving image by a B-spline.
        callbacks: ``onProgress`` and ``onLog``, as for `WorkerJob`.

    Raises:
        MedSynthError: there is no such image, a file is missing, or no process can be started.
    """

    def __init__(
        self,
        dataSet: DataSet,
        name: str,
        roles: tuple[Role, Role],
        onFinished: Finished,
        deformable: bool = False,
        **callbacks: Any,
    ) -> None:
        dataSet.checkUnchanged()
        self._dataSet, self._name, self._roles = dataSet, name, roles
        fixed, moving = (self._image(role) for role in roles)
        moving["file"] = str(original_of(Path(moving["file"]), roles[1].name))
        first, second = (role.name for role in roles)
        self._image_name = f"{second}-on-{first}.nii.gz"

        def request(folder: Path) -> dict[str, Any]:
            return {
                "job": "register", "fixed": fixed, "moving": moving, "output": str(folder / self._image_name),
                "deformable": deformable,
            }  # fmt: skip

        super().__init__(request, onFinished, resultOf=self._keep, **callbacks)

    def _image(self, role: Role) -> dict[str, str]:
        file = self._dataSet.case(self._name).files.get(role.name)
        if file is None:
            raise MedSynthError(_("The case {name} has no file for '{role}'.").format(name=self._name, role=role.name))
        return {"file": str(file), "modality": role.modality, "unit": role.unit}

    def _keep(self, done: dict[str, Any]) -> dict[str, Any]:
        self._dataSet.checkUnchanged()
        made = Path(done["output"])
        place = self._dataSet.folderOf(self._name) / self._image_name
        for file, target in ((sidecar_path(made), sidecar_path(place)), (made, place)):
            with atomic_write(target) as temporary:
                shutil.copyfile(file, temporary)
        write_json(record_of(place), {key: done[key] for key in ("lps_matrix", "quality", "inputs", "settings")})
        self._dataSet.setFile(self._name, self._roles[1].name, place)
        return done["quality"]
