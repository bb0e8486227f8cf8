"""The data set of a training: its cases, and the files that are written for those from the scene."""

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import slicer
import vtk
from MedSynthLib import volume_bridge as bridge
from MedSynthLib.folders import freePlace, safeName
from slicer.i18n import tr as _

from medsynth_core.datasets.manifest import SPLITS, Case, read_manifest, roles_in, shared_patients, write_manifest
from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import make_folder
from MedSynthTrainLib.roles import Role, Roles

MANIFEST = "manifest.csv"
# In folders that were made for a case: they alone are deleted with it.
MARKER = ".medsynth-case"


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

    def addWritten(self, manifest: Path) -> list[Case]:
        """Add the cases of a manifest as `addManifest`; their files were written for them and are deleted with them.

        :param manifest: below the folder of the data set, as the files are; removed.
        """
        cases = self.addManifest(manifest)
        for file in {file for case in cases for file in case.files.values()}:
            if manifest.parent in file.parents:
                (file.parent / MARKER).touch()
        manifest.unlink()
        _removeIfEmpty(manifest.parent)
        return cases

    def addManifest(self, path: str | Path) -> list[Case]:
        """Add the cases of a manifest (CSV), with their splits where it states them; their files stay where they are.

        :raises MedSynthError: the manifest cannot be used, or a case of its name is here already.
        """
        cases = self._read(Path(path))
        self.checkNew([case.name for case in cases])
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
                ours = self.folder in folder.parents and (folder / MARKER).is_file()
                if ours and not self._isTrainedWith(folder):
                    shutil.rmtree(folder, ignore_errors=True)
                    _removeIfEmpty(folder.parent)

    def setSplit(self, names: list[str], split: str) -> None:
        """Put cases, and with them all cases of their patients, into ``train``, ``val`` or ``test``."""
        if split not in SPLITS:
            raise MedSynthError(_("There is no split {split}; use train, val or test.").format(split=split))
        patients = {case.patient for case in self.cases if case.name in names}
        self._replaceCases([replace(case, split=split) if case.patient in patients else case for case in self.cases])

    def divide(
        self,
        roles: Roles,
        shares: tuple[float, float, float] = (0.7, 0.15, 0.15),
        seed: int = 0,
        keep: bool = False,
    ) -> None:
        """Divide the cases by patient among train, val and test; who has a case that is no pair goes into train.

        :param roles: what makes a pair.
        :param shares: of the patients in train, val and test.
        :param seed: of the order in which patients are drawn.
        :param keep: leave patients in the split that they have.
        :raises MedSynthError: there are fewer patients than splits, or none with pairs.
        """
        from medsynth_core.datasets.splitting import split_cases

        alone = {case.patient for case in self.cases if not roles.paired and roles.lackingIn(case.files)}
        if alone and all(case.patient in alone for case in self.cases):
            raise MedSynthError(_("No case has both images, which validation and test need; add some that have."))
        begun = [
            replace(case, split="train" if case.patient in alone else case.split if keep else "") for case in self.cases
        ]
        self._replaceCases(split_cases(begun, shares, seed, keep=True))

    def setFile(self, name: str, role: str, file: Path) -> None:
        """Let a case have another file for a role."""
        changed = [replace(c, files={**c.files, role: file}) if c.name == name else c for c in self.cases]
        self._replaceCases(changed)

    def count(self, split: str) -> int:
        """Return the number of cases in a split; "" for those that have none."""
        return sum(case.split == split for case in self.cases)

    def whatIsMissing(self, roles: Roles) -> str:
        """Return in a sentence what a training still needs; "" when nothing."""
        if not self.cases:
            return _("Add cases to the data set first.")
        if self.count(""):
            return _("{cases} without a split; press Divide by patient.").format(cases=casesInWords(self.count("")))
        for split in ("train", "val"):
            if not self.count(split):
                return _("No case is in the split {split}; put one into it.").format(split=split)
        for case in self.cases:
            lacking = roles.lackingIn(case.files)
            if lacking and roles.paired:
                return _("The case {name} has no '{role}'; remove it, or choose another recipe.").format(
                    name=case.name, role=lacking[0]
                )
            if lacking and case.split != "train":
                return _("The case {name} has no '{role}', which {split} needs; move it to train.").format(
                    name=case.name, role=lacking[0], split=case.split
                )
        for role in roles.names:
            if not any(role in case.files for case in self.cases if case.split == "train"):
                return _("No case of the split train has a '{role}'; put one into it.").format(role=role)
        return ""

    def folderOf(self, name: str) -> Path:
        """Return the folder in which files for a case may be written, made if it is not there."""
        case = self.case(name)
        for file in case.files.values():
            if file.parent.parent == self.folder:
                return file.parent
        return self.newFolder(name)

    def newFolder(self, name: str) -> Path:
        """Make a folder for the files of a new case, which is deleted with the case, and return it.

        Raises:
            MedSynthError: it cannot be made.
        """
        folder = freePlace(self.folder, safeName(name, "case"))
        make_folder(folder)
        (folder / MARKER).touch()
        return folder

    def checkNew(self, names: list[str]) -> None:
        """Make sure that no case has one of these names yet.

        Raises:
            MedSynthError: one has.
        """
        known = {case.name for case in self.cases}
        for name in names:
            if name in known:
                raise MedSynthError(
                    _("The data set has a case {name} already; choose another name.").format(name=name), kind="input"
                )

    def _isTrainedWith(self, folder: Path) -> bool:
        """Return whether a manifest of a run beside this data set names a file in a folder."""
        place = str(folder.absolute())
        return any(place in table.read_text(encoding="utf-8") for table in self.folder.parent.glob("*/*.csv"))

    def _read(self, path: Path) -> list[Case]:
        return read_manifest(path, roles_in(path), check_files=False, unsplit=True)

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


def _removeIfEmpty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def casesInWords(count: int) -> str:
    """Return a number of cases in words: ``1 case``, ``4 cases``."""
    return _("1 case") if count == 1 else _("{count} cases").format(count=count)


def worldVolumes(nodes: tuple[Any, ...], roles: Roles) -> dict[str, Any]:
    """Return the volumes of nodes by their roles, as `worldVolume` does.

    Args:
        nodes: scalar volumes, in the order of the roles; one may be None if the roles are unpaired.
        roles: what they shall be.

    Raises:
        MedSynthError: a volume is missing, or cannot be used.
    """
    pairs = [(node, role) for node, role in zip(nodes, roles.images, strict=True) if roles.paired or node is not None]
    chosen = [node for node in nodes if node is not None]
    if len(chosen) == 2 and chosen[0] is chosen[1]:
        raise MedSynthError(_("The same volume is chosen twice; choose another one."))
    if not pairs:
        raise MedSynthError(_("Choose a volume as input or as target."))
    return {role.name: worldVolume(node, role) for node, role in pairs}


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
