"""Entry point called by ``configs/inference.json`` of a package, so that MONAI's bundle command can run it."""

from __future__ import annotations

from pathlib import Path

from medsynth_core.inference.model_input import read_input
from medsynth_core.inference.synthesis import synthesize
from medsynth_core.io.writing import write_volume
from medsynth_core.models.package import Model


def run_bundle(bundle_root: str, input_file: str, output_file: str, device: str = "auto") -> Path:
    """Synthesize a file with the package in ``bundle_root`` and return the path of the result.

    Raises:
        MedSynthError: as `medsynth_core.synthesize`, `read_input` and `write_volume`.
    """
    model = Model.open(bundle_root)
    volume = read_input(input_file, model.synthesis.contract)
    return write_volume(synthesize(volume, model, device=device), output_file)
