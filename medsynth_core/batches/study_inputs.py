"""The inputs of a study: as volumes, and what they contain, by which a result knows whether it is still theirs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.batches.study import Study
from medsynth_core.errors import MedSynthError
from medsynth_core.inference.model_input import read_input
from medsynth_core.io.bids_files import files_about
from medsynth_core.io.digest import sha256_of
from medsynth_core.io.metaimage import voxels_file
from medsynth_core.io.sidecar import split_suffix
from medsynth_core.io.text_header import data_files
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.volume import Volume

# In the place of a role, of which none has this name.
REFERENCE = "(reference)"
# Ends of the names of files beside an image that say more about it, or have its voxels.
_BESIDE = (".json", ".img", ".img.gz", ".hdr", ".hdr.gz")


class StudyInputs:
    """The inputs of a study, which are read when they are needed.

    Args:
        study: the study.
        contract: contract of the model.
        unit: unit of the first input if its file states none.
    """

    def __init__(self, study: Study, contract: SynthesisContract, unit: str = "") -> None:
        self.study, self._contract, self._unit = study, contract, unit
        # Before anything is read, so that a change in the meantime is noticed the next time.
        self._files = {role: self._of(role, path) for role, path in study.files.items()}
        if study.reference is not None:
            self._files[REFERENCE] = _of_image(study.reference)
        self._states = {role: _state(files) for role, files in self._files.items()}

    def _of(self, role: str, path: Path) -> list[Path]:
        return list(self.study.series.get(role, ())) or _of_image(path)

    @cached_property
    def volumes(self) -> dict[str, Volume]:
        """The inputs by role.

        Raises:
            MedSynthError: one cannot be read.
        """
        units = {self._contract.input_role: self._unit}
        return {
            role: read_input(path, self._contract, units.get(role, ""), role, self.study.series.get(role, ()))
            for role, path in self.study.files.items()
        }

    def record(self) -> dict[str, dict[str, str]]:
        """Return what the inputs and the reference are, by role: the state of the files, and SHA-256 of the content.

        The content of an input is what was read of it: voxels, grid, modality, unit and facts.
        """
        return {role: {"state": state, "sha256": self._content(role)} for role, state in self._states.items()}

    def is_same(self, record: Mapping[str, Any]) -> bool:
        """Return whether the inputs are those of a record; they are read only if files look changed."""
        if set(record) != set(self._states):
            return False
        for role, state in self._states.items():
            known = record[role] if isinstance(record[role], dict) else {}
            if known.get("state") != state and known.get("sha256") != self._content(role):
                return False
        return True

    @property
    def places(self) -> dict[str, str]:
        """A digest of the place of each input's file, which tells it from another one and nothing else."""
        return {role: hashlib.sha256(str(path).encode()).hexdigest()[:16] for role, path in self.study.files.items()}

    def _content(self, role: str) -> str:
        if role == REFERENCE:
            return sha256_of(self._files[role])
        volume = self.volumes[role]
        facts = [volume.modality, volume.unit, str(volume.voxels.dtype), volume.shape, volume.metadata]
        found = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
        found.update(np.ascontiguousarray(volume.ijk_to_ras).tobytes())
        found.update(np.ascontiguousarray(volume.voxels).tobytes())
        return found.hexdigest()


def _state(files: Iterable[Path]) -> str:
    """Return a digest of sizes and times of files.

    Raises:
        OSError: a file is missing.
    """
    found = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _of_image(path: Path) -> list[Path]:
    """Return the files that reading an image may use."""
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.is_file())
        if not found:
            raise MedSynthError(f"The folder {path} is empty; choose another one.")
        return found
    bare, suffix = split_suffix(path)
    if not suffix or suffix.lower() == ".dcm":
        # A file of a DICOM series stands for all of them.
        return [path, *sorted(file for file in path.parent.iterdir() if file != path and file.is_file())]
    beside = [path.with_name(f"{bare}{end}") for end in _BESIDE] + [path.with_name(f"{path.name}.json")]
    others = dict.fromkeys([*beside, *_detached(path, suffix.lower()), *files_about(path)])
    return [path, *(file for file in others if file != path and file.is_file())]


def _detached(path: Path, suffix: str) -> list[Path]:
    """Return the files in which a header of its own says its voxels are."""
    if suffix == ".mhd":
        found = voxels_file(path)
        return [found] if found else []
    try:
        return list(data_files(path)) if suffix == ".nhdr" else []
    except (OSError, TypeError, ValueError):
        return []  # refused when it is read
