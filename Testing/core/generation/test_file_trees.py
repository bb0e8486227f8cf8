"""Files of generated cases: no two images share one, and none gets a name that says what it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders import CT_DRAWN, SUV_DRAWN

from medsynth_core.errors import MedSynthError
from medsynth_core.generation.trees import MASKS, Tree, tree_of
from medsynth_core.preparation.contract import GenerationContract

MR = {"modality": "MR", "unit": "1", "intensity": {"kind": "scale", "divisor": 1, "upper": 1}}


def tree(layout: str, **outputs: Any) -> Tree:
    contract = GenerationContract.model_validate({"noise": 4, "matrix": [64, 64], "outputs": outputs})
    return tree_of(layout, Path("Dataset501_Synthetic"), contract, ".nii.gz")


def test_the_contrast_of_an_mr_is_the_one_that_its_name_says():
    made = tree("bids", ct=CT_DRAWN, pet=SUV_DRAWN, mr_t1=MR, mr_t1c=MR, mr_flair=MR)
    made.check([*MASKS, "ct", "pet", "mr_t1", "mr_t1c", "mr_flair"])
    names = {role: made.file(1, role).name for role in ("mr_t1", "mr_t1c", "mr_flair")}
    assert names == {
        "mr_t1": "sub-0001_desc-synthetic_T1w.nii.gz",
        "mr_t1c": "sub-0001_ce-gadolinium_desc-synthetic_T1w.nii.gz",
        "mr_flair": "sub-0001_desc-synthetic_FLAIR.nii.gz",
    }
    with pytest.raises(MedSynthError, match="'mr', because its name does not say which contrast"):
        tree("bids", mr=MR).check(["mr"])


@pytest.mark.parametrize(
    ("layout", "outputs", "words"),
    [
        ("bids", {"mr_t1": MR, "mr_t1_late": MR}, "'mr_t1' and 'mr_t1_late' would be written to one file"),
        ("bids", {"ct": CT_DRAWN, "late": CT_DRAWN}, "'ct' and 'late'"),
        ("plain", {"lesion": CT_DRAWN}, "'lesion' and 'lesion' would be written to one file, lesion.nii.gz"),
    ],
)
def test_images_that_would_overwrite_each_other_are_refused(layout, outputs, words):
    with pytest.raises(MedSynthError, match=words):
        tree(layout, **outputs).check([*MASKS, *outputs])
