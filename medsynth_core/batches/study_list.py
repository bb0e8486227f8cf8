"""The studies of a batch, from a manifest, a folder of image files, or DICOM studies."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from medsynth_core.batches.dicom_studies import studies_in_dicom
from medsynth_core.batches.file_studies import image_files, is_passed_over, studies_in_files
from medsynth_core.batches.study import Study, check_names, lacking, required_roles
from medsynth_core.datasets.layouts.image_files import files_below
from medsynth_core.datasets.manifest import column_of
from medsynth_core.datasets.manifest_rows import manifest_rows
from medsynth_core.errors import MedSynthError
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.progress import Progress

# Ends of files that are no DICOM.
_OTHER = (".json", ".csv", ".tsv", ".txt", ".md", ".png", ".jpg", ".pdf", ".bval", ".bvec", ".raw", ".zraw")


def list_studies(
    source: Path | Sequence[Path],
    contract: SynthesisContract,
    *,
    patterns: Mapping[str, str] | None = None,
    reference: str = "",
    left_out: Path | None = None,
    progress: Progress | None = None,
) -> list[Study]:
    """Return the studies in a manifest or folder, in the order of the manifest or of their names.

    Files are not opened, but for the headers of DICOM. The columns of a manifest are ``case`` and the roles of the
    model's inputs; relative paths are relative to its folder. A folder with image files has a study in each file, or in
    each case where patterns are given or the folder is in BIDS or nnU-Net; any other is searched for DICOM.

    Args:
        source: manifest (.csv), folder, or the files of DICOM studies, as a database of DICOM has them.
        contract: contract of the model, whose roles the inputs have.
        patterns: for a folder: role → pattern of the file name (``*ct*.nii*``) or, for DICOM, modality with a pattern
            of the series description (``MR:*T1*``); by default what the folder tells.
        reference: column of the manifest with real images that results are compared with; "" for none.
        left_out: folder whose files are no studies, such as that of the results.
        progress: its log says what the studies were taken from, and what was passed over.

    Raises:
        MedSynthError: the source cannot be read or lists no study, a role or column is not known, two studies have the
            same name, or a name cannot be that of a folder.
    """
    patterns, progress = patterns or {}, progress or Progress()
    for role in patterns:
        if role not in contract.inputs:
            raise MedSynthError(f"The model has no input '{role}'; its inputs are {', '.join(contract.inputs)}.")
    if not isinstance(source, Path):
        root = common_folder(source)
        # Whatever else is in the list, and wherever the database lies, a study keeps its name.
        studies = studies_in_dicom(root, list(source), contract, patterns, progress, numbered=True)
        check_names(studies, root)
        return studies
    if not source.exists():
        raise MedSynthError(f"{source} does not exist; give a manifest (.csv) or a folder of studies.")
    if not source.is_dir():
        if patterns:
            raise MedSynthError(f"Patterns are for folders, but {source} is a manifest; leave them out.")
        studies = _in_manifest(source, contract, reference)
    else:
        if reference:
            raise MedSynthError(f"A reference is a column of a manifest, but {source} is a folder; list it in a CSV.")
        paths = [path for path in files_below(source) if not is_passed_over(source, path, left_out)]
        found = image_files(paths)
        _check_one_kind(source, paths, found)
        if found:
            studies = studies_in_files(source, paths, contract, patterns, left_out, progress)
        else:
            studies = studies_in_dicom(source, [source / path for path in paths], contract, patterns, progress)
    check_names(studies, source)
    return studies


def common_folder(files: Sequence[Path]) -> Path:
    """Return the folder below which files lie.

    Raises:
        MedSynthError: there are no files, or they lie on different disks.
    """
    if not files:
        raise MedSynthError("No DICOM files were given; choose at least one study.")
    try:
        return Path(os.path.commonpath([file.absolute().parent for file in files]))
    except ValueError as error:
        raise MedSynthError("The DICOM files lie on different disks; process those of each disk apart.") from error


def _check_one_kind(source: Path, paths: Sequence[PurePath], found: Sequence[PurePath]) -> None:
    """Check that a folder with image files has no DICOM, of which only one of the two would be used.

    Raises:
        MedSynthError: it has both.
    """
    from medsynth_core.io.dicom.files import is_dicom

    others = [path for path in paths if path.suffix.lower() not in _OTHER and path not in set(found)]
    # A folder of DICOM has many files without an image among them: the first of each folder tells.
    first = {path.parent: path for path in reversed(others)}
    slices = [path for path in first.values() if is_dicom(source / path)] if found else []
    if slices:
        raise MedSynthError(
            f"{source} has image files ({found[0].as_posix()}) and DICOM ({slices[0].as_posix()}); choose a folder "
            "with one of them, or list the studies in a manifest."
        )


def _in_manifest(path: Path, contract: SynthesisContract, reference: str) -> list[Study]:
    rows, required = manifest_rows(path, people=False), required_roles(contract)
    for name in ("case", *required, *([reference] if reference else [])):
        if not column_of(name, rows[0]):
            raise MedSynthError(f"The manifest {path} has no column '{name}'; add it.")
    columns = {role: column for role in contract.inputs if (column := column_of(role, rows[0]))}
    real = column_of(reference, rows[0]) if reference else ""
    studies = []
    for line, row in enumerate(rows, start=2):
        name = row["case"]
        if not name:
            raise MedSynthError(f"Line {line} of the manifest {path} has no name in the column 'case'; add one.")
        files = {role: path.parent / cell for role, column in columns.items() if (cell := row[column])}
        compared = path.parent / row[real] if real and row[real] else None
        studies.append(Study(name, files, reference=compared, problem=lacking(name, files, required)))
    return studies
