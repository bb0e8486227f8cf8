"""The data set of a training: its cases, and the files that are written for those from the scene."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import slicer
import vtk
from MedSynthLib import volume_bridge as bridge
from slicer.i18n import tr as _

from medsynth_core.datasets.manifest import SPLITS, Case, read_manifest, roles_in, shared_patients, write_manifest
from medsynth_core.errors import MedSynthError
from MedSynthTrainLib.roles import Role, Roles

MANIFEST = "manifest.csv"
# In folders that were made for a case: they alone are deleted with it.
MARKER = ".medsynth-case"
LONGEST_NAME = 60


class DataSet:
    """The cases in a folder, in the order in which they came.

    The folder keeps them in ``manifest.csv``, written after every change, and images that came from the scene in
    ``CASE/ROLE.nii.gz``. Cases that were added from elsewhere keep their files where they are.

    Args:
        folder: made when something is written into it.

    Raises:
        MedSynthError: a manifest is there that cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cases: list[Case] = []
        if self.manifest.is_file():
            self.cases = self._read(self.manifest)

    @property
    def manifest(self) -> Path:
        """The table of the cases; it is there when there are cases."""
        return self.folder / MANIFEST

    def case(self, name: str) -> Case:
        """Return a case by its name.

        Raises:
            MedSynthError: there is none.
        """
        for case in self.cases:
            if case.name == name:
                return case
        raise MedSynthError(_("There is no case {name} in the data set.").format(name=name))

    def newName(self) -> str:
        """Return a name that no case has yet: ``case-001`` and so on. It says nothing of the patient."""
        number = len(self.cases) + 1
        while any(case.name == f"case-{number:03}" for case in self.cases):
            number += 1
        return f"case-{number:03}"

    def addPair(self, inputVolume, targetVolume, roles: Roles, name: str = "", patient: str = "") -> Case:
        """Write two volume nodes as a case, each where the scene shows it (parent transforms included).

        :param inputVolume: scalar volume to synthesize from.
        :param targetVolume: scalar volume to synthesize.
        :param roles: what the two shall be.
        :param name: of the case; one that says nothing of the patient if empty.
        :param patient: whose case it is, for a patient with several.
        :return: the case, which has no split yet.
        :raises MedSynthError: a node that cannot be used or is not what its role asks for, a name that is taken, or a
            folder that cannot be written to. Nothing of the case stays then.
        """
        name = name.strip() or self.newName()
        self._checkNew([name])
        if inputVolume is not None and inputVolume is targetVolume:
            raise MedSynthError(_("Input and target are the same volume; choose another target."))
        pairs = ((inputVolume, roles.input), (targetVolume, roles.target))
        volumes = {role.name: worldVolume(node, role) for node, role in pairs}
        folder = self._newFolder(name)
        try:
            files = self._write(volumes, folder)
            case = Case(name, "", files, patient.strip())
            self._replaceCases([*self.cases, case])
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return case

    def addManifest(self, path: str | Path) -> list[Case]:
        """Add the cases of a manifest (CSV), with their splits where it states them; their files stay where they are.

        :raises MedSynthError: the manifest cannot be used, or a case of its name is here already.
        """
        cases = self._read(Path(path))
        self._checkNew([case.name for case in cases])
        self._replaceCases([*self.cases, *cases])
        return cases

    def remove(self, names: list[str]) -> None:
        """Forget cases, and delete the files that were written for them.

        Never the user's own files, and none of a case that a training beside this data set may still need.
        """
        gone = [case for case in self.cases if case.name in names]
        self._replaceCases([case for case in self.cases if case.name not in names])
        for case in gone:
            for folder in {file.parent for file in case.files.values()}:
                ours = folder.parent == self.folder and (folder / MARKER).is_file()
                if ours and not self._isTrainedWith(folder):
                    shutil.rmtree(folder, ignore_errors=True)

    def setSplit(self, names: list[str], split: str) -> None:
        """Put cases, and with them all cases of their patients, into ``train``, ``val`` or ``test``."""
        if split not in SPLITS:
            raise MedSynthError(_("There is no split {split}; use train, val or test.").format(split=split))
        patients = {case.patient for case in self.cases if case.name in names}
        self._replaceCases([replace(case, split=split) if case.patient in patients else case for case in self.cases])

    def divide(self, shares: tuple[float, float, float] = (0.7, 0.15, 0.15), seed: int = 0, keep: bool = False) -> None:
        """Divide the cases by patient among train, val and test.

        :raises MedSynthError: there are fewer patients than splits.
        """
        from medsynth_core.datasets.splitting import split_cases

        self._replaceCases(split_cases(self.cases, shares, seed, keep=keep))

    def setFile(self, name: str, role: str, file: Path) -> None:
        """Let a case have another file for a role."""
        changed = [replace(c, files={**c.files, role: file}) if c.name == name else c for c in self.cases]
        self._replaceCases(changed)

    def count(self, split: str) -> int:
        """Return the number of cases in a split; "" for those that have none."""
        return sum(case.split == split for case in self.cases)

    def whatIsMissing(self) -> str:
        """Return in a sentence what a training still needs; "" when nothing."""
        if not self.cases:
            return _("Add cases to the data set first.")
        if self.count(""):
            return _("{count} cases have no split; press Divide by patient.").format(count=self.count(""))
        for split in ("train", "val"):
            if not self.count(split):
                return _("No case is in the split {split}; put one into it.").format(split=split)
        return ""

    def folderOf(self, name: str) -> Path:
        """Return the folder in which files for a case may be written, made if it is not there."""
        case = self.case(name)
        for file in case.files.values():
            if file.parent.parent == self.folder:
                return file.parent
        return self._newFolder(name)

    def _isTrainedWith(self, folder: Path) -> bool:
        """Return whether a manifest of a run beside this data set names a file in a folder."""
        place = str(folder.absolute())
        return any(place in table.read_text(encoding="utf-8") for table in self.folder.parent.glob("*/*.csv"))

    def _read(self, path: Path) -> list[Case]:
        return read_manifest(path, roles_in(path), check_files=False, unsplit=True)

    def _checkNew(self, names: list[str]) -> None:
        known = {case.name for case in self.cases}
        for name in names:
            if name in known:
                raise MedSynthError(
                    _("The data set has a case {name} already; choose another name.").format(name=name), kind="input"
                )

    def _newFolder(self, name: str) -> Path:
        safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:LONGEST_NAME] or "case"
        number, folder = 1, self.folder / safe
        while folder.exists():
            number += 1
            folder = self.folder / f"{safe}-{number}"
        try:
            folder.mkdir(parents=True)
            (folder / MARKER).touch()
        except OSError as problem:
            raise MedSynthError(
                _("The folder {folder} cannot be made: {reason}; choose another folder.").format(
                    folder=folder, reason=problem.strerror
                ),
                kind="output",
            ) from problem
        return folder

    def _write(self, volumes: dict[str, Any], folder: Path) -> dict[str, Path]:
        from medsynth_core.io.writing import write_volume

        return {role: write_volume(volume, folder / f"{role}.nii.gz") for role, volume in volumes.items()}

    def _replaceCases(self, cases: list[Case]) -> None:
        """Write the manifest, then take the cases: what the panel shows is what the disk has."""
        for patient, splits in shared_patients(cases).items():
            raise MedSynthError(
                _("The patient {patient} would be in the splits {splits}; put all cases of a patient into one.").format(
                    patient=patient, splits=" and ".join(splits)
                )
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not cases:
                self.manifest.unlink(missing_ok=True)
        except OSError as problem:
            raise MedSynthError(
                _("The data set cannot be written to {folder}: {reason}; choose another folder.").format(
                    folder=self.folder, reason=problem.strerror
                ),
                kind="output",
            ) from problem
        if cases:
            write_manifest(cases, self.manifest)
        self.cases = cases


def worldVolume(node, role: Role):
    """Return a node's volume where the scene shows it, in modality and unit what its role asks for.

    Raises:
        MedSynthError: the node is no scalar volume, says that it is something else, or is bent by its transform.
    """
    volume = bridge.coreVolume(node)
    for found, wanted in ((volume.modality, role.modality), (volume.unit, role.unit)):
        if found and wanted and found != wanted:
            raise MedSynthError(
                _("The volume {name} is {found}, but '{role}' of the recipe is {wanted}; choose another.").format(
                    name=node.GetName(), found=found, role=role.name, wanted=wanted
                )
            )
    parent = node.GetParentTransformNode()
    if parent is not None:
        if not parent.IsTransformToWorldLinear():
            raise MedSynthError(
                _("The volume {name} is bent by its transform; harden the transform first.").format(name=node.GetName())
            )
        toWorld = vtk.vtkMatrix4x4()
        parent.GetMatrixTransformToWorld(toWorld)
        volume = volume.replace(ijk_to_ras=slicer.util.arrayFromVTKMatrix(toWorld) @ volume.ijk_to_ras)
    return volume.replace(modality=volume.modality or role.modality, unit=volume.unit or role.unit)
