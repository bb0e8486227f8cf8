"""Judges by name."""

from __future__ import annotations

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.judges.classification import Classifier
from medsynth_core.evaluation.judges.detection import Detector
from medsynth_core.evaluation.judges.judge import Judge
from medsynth_core.evaluation.judges.segmentation import Segmenter, VesselSegmenter

JUDGES: dict[str, type[Judge]] = {
    "segmentation": Segmenter,
    "classification": Classifier,
    "detection": Detector,
    "vessels": VesselSegmenter,
}


def judge_class(name: str) -> type[Judge]:
    """Return the class of a judge.

    Raises:
        MedSynthError: there is no such judge.
    """
    if name not in JUDGES:
        raise MedSynthError(f"There is no judge '{name}'; choose one of {', '.join(JUDGES)}.")
    return JUDGES[name]
