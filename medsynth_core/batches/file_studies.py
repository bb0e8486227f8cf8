"""Studies in a folder of image files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from medsynth_core.batches.study import IMAGES, Study, lacking, name_of, required_roles
from medsynth_core.datasets.folders import cases_from_folders
from medsynth_core.datasets.layouts.image_files import images
from medsynth_core.errors import MedSynthError
from medsynth_core.io.sidecar import json_object, sidecar_path
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.progress import Progress

# Patterns of BIDS files by modality; MR has many kinds, which the modality does not tell.
_BIDS = {"CT": "*_ct.nii*", "PT": "*_pet.nii*"}


def studies_in_files(
    root: Path,
    paths: Sequence[PurePath],
    contract: SynthesisContract,
    patterns: Mapping[str, str],
    progress: Progress,
) -> list[Study]:
    """Return the studies in the files ``paths`` below ``root``; arguments and errors as for `list_studies`."""
    found, required = [path for path in paths if path.name.lower().endswith(IMAGES)], required_roles(contract)
    patterns = patterns or _usual_patterns(found, contract)
    if patterns:
        return _in_tree(root, paths, required, patterns, progress)
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
    return [Study(name_of(path, root), {role: root / path}) for path in kept]


def is_below(path: Path, folder: Path | None) -> bool:
    """Return whether a path is in a folder or below it; False for no folder."""
    return folder is not None and path.resolve().is_relative_to(folder.resolve())


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
    return {role: f"*_{channel:04d}.*" for channel, role in enumerate(contract.inputs)}


def _in_tree(
    root: Path, paths: Sequence[PurePath], required: Sequence[str], patterns: Mapping[str, str], progress: Progress
) -> list[Study]:
    told = ", ".join(f"{role}={pattern}" for role, pattern in patterns.items())
    progress.log(f"The inputs are the files {told}.")
    missing = next((role for role in required if role not in patterns), "")
    if missing:
        raise MedSynthError(f"The model also needs '{missing}'; give a pattern of its file name.")
    usable = {root / path for path in paths}
    cases = cases_from_folders(root, patterns, paired=False, progress=progress)
    return [
        Study(case.name, case.files, problem=lacking(case.name, case.files, required))
        for case in cases
        if usable.issuperset(case.files.values())
    ]
