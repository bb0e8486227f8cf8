"""Where the structure maps that a generator is trained with come from."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from medsynth_core.errors import MedSynthError
from medsynth_core.io.pictures import Channel
from medsynth_core.modality import AIR_HU, Modality
from medsynth_core.preparation.part import Part
from medsynth_core.preparation.roles import check_role, check_unit
from medsynth_core.structure.settings import StructureSettings, settings_for
from medsynth_core.systems.data_needs import Role


class StructureSource(Part):
    """Structure maps of images, found when a training begins.

    Attributes:
        role: column of the manifest with the images.
        modality: DICOM modality of the images.
        unit: their unit; a window of the settings is in it.
        channel: what of a picture in colour its map is found in, such as ``green`` for photographs of the fundus; None
            for grey pictures, and for volumes.
        preset: settings for a kind of image (``medsynth structure --preset``); "" for automatic thresholds.
        values: settings in place of those of the preset, by name.
    """

    role: str
    modality: Modality
    unit: str
    channel: Channel | None = None
    preset: str = ""
    values: dict[str, Any] = Field(default_factory=dict)

    @field_validator("role")
    @classmethod
    def _is_role(cls, role: str) -> str:
        return check_role(role)

    @field_validator("unit")
    @classmethod
    def _is_unit(cls, unit: str) -> str:
        return check_unit(unit)

    @model_validator(mode="after")
    def _usable(self) -> StructureSource:
        try:
            self.settings()
        except MedSynthError as error:
            raise ValueError(error.message) from error
        return self

    @property
    def needed(self) -> Role:
        """The column of the manifest with the images."""
        return Role(self.role, self.modality, self.unit, pictures=True, channel=self.channel)

    @property
    def nothing(self) -> float:
        """The voxel value of air, in the unit."""
        return AIR_HU if self.unit == "HU" else 0.0

    def settings(self) -> StructureSettings:
        """Return the settings of the maps.

        Raises:
            MedSynthError: there is no such preset or setting, or a value is outside its range.
        """
        return settings_for(self.preset, self.values)
