"""What a batch writes for each study."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from string import Formatter
from typing import Any

from medsynth_core.errors import MedSynthError

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
_FIELDS = ("case", "role", "model")


@dataclass(frozen=True)
class BatchSettings:
    """What a batch writes for each study.

    Attributes:
        names: name of each result's file without suffix, made of ``{case}``, ``{role}`` and ``{model}``.
        suffix: format of the results: ``.nii.gz``, ``.nii``, ``.nrrd`` or ``.mha``.
        unit: unit of the first inputs whose files state none; "" assumes the model's unit.
        uncertainty: whether the usual error at each voxel's value is written too, as ``NAME_error``.
        report: whether provenance (JSON) and a figure (PNG) are written too.
        dicom: whether each result is also written as a DICOM series in the study of its input.

    Raises:
        MedSynthError: names would not tell cases or roles apart, or the suffix is not known.
    """

    names: str = "{case}_{role}"
    suffix: str = ".nii.gz"
    unit: str = ""
    uncertainty: bool = False
    report: bool = False
    dicom: bool = False

    def __post_init__(self) -> None:
        if self.suffix not in SUFFIXES:
            raise MedSynthError(f"Results cannot be written as '{self.suffix}'; use one of {', '.join(SUFFIXES)}.")
        try:
            fields = [name for _, name, form, _ in Formatter().parse(self.names) if name is not None and not form]
            whole = not set(fields) - set(_FIELDS) and "case" in fields and len(fields) == self.names.count("{")
        except ValueError:
            whole = False
        if not whole or re.search(r'[/\\:*?"<>|]', self.names):
            raise MedSynthError(
                f"The names '{self.names}' cannot be used; make them of {{case}}, which is required, {{role}}, "
                "{model} and letters, such as {case}_{role}."
            )

    def check_roles(self, roles: Collection[str]) -> None:
        """Check that the names tell the results of a study apart.

        Raises:
            MedSynthError: they do not.
        """
        if len(roles) > 1 and "{role}" not in self.names:
            raise MedSynthError(
                f"The model has several results ({', '.join(roles)}), so their names need {{role}}, as in "
                "{case}_{role}."
            )

    def name(self, case: str, role: str, model: str) -> str:
        """Return the name of a result's file without suffix."""
        return self.names.format(case=case, role=role, model=model)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings for a JSON file."""
        return asdict(self)
