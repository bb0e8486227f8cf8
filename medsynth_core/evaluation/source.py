"""Read the input of a synthesis for an evaluation."""

from __future__ import annotations

from pathlib import Path

from medsynth_core.io.reading import read_volume
from medsynth_core.volume import Volume


def read_source(path: Path, synthetic: Volume) -> Volume:
    """Read the input of a synthesis, with the modality and unit stated in the result's provenance.

    Args:
        path: image file or DICOM folder.
        synthetic: the result, with its provenance as ``metadata``; anything not stated there is read from the file.

    Raises:
        MedSynthError: as `read_volume`, or the file states another modality or unit than the provenance.
    """
    modality, unit = (str(synthetic.metadata.get(f"input_{key}", "")) for key in ("modality", "unit"))
    return read_volume(path, modality, unit)
