"""The manifest: a table of cases with their files, patient and split.

It is not read with pandas, which guesses types and would turn the case ``007`` into 7.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medsynth_core.datasets.identities import FILE as IDENTITIES
from medsynth_core.datasets.manifest_rows import manifest_rows
from medsynth_core.datasets.spelling import spelling
from medsynth_core.errors import MedSynthError
from medsynth_core.io.pictures import SUFFIXES as PICTURE_SUFFIXES
from medsynth_core.io.reading import ITK_SUFFIXES, NIFTI_SUFFIXES
from medsynth_core.io.table import check_table_name, write_rows
from medsynth_core.preparation.roles import ABOUT_THE_CASE, check_role

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Case:
    """One examination: a name, a split, and a file for each role.

    Attributes:
        name: unique name of the case.
        split: ``train``, ``val``, ``test``, or ``""`` if not yet assigned.
        files: role (``ct``, ``pet``, ``mr_t1``, ``lesion``, …) → image file.
        patient: the patient, needed if one has several cases; by default the name of the case. Patients are compared
            by ``person``.
        label: class of the case (``normal``, ``viral``, …), for a training with classes; ``""`` if it has none.
    """

    name: str
    split: str
    files: dict[str, Path]
    patient: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "patient", self.patient or self.name)

    @property
    def person(self) -> tuple[str, ...]:
        """What is the same in all cases of the patient, however the patient is spelled."""
        return spelling(self.patient)


def read_manifest(
    path: str | Path,
    roles: tuple[str, ...],
    *,
    optional: tuple[str, ...] = (),
    check_files: bool = True,
    unsplit: bool = False,
) -> list[Case]:
    """Return the cases of a CSV with the columns ``case``, ``split``, ``roles``, and optionally ``patient``, ``class``.

    Relative paths are relative to the folder of the CSV. Other columns are ignored, unless they tell patients
    (``patient_id``) where the column ``patient`` does not. Names of columns are read as `manifest_rows` says, those of
    roles in capital and small letters too.

    Args:
        path: the CSV, in UTF-8.
        roles: the columns with the required files.
        optional: further columns with files, read if the table has them; their cells may be empty.
        check_files: refuse missing files; otherwise cases have the files listed in the table, existing or not.
        unsplit: accept cases without a split, and a table without that column.

    Raises:
        MedSynthError: the table, a column or a required file is missing, a split is unknown, a case is listed twice,
            or a patient is in two splits.
    """
    path = Path(path)
    rows = manifest_rows(path)
    needed = ("case", *roles) if unsplit else ("case", "split", *roles)
    columns = {name: column for name in (*needed, *optional) if (column := column_of(name, rows[0]))}
    missing = [name for name in needed if name not in columns]
    if missing:
        raise MedSynthError(f"The manifest {path} has no column '{missing[0]}'; add it.")
    of_roles = {role: columns[role] for role in (*roles, *optional) if role in columns}
    cases = [_case(path, line, row, of_roles, unsplit) for line, row in enumerate(rows, start=2)]
    if check_files:
        _check_files(path, cases, roles)
    twice = [name for name, count in Counter(case.name for case in cases).items() if count > 1]
    if twice:
        raise MedSynthError(f"The manifest {path} lists the case '{twice[0]}' twice; give each case a unique name.")
    for patient in shared_patients(cases).values():
        raise MedSynthError(
            f"The manifest {path} has the patient {patient.names} in the splits {patient.splits}; put all cases of "
            "a patient into one split, otherwise the model is evaluated on patients it was trained with."
        )
    return cases


def roles_in(path: str | Path) -> tuple[str, ...]:
    """Return the columns of a manifest that list image files, in order.

    Raises:
        MedSynthError: the table is missing, not a CSV, or empty.
    """
    path = Path(path)
    rows = manifest_rows(path)
    columns = [column for column in rows[0] if column and column not in ABOUT_THE_CASE]
    return tuple(column for column in columns if any(_is_image(path.parent, row[column]) for row in rows))


def check_roles(roles: Iterable[str]) -> None:
    """Check that roles can be columns of a manifest.

    Raises:
        MedSynthError: one cannot.
    """
    for role in roles:
        try:
            check_role(role)
        except ValueError as error:
            sentence = str(error)
            raise MedSynthError(f"{sentence[0].upper()}{sentence[1:]}.") from error


def write_manifest(cases: list[Case], path: str | Path) -> Path:
    """Write the manifest of ``cases`` and return its path.

    Files below the folder of the manifest are listed relative to it, so that the folder can be moved; others with
    their absolute path.

    Raises:
        MedSynthError: there are no cases, a role cannot be a column, the place is that of another file
            (`check_manifest_place`), or the file cannot be written.
    """
    path = Path(path)
    check_manifest_place(path, (file for case in cases for file in case.files.values()))
    if not cases:
        raise MedSynthError(f"There are no cases to write to the manifest {path}; add at least one.")
    check_roles(dict.fromkeys(role for case in cases for role in case.files))
    classified = any(case.label for case in cases)
    rows = [
        {
            "case": case.name,
            "split": case.split,
            "patient": case.patient,
            **({"class": case.label} if classified else {}),
            **{role: _written(file, path.parent) for role, file in case.files.items()},
        }
        for case in cases
    ]
    write_rows(rows, path)
    return path


def check_manifest_place(path: Path, images: Iterable[Path] = ()) -> None:
    """Check, before long work, that a manifest replaces no other kind of file.

    Args:
        path: where it is to be written.
        images: files that it lists.

    Raises:
        MedSynthError: its name does not end with .csv, or is that of the table of patients; or the file is an image.
    """
    check_table_name(path)
    if path.name.lower() == IDENTITIES:
        raise MedSynthError(f"{path} is reserved for the table of patients; choose another name.", kind="output")
    if os.path.exists(path) and any(os.path.exists(image) and os.path.samefile(path, image) for image in images):
        raise MedSynthError(f"{path} is an image that the manifest lists; choose another name.", kind="output")


def write_splits(cases: list[Case], source: Path, target: Path) -> None:
    """Write the manifest ``source`` with the splits of ``cases`` to ``target``, which may be the same file.

    All other cells are kept, but relative paths of image files are adapted to the folder of ``target``.

    Raises:
        MedSynthError: ``target`` is the place of another file (`check_manifest_place`), or a file cannot be read or
            written.
    """
    splits = {case.name: case.split for case in cases}
    roles, listed = roles_in(source), manifest_rows(source)
    check_manifest_place(target, (source.parent / row[role] for row in listed for role in roles if row[role]))
    rows = []
    for row in listed:
        files = {role: _written(source.parent / cell, target.parent) for role in roles if (cell := row[role])}
        rows.append({**row, **files, "split": splits[row["case"]]})
    write_rows(rows, target)


def split_of(cases: list[Case], split: str) -> list[Case]:
    """Return the cases of one split.

    Raises:
        MedSynthError: the split has no cases.
    """
    chosen = [case for case in cases if case.split == split]
    if not chosen:
        raise MedSynthError(f"The manifest has no case in the split '{split}'; assign at least one.")
    return chosen


@dataclass(frozen=True)
class SharedPatient:
    """A patient with cases in several splits.

    Attributes:
        names: the patient in quotes, with all spellings: ``'P1', also spelled 'p1',``.
        splits: the splits, joined by ``and``.
    """

    names: str
    splits: str


def shared_patients(cases: list[Case]) -> dict[tuple[str, ...], SharedPatient]:
    """Return the patients with cases in several splits by `Case.person`."""
    several: dict[tuple[str, ...], list[Case]] = {}
    for case in cases:
        several.setdefault(case.person, []).append(case)
    found = {
        person: [split for split in SPLITS if split in {case.split for case in of}] for person, of in several.items()
    }
    return {
        person: SharedPatient(_spelled(case.patient for case in several[person]), " and ".join(splits))
        for person, splits in found.items()
        if len(splits) > 1
    }


def _spelled(names: Iterable[str]) -> str:
    first, *others = (f"'{name}'" for name in dict.fromkeys(names))
    return f"{first}, also spelled {' and '.join(others)}," if others else first


def column_of(name: str, row: dict[str, str]) -> str:
    """Return the column of a role, in capital or small letters; "" if there is none."""
    alike = [column for column in row if column.casefold() == name.casefold()]
    return name if name in row else next(iter(alike), "")


def _case(path: Path, line: int, row: dict[str, str], roles: dict[str, str], unsplit: bool) -> Case:
    name, split = row["case"], row.get("split", "")
    if not name:
        raise MedSynthError(f"Line {line} of the manifest {path} has no name in the column 'case'; add one.")
    if not split and not unsplit:
        raise MedSynthError(
            f"Line {line} of the manifest {path} has no split; enter train, val or test, or split the cases with: "
            f"medsynth pairs split {path}."
        )
    if split and split not in SPLITS:
        raise MedSynthError(f"Line {line} of the manifest {path} has the split '{split}'; use train, val or test.")
    files = {role: path.parent / cell for role, column in roles.items() if (cell := row[column])}
    return Case(name, split, files, row.get("patient", ""), row.get("class", ""))


def _check_files(path: Path, cases: list[Case], roles: tuple[str, ...]) -> None:
    for line, case in enumerate(cases, start=2):
        for role in roles:
            file = case.files.get(role)
            if file is None:
                raise MedSynthError(f"Line {line} of the manifest {path} lists no file for '{role}'; add it.")
            if not os.path.isfile(file):
                raise MedSynthError(f"Line {line} of the manifest {path} lists a missing file for '{role}': {file}.")


def _is_image(folder: Path, cell: str) -> bool:
    if not cell:
        return False
    return cell.lower().endswith(NIFTI_SUFFIXES + ITK_SUFFIXES + PICTURE_SUFFIXES) or os.path.isfile(folder / cell)


def _written(file: Path, folder: Path) -> str:
    """Return the path by which a manifest in ``folder`` lists a file."""
    # Symbolic links are not followed: the manifest lists the link, not its target.
    whole, base = Path(os.path.abspath(file)), Path(os.path.abspath(folder))
    listed = whole.relative_to(base).as_posix() if whole.is_relative_to(base) else str(whole)
    return f"./{listed}" if listed[:1].isspace() else listed  # spaces around a cell do not count
