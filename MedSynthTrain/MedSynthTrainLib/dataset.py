"""The data set of a training: its cases, and the files that were written for cases from the scene."""

import os
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from MedSynthLib import provenance
from MedSynthLib import volume_bridge as bridge
from MedSynthLib.folders import freePlace, safeName
from slicer.i18n import tr as _

from medsynth_core.datasets.completeness import lacking_roles, what_is_missing
from medsynth_core.datasets.identities import FILE
from medsynth_core.datasets.kept_columns import content_of, rewrite_manifest
from medsynth_core.datasets.manifest import SPLITS, Case, read_manifest, roles_in, shared_patients
from medsynth_core.datasets.splitting import split_for_training
from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.atomic import make_folder
from medsynth_core.systems.data_needs import DataNeeds, Role
from MedSynthTrainLib.thumbnail_files import removeUnneeded

MANIFEST = "manifest.csv"
# In folders that were made for a case: only these are deleted with it.
MARKER = ".medsynth-case"
THUMBNAILS = "thumbnails"


class DataSet:
    """The cases in a folder, in the order in which they were added.

    They are listed in ``manifest.csv``, which is written after every change; columns that it has besides are kept. If
    somebody else has changed it, it is read again, and nothing is written (`checkUnchanged`). Images from the scene
    are in ``CASE/ROLE.nii.gz``; the files of other cases stay where they are.

    Args:
        folder: made when something is written into it.

    Thumbnails that the panel makes of the images are in ``thumbnails`` as long as a case needs them.

    Raises:
        MedSynthError: the folder cannot be read, or has a manifest that cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cases: list[Case] = []
        self._content: bytes | None = None
        self._load()

    def _load(self) -> None:
        """Read the cases from the manifest."""
        try:
            found = self.manifest.stat()
        except (FileNotFoundError, NotADirectoryError):
            self.cases, self._content = [], None
            return
        except OSError as problem:  # a folder of another user, a disk that is not there
            raise MedSynthError(
                _("The data set in {folder} cannot be read: {reason}; choose another folder.").format(
                    folder=self.folder, reason=reason_of(problem)
                )
            ) from problem
        if stat.S_ISREG(found.st_mode):
            content = content_of(self.manifest)
            self.cases, self._content = self._read(self.manifest), content

    def readAgain(self) -> bool:
        """Read the manifest again if it was changed by somebody else, and return whether it was.

        Raises:
            MedSynthError: it cannot be used any more; the cases are those from before then.
        """
        content = content_of(self.manifest)
        changed = content != self._content
        if changed and content is None:
            raise MedSynthError(
                _(
                    "The table {manifest} is missing; put it back (a shared folder may not be mounted), or choose "
                    "another folder."
                ).format(manifest=self.manifest)
            )
        if changed:
            self._load()
        return changed

    def checkUnchanged(self) -> None:
        """Check that nobody else has changed the manifest since it was read; else read it again.

        Raises:
            MedSynthError: somebody has.
        """
        if self.readAgain():
            raise MedSynthError(
                _(
                    "The table {manifest} was changed by another program, so nothing was written to it and it was read "
                    "again; check the cases, and repeat what you did."
                ).format(manifest=self.manifest)
            )

    @property
    def manifest(self) -> Path:
        """The table of the cases; it exists when there are cases."""
        return self.folder / MANIFEST

    @property
    def thumbnails(self) -> Path:
        """The folder of the thumbnails."""
        return self.folder / THUMBNAILS

    def removeUnneededThumbnails(self) -> None:
        """Delete the thumbnails that no case needs: they show a patient."""
        removeUnneeded(self.thumbnails, {file for case in self.cases for file in case.files.values()})

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
        """Return a name that no case has yet: ``case-001`` and so on. It does not identify the patient."""
        number = len(self.cases) + 1
        while any(case.name == f"case-{number:03}" for case in self.cases):
            number += 1
        return f"case-{number:03}"

    def addWritten(self, manifest: Path) -> list[Case]:
        """Add the cases of a manifest as `addManifest`, with files that are deleted when the cases are removed.

        :param manifest: manifest in the folder of the data set, like its files; the manifest itself is deleted.
        """
        cases = self.addManifest(manifest)
        for file in {file for case in cases for file in case.files.values()}:
            if manifest.parent in file.parents:
                (file.parent / MARKER).touch()
        manifest.unlink()
        _removeIfEmpty(manifest.parent)
        return cases

    def addManifest(self, path: str | Path) -> list[Case]:
        """Add the cases of a manifest (CSV), with the splits that it states; their files stay where they are.

        :raises MedSynthError: the manifest cannot be used, or one of its names is taken.
        """
        cases = self._read(Path(path))
        self.checkNew([case.name for case in cases])
        self._replaceCases([*self.cases, *cases])
        return cases

    def remove(self, names: list[str]) -> None:
        """Remove cases, and delete the files that were written for them.

        Files that the user added are never deleted, nor are those that a training beside this data set may still need;
        thumbnails of all of them are.
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
        """Move cases, and all other cases of their patients, to ``train``, ``val`` or ``test``."""
        if split not in SPLITS:
            raise MedSynthError(_("There is no split {split}; use train, val or test.").format(split=split))
        persons = {case.person for case in self.cases if case.name in names}
        self._replaceCases([replace(case, split=split) if case.person in persons else case for case in self.cases])

    def divide(
        self,
        roles: DataNeeds,
        shares: tuple[float, float, float] = (0.7, 0.15, 0.15),
        seed: int = 0,
        keep: bool = False,
    ) -> None:
        """Divide the cases by patient among train, val and test; patients with an unpaired image go into train.

        :param roles: what the recipe needs of a case.
        :param shares: shares of the patients in train, val and test.
        :param seed: random seed for the order in which patients are drawn.
        :param keep: leave patients in the split that they have.
        :raises MedSynthError: there are fewer patients than splits, or none with pairs.
        """
        self._replaceCases(split_for_training(self.cases, roles, shares, seed, keep=keep))

    def setFile(self, name: str, role: str, file: Path) -> None:
        """Replace the file of a case for a role."""
        changed = [replace(c, files={**c.files, role: file}) if c.name == name else c for c in self.cases]
        self._replaceCases(changed)

    def count(self, split: str) -> int:
        """Return the number of cases in a split, or with ``split`` "" of those without one."""
        return sum(case.split == split for case in self.cases)

    def whatIsMissing(self, roles: DataNeeds, checkFiles: bool = True) -> str:
        """Return in a sentence what must be done before a training can start; "" when nothing.

        :param roles: what the recipe needs of a case.
        :param checkFiles: also look whether the files are there, which takes time on a slow disk.
        """
        if checkFiles:  # before a training, which must not miss a correction of the table
            self.readAgain()
        return what_is_missing(self.cases, roles, check_files=checkFiles)

    def folderOf(self, name: str) -> Path:
        """Return the folder for files written for a case; it is made if it does not exist."""
        case = self.case(name)
        for file in case.files.values():
            if file.parent.parent == self.folder:
                return file.parent
        return self.newFolder(name)

    def newFolder(self, name: str) -> Path:
        """Make a folder for the files of a new case and return it; it is deleted when the case is removed.

        Raises:
            MedSynthError: it cannot be made.
        """
        folder = freePlace(self.folder, safeName(name, "case"))
        make_folder(folder)
        (folder / MARKER).touch()
        return folder

    def checkNew(self, names: list[str]) -> None:
        """Check that no case has one of these names yet.

        Raises:
            MedSynthError: a case has one of them.
        """
        known = {case.name for case in self.cases}
        for name in names:
            if name in known:
                raise MedSynthError(
                    _("The data set has a case {name} already; choose another name.").format(name=name), kind="input"
                )

    def _isTrainedWith(self, folder: Path) -> bool:
        """Return whether a manifest of a run beside this data set lists a file in a folder."""
        place = str(folder.absolute()).encode("utf-8", "surrogateescape")
        try:
            return any(
                place in table.read_bytes() for table in self.folder.parent.glob("*/*.csv") if os.path.isfile(table)
            )
        except OSError:  # a table that may not be read may list it
            return True

    def _read(self, path: Path) -> list[Case]:
        return read_manifest(path, roles_in(path), check_files=False, unsplit=True)

    def _replaceCases(self, cases: list[Case]) -> None:
        """Write the manifest, then keep the cases: the panel never shows what is not on the disk."""
        self.checkUnchanged()
        for patient in shared_patients(cases).values():
            raise MedSynthError(
                _("The patient {patient} would be in the splits {splits}; move all cases of a patient to one.").format(
                    patient=patient.names, splits=patient.splits
                )
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not cases:
                self.manifest.unlink(missing_ok=True)
        except OSError as problem:
            raise MedSynthError(
                _("The data set cannot be written to {folder}: {reason}; choose another folder.").format(
                    folder=self.folder, reason=reason_of(problem)
                ),
                kind="output",
            ) from problem
        if cases:
            rewrite_manifest(cases, self.manifest)
        self.cases, self._content = cases, content_of(self.manifest)
        self.removeUnneededThumbnails()


def _removeIfEmpty(folder: Path) -> None:
    """Remove a folder in which nothing is left, except perhaps the table of patients and their numbers."""
    with suppress(OSError):
        if [path.name for path in folder.iterdir()] == [FILE]:
            (folder / FILE).unlink()
        folder.rmdir()


def worldVolumes(nodes: Mapping[str, Any], needs: DataNeeds) -> dict[str, Any]:
    """Return the volumes of nodes by the names of their roles, as `worldVolume` does.

    Args:
        nodes: scalar volumes by role; one that is optional, or any if the images are unpaired, may be None or left out.
        needs: data requirements of the recipe.

    Raises:
        MedSynthError: a volume is missing, cannot be used, or is for a role that the recipe does not have.
    """
    given = {role: node for role, node in nodes.items() if node is not None}
    unknown = sorted(given.keys() - set(needs.names))
    if unknown:
        raise MedSynthError(
            _("The recipe does not use '{role}'; it uses {roles}.").format(
                role=unknown[0], roles=", ".join(needs.names)
            )
        )
    if len({node.GetID() for node in given.values()}) < len(given):
        raise MedSynthError(_("The same volume is chosen twice; choose another one."))
    missing = [name for name in lacking_roles(given, needs) if needs.paired]
    if missing:
        raise MedSynthError(_("Choose a volume for '{role}'.").format(role=missing[0]))
    if not given:
        raise MedSynthError(_("Choose a volume as input or as target."))
    return {role.name: worldVolume(given[role.name], role) for role in needs.roles if role.name in given}


def worldVolume(node, role: Role):
    """Return a node's volume in world coordinates, with the modality and unit that the node states.

    Raises:
        MedSynthError: the node is not a scalar volume, has another modality or unit, or a transform that is not linear
            or not invertible.
    """
    volume = bridge.coreVolume(node)
    for found, wanted in ((volume.modality, role.modality), (volume.unit, role.unit)):
        if found and wanted and found != wanted:
            raise MedSynthError(
                _("The volume {name} is {found}, but the recipe's '{role}' is {wanted}; choose another.").format(
                    name=node.GetName(), found=found, role=role.name, wanted=wanted
                )
            )
    if node.GetParentTransformNode() is not None:
        volume = volume.replace(ijk_to_ras=bridge.toWorld(node) @ volume.ijk_to_ras)
    return volume.replace(metadata={**volume.metadata, **provenance.modelFacts(node)})
