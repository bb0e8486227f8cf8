"""Studies in a folder of image files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from medsynth_core.batches.study import IMAGES, Study, lacking, name_of, required_roles
from medsynth_core.datasets.folders import cases_from_folders
from medsynth_core.datasets.layouts.image_files import images
from medsynth_core.errors import MedSynthError
from medsynth_core.io.nifti import PAIR_SUFFIXES
from medsynth_core.io.sidecar import json_object, sidecar_path, split_suffix
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.progress import Progress

# Patterns of BIDS files by modality; MR has many kinds, which the modality does not tell.
_BIDS = {"CT": "*_ct.nii*", "PT": "*_pet.nii*"}


def studies_in_files(
    root: Path,
    paths: Sequence[PurePath],
    contract: SynthesisContract,
    patterns: Mapping[str, str],
    left_out: Path | None,
    progress: Progress,
) -> list[Study]:
    """Return the studies in the files ``paths`` below ``root``; arguments and errors as for `list_studies`."""
    found, required = image_files(paths), required_roles(contract)
    patterns = patterns or _usual_patterns(found, contract)
    if patterns:
        return _in_tree(root, left_out, required, patterns, progress)
    if len(required) > 1:
        raise MedSynthError(
            f"The model needs {' and '.join(required)} of each study; give a pattern of the file name for each, such "
            f"as {required[0]}=*_{required[0]}.nii.gz, or a manifest."
        )
    role = contract.input_role
    kept = [path for path in images(found, list(paths)) if not _is_made(root / path)]
    passed_over = len(found) - len(kept)
    more = f"; {passed_over} synthetic ones or parts of pairs are passed over." if passed_over else "."
    progress.log(
        f"{len(kept)} image file{'s' * (len(kept) != 1)} in {root}, each a study with the input '{role}'{more}"
    )
    return [Study(name_of(path), {role: root / path}) for path in kept]


def image_files(paths: Sequence[PurePath]) -> list[PurePath]:
    """Return the image files among paths; one of a pair only if the other is there, because DICOM may be called so."""
    known = {path.as_posix().lower() for path in paths}
    return [path for path in paths if path.name.lower().endswith(IMAGES) and _is_whole(path, known)]


def _is_whole(path: PurePath, known: set[str]) -> bool:
    bare, suffix = split_suffix(path)
    if suffix.lower() not in PAIR_SUFFIXES:
        return True
    one, other = ("hdr", "img") if "hdr" in suffix.lower() else ("img", "hdr")
    return path.with_name(f"{bare}{suffix.lower().replace(one, other)}").as_posix().lower() in known


def is_passed_over(root: Path, path: PurePath, left_out: Path | None) -> bool:
    """Return whether a file below ``root`` is in a hidden folder, or in the folder of the results."""
    hidden = any(part.startswith(".") for part in path.parts[:-1])
    return hidden or (left_out is not None and (root / path).resolve().is_relative_to(left_out.resolve()))


def _is_made(image: Path) -> bool:
    """Return whether MedSynth's JSON beside an image says that a model made it."""
    return json_object(sidecar_path(image)).get("synthetic") is True


def _usual_patterns(found: Sequence[PurePath], contract: SynthesisContract) -> dict[str, str]:
    """Return the patterns by role where a folder is in BIDS or nnU-Net; {} for others."""
    if all(path.name.startswith("sub-") for path in found):
        known = {role: _BIDS.get(side.modality, "") for role, side in contract.inputs.items()}
        if len(set(known.values())) < len(known):
            return {}
        return {
            role: known[role] for role in known if any(fnmatchcase(path.name.lower(), known[role]) for path in found)
        }
    inside = [path for path in found if len(path.parts) > 1 and path.parts[-2] in ("imagesTr", "imagesTs")]
    if not any(path.name.split(".")[0].endswith("_0000") for path in inside):
        return {}
    given = {role: f"*_{channel:04d}.*" for channel, role in enumerate(contract.inputs)}
    return {role: given[role] for role in given if any(fnmatchcase(path.name, given[role]) for path in inside)}


def _in_tree(
    root: Path, left_out: Path | None, required: Sequence[str], patterns: Mapping[str, str], progress: Progress
) -> list[Study]:
    told = ", ".join(f"{role}={pattern}" for role, pattern in patterns.items())
    progress.log(f"The inputs are the files {told}.")
    missing = next((role for role in required if role not in patterns), "")
    if missing:
        raise MedSynthError(f"The model also needs '{missing}'; give a pattern of its file name.")

    def unusable(path: PurePath) -> bool:
        return is_passed_over(root, path, left_out) or _is_made(root / path)

    cases = cases_from_folders(root, patterns, paired=False, without=unusable, progress=progress)
    return [Study(case.name, case.files, problem=lacking(case.name, case.files, required)) for case in cases]
