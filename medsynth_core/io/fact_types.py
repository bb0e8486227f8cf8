"""Types of the facts about an image that MedSynth acts on; a file of its own, because pydantic may be missing."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Facts(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False, protected_namespaces=())


class _Simulation(_Facts):
    dose_reduction_factor: float = Field(default=1.0, gt=0)
    approximate: bool = False


class _Suv(_Facts):
    warnings: list[str] = []


class ImageFacts(_Facts):
    """Facts about an image; others may stand beside them."""

    modality: str = ""
    unit: str = ""
    description: str | None = None
    model: str | None = None
    model_version: str | None = None
    weights_sha256: str | None = None
    series_digest: str | None = None
    frame_of_reference_digest: str | None = None
    input_modality: str | None = None
    input_unit: str | None = None
    synthetic: bool = False
    error_map: bool = False
    limits: list[str] = []
    warnings: list[str] = []
    averaged_spacing: list[float] | None = Field(default=None, min_length=3, max_length=3)
    simulation: _Simulation = _Simulation()
    suv: _Suv = _Suv()
    suv_refused: str | None = None
