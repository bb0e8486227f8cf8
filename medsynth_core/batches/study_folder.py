"""The folder of a study's results, which is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsynth_core.batches.settings import BatchSettings
from medsynth_core.batches.study import Study
from medsynth_core.batches.study_inputs import StudyInputs
from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.report import evaluate
from medsynth_core.inference.run_report import write_report
from medsynth_core.io.atomic import whole_folder
from medsynth_core.io.dicom.derived.series_writing import write_dicom
from medsynth_core.io.json_file import write_json
from medsynth_core.io.reading import read_volume
from medsynth_core.io.sidecar import json_object
from medsynth_core.io.writing import write_labelled
from medsynth_core.models.package import Model
from medsynth_core.volume import Volume

METRICS = "metrics.json"
# Of the facts on the making of a result, in the JSON beside its image.
KEY = "batch"


@dataclass(frozen=True)
class StudyFolder:
    """The folder of a study's results.

    Attributes:
        path: the folder.
        study: the study.
        model: the model.
        settings: what is written.
    """

    path: Path
    study: Study
    model: Model
    settings: BatchSettings

    def images(self) -> dict[str, Path]:
        """Return the image file of each result by role."""
        return {
            role: self.path / f"{self.settings.name(self.study.name, role, self.model.name)}{self.settings.suffix}"
            for role in self.model.synthesis.contract.outputs
        }

    def is_done(self, inputs: StudyInputs) -> bool:
        """Return whether the results are there, made by this model of these inputs with these settings.

        Raises:
            MedSynthError: something is there that must not be replaced, or an input cannot be read.
            OSError: an input cannot be read.
        """
        if self.path.is_file():
            raise MedSynthError(f"{self.path} is a file; remove it, or choose another folder.", kind="output")
        there = {path.name for path in self.path.iterdir()} if self.path.exists() else set()
        if not there:
            return False
        facts = self._facts()
        if not facts:
            raise MedSynthError(
                f"{self.path} contains files that are not results of this study; move them, or choose another folder.",
                kind="output",
            )
        if facts.get("model_identity") != self.model.identity:
            raise MedSynthError(
                f"{self.path} has results of another model or version than '{self.model.name}' now is; remove them, or "
                "choose another folder.",
                kind="output",
            )
        written, record = {*facts.get("files", ())}, facts.get("inputs")
        same = isinstance(record, dict) and inputs.is_same(record)
        if same and written <= there and facts.get("settings") == self.settings.to_dict():
            return True
        if not same and facts.get("places") != inputs.places:
            raise MedSynthError(
                f"{self.path} has results of other files with the name of this study; remove them, or choose another "
                "folder.",
                kind="output",
            )
        self._check_own(written)
        return False

    def _check_own(self, written: set[str]) -> None:
        """Check that everything in the folder is written by this program, before it is replaced."""
        others = sorted(path.name for path in self.path.iterdir() if path.name not in written)
        inside = [f"{name}/{path.name}" for name in written for path in (self.path / name).glob("[!0-9]*")]
        for name in (*others, *inside):
            raise MedSynthError(
                f"The results in {self.path} are out of date, but the folder also contains '{name}', which the batch "
                "did not write; move it, or choose another folder.",
                kind="output",
            )

    def _facts(self) -> dict[str, Any]:
        """Return what results of the study in the folder say of their making; {} if there are none."""
        for path in sorted(self.path.iterdir()):
            found = json_object(path).get(KEY) if path.suffix == ".json" else None
            if isinstance(found, dict) and found.get("study") == self.study.name:
                return found
        return {}

    def write(self, results: Mapping[str, Volume], first: Volume, inputs: StudyInputs) -> None:
        """Write the results, and what the settings ask for beside them; earlier results of the study are replaced.

        Args:
            results: the synthetic volumes by role.
            first: the first input, for the figure.
            inputs: the inputs.

        Raises:
            MedSynthError: something cannot be written, or the reference cannot be read or compared.
        """
        names = self._names()
        facts = {
            "study": self.study.name,
            "model_identity": self.model.identity,
            "settings": self.settings.to_dict(),
            "inputs": inputs.record(),
            "places": inputs.places,
            "files": names,
        }
        if self.path.exists():
            self._check_own({*self._facts().get("files", ())})  # something may have been added meanwhile
        with whole_folder(self.path, replace=True) as folder:
            self._write_beside(results, first, folder)
            for role, image in self.images().items():
                result = results[role]
                write_labelled(result.replace(metadata={**result.metadata, KEY: facts}), folder / image.name)

    def _dicom_source(self) -> Path:
        """Return the file or folder of the DICOM series of the first input."""
        role = self.model.synthesis.contract.input_role
        folders = {file.parent for file in self.study.series.get(role, ())}
        return self.study.files[role] if len(folders) < 2 else Path(os.path.commonpath(folders))

    def _names(self) -> list[str]:
        """Return the names of everything in the folder."""
        names = []
        for role, image in self.images().items():
            bare = image.name.removesuffix(self.settings.suffix)
            names += [image.name, f"{bare}.json", *([f"dicom_{role}"] if self.settings.dicom else [])]
        if self.settings.uncertainty:
            bare = self._error_name().removesuffix(self.settings.suffix)
            names += [self._error_name(), f"{bare}.json"]
        if self.settings.report:
            names += ["provenance.json", "figure.png"]
        return [*names, *([METRICS] if self.study.reference else [])]

    def _error_name(self) -> str:
        first = next(iter(self.images().values())).name
        return f"{first.removesuffix(self.settings.suffix)}_error{self.settings.suffix}"

    def _write_beside(self, results: Mapping[str, Volume], first: Volume, folder: Path) -> None:
        made = next(iter(results.values()))
        if self.settings.uncertainty and made.uncertainty is not None:
            write_labelled(made.uncertainty, folder / self._error_name())
        if self.settings.report:
            write_report(first, made, folder)
        if self.settings.dicom:
            for role, result in results.items():
                write_dicom(result, folder / f"dicom_{role}", self._dicom_source())
        if self.study.reference is not None:
            real = read_volume(self.study.reference, modality=made.modality, unit=made.unit, allow_nan=True)
            write_json(folder / METRICS, evaluate(made, real).to_dict())
