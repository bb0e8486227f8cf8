"""The table that tells which patient and study a numbered case from DICOM is.

Cases from DICOM are numbered, because a Patient ID may be a name or a birth date, and names of cases reach manifests,
split tables and published models. The table stays beside the manifest and is part of nothing that is published.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.table import read_rows, write_rows

FILE = "identities.csv"
_CASE = re.compile(r"[0-9]{3,9}(?:-[0-9]{1,4})?")


@dataclass(frozen=True)
class Identity:
    """Who a case is.

    Attributes:
        case: name of the case: the patient's number, and ``-2``, ``-3`` … for further studies.
        patient: number of the patient, such as ``001``.
        patient_id: Patient ID of the DICOM files, or what else tells the patient.
        study: Study Instance UIDs, joined by spaces.
    """

    case: str
    patient: str
    patient_id: str
    study: str


class Identities:
    """The numbered cases of a folder. Numbers never change, so that a later build adds to an earlier one.

    Args:
        known: cases that have their numbers.
        taken: names in the folder that are not used for new cases, because what has them may be the user's own.
    """

    def __init__(self, known: list[Identity], taken: Collection[str] = ()) -> None:
        self._known, self._taken = known, set(taken)

    @classmethod
    def read(cls, folders: Sequence[Path], output: Path) -> Identities:
        """Return the cases listed in the tables of a folder for cases and of others; a table may be missing.

        Raises:
            MedSynthError: a table cannot be read, or two of them give a number to different patients.
        """
        folders = [*folders, output]
        known = list(dict.fromkeys(one for folder in folders for one in _listed(folder / FILE)))
        owners: dict[str, str] = {}
        for one in known:
            if owners.setdefault(one.patient, one.patient_id) != one.patient_id:
                raise MedSynthError(
                    f"The tables {FILE} of these folders give the number {one.patient} to different patients; build "
                    "them into separate folders."
                )
        try:
            there = {path.name for path in output.iterdir()} if os.path.isdir(output) else set()
        except OSError as error:
            raise MedSynthError(f"The folder {output} cannot be read: {reason_of(error)}.") from error
        return cls(known, there - {one.case for one in _listed(output / FILE)})

    def number(self, patient_id: str, study: str) -> Identity:
        """Return the case of a study, with a new number if it has none.

        Raises:
            MedSynthError: its number, known from another folder, is a name in this folder that was not made from it.
        """
        same = [one for one in self._known if one.patient_id == patient_id]
        known = next((one for one in same if one.study == study), None)
        if known is None:
            patient = same[0].patient if same else self._free_number()
            names = (f"{patient}-{count}" for count in itertools.count(len(same) + 1))
            case = next(name for name in names if name not in self._taken) if same else patient
            known = Identity(case, patient, patient_id, study)
            self._known.append(known)
        if known.case in self._taken:
            raise MedSynthError(
                f"The case {known.case} cannot be written, because its folder has something of that name that is not "
                f"listed in {FILE}; move it away, or choose another folder for the manifest."
            )
        return known

    def write(self, folder: Path) -> None:
        """Write the table, readable by its owner alone.

        Raises:
            MedSynthError: it cannot be written.
        """
        path = folder / FILE
        with suppress(OSError):
            # Created first, because only a file that is replaced keeps its permissions all the time.
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            os.chmod(path, 0o600)
        write_rows([asdict(one) for one in self._known], path)

    def _free_number(self) -> str:
        """Return the number after the highest, which no file or folder has, not even as its beginning."""
        highest = max((int(one.patient) for one in self._known), default=0)
        numbers = (f"{number:03d}" for number in itertools.count(highest + 1))
        taken = {re.match("[0-9]*", name)[0] for name in self._taken}  # type: ignore[index]
        return next(number for number in numbers if number not in taken)


def _listed(path: Path) -> list[Identity]:
    if not path.exists():
        return []
    try:
        known = [Identity(**{key: cell or "" for key, cell in row.items()}) for row in read_rows(path)]
    except (OSError, TypeError, ValueError) as error:
        raise _damaged(path) from error
    # Cases become folders, so a name may not be anything else.
    if not all(_CASE.fullmatch(str(one.case)) and str(one.patient).isdecimal() for one in known):
        raise _damaged(path)
    return known


def _damaged(path: Path) -> MedSynthError:
    return MedSynthError(
        f"{path}, the table of patients and their numbers, cannot be read; restore it, or choose another folder for "
        "the manifest."
    )
