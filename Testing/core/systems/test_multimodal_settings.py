"""Which multi-modal recipes are accepted, and which are refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest
from builders import CT_DRAWN, SUV_DRAWN
from multimodal_builders import CLASSES, CT_SOURCE, alone, recipe, three

COLOURS = {
    "modality": "OP",
    "unit": "1",
    "colours": True,
    "intensity": {"kind": "scale", "divisor": 1, "upper": 1},
}
SEGMENTER = {"name": "lesion-segmenter", "options": {"channels": 2, "out_channels": 2}}
TRANSLATOR = {"name": "modality-translator", "options": {"channels": 2, "modalities": 2}}
NOTHING_TO_PREPARE = {"translator": None, "processor": None, "prepare_epochs": 0}


def outputs(**sides: Any) -> dict[str, Any]:
    """Return changes that give a recipe other outputs, with a map for each."""
    contract = {**recipe().contract.model_dump(mode="json"), "outputs": sides}
    return {"contract": contract, "structures": dict.fromkeys(sides, CT_SOURCE)}


def drawn(**changes: Any) -> dict[str, Any]:
    """Return changes for a generator of one modality that is compared with its own images."""
    return alone(**changes).model_dump(mode="json")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"lesion": "", "processor": None},
        NOTHING_TO_PREPARE,
        {"translator": None},
        {"processor": None},
        CLASSES,
        {**CLASSES, "classes": ["a", "b", "c"]},
        {"boxes": True, "lesion_loss": "own"},
        {"maps": False, "fuse": False},
        {"reconstruct": True},
        {"drawn_maps": 0.5, "structure_model": "maps"},
        {"structure_model": "maps"},
        {"epochs": 3, "prepare_epochs": 1, "pretrain_epochs": 1},
        {"fuse": False, "invert": True},
        outputs(ct=CT_DRAWN, pet=SUV_DRAWN),
        outputs(fundus=COLOURS, oct=COLOURS),
    ],
)
def test_recipes_that_can_train_are_accepted(changes):
    made = recipe(**changes)
    assert set(made.structures) == set(made.modalities)


def test_one_modality_or_three_are_accepted():
    assert alone().modalities == ("ct",) and alone().own_maps
    assert alone(own_maps=False).invert and alone(invert=False, own_maps=False, fuse=True).fuse
    assert len(three().modalities) == 3


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"structures": {"ct": CT_SOURCE}}, r"an entry for each output \(ct, pet\)"),
    ({"structures": dict.fromkeys(("ct", "pet", "mr"), CT_SOURCE)}, r"an entry for each output \(ct, pet\)"),
    ({"invert": True}, "invert draws from the structure map alone"),
    ({"invert": True, "fuse": False, "maps": False}, "invert draws from the structure map alone"),
    ({"own_maps": True}, "own_maps is for structure maps of a single modality without lesion"),
    ({**outputs(ct=CT_DRAWN), **NOTHING_TO_PREPARE, "own_maps": True}, "own_maps is for structure maps"),
    (drawn() | {"maps": False, "invert": False}, "own_maps is for structure maps"),
    ({"reconstruct": True, "maps": False}, "reconstruct draws images from their own maps"),
    (drawn() | {"reconstruct": True}, "reconstruct draws images from their own maps"),
    (outputs(ct=CT_DRAWN, fundus=COLOURS), "must be all grey or all in colour"),
    ({**outputs(ct=CT_DRAWN), "lesion": "", "processor": None}, "a translator needs two modalities at least"),
    ({"lesion": ""}, "a processor needs lesion"),
    ({**CLASSES, "fit_lesions": True}, "classes, at least two, take the place of lesion"),
    ({**CLASSES, "lesion": "lesion"}, "classes, at least two, take the place of lesion"),
    ({**CLASSES, "classes": ["a"]}, "classes, at least two, take the place of lesion"),
    ({**CLASSES, "classes": ["a", "a"]}, "list each class once"),
    ({"lesion": "", "processor": None, "boxes": True}, "boxes are those of lesions"),
    ({"prepare_epochs": 0}, "prepare_epochs, which must be above 0"),
    ({"prepare_epochs": 0, "translator": None}, "prepare_epochs, which must be above 0"),
    ({"prepare_epochs": 0, "processor": None}, "prepare_epochs, which must be above 0"),
    ({"translator": None, "processor": None}, "prepare_epochs is for translator and processor"),
    ({"drawn_maps": 0.5}, "drawn_maps needs a structure_model"),
    ({"epochs": 2}, "epochs must be more than"),
    ({"epochs": 3, "pretrain_epochs": 2}, "epochs must be more than"),
    ({"choose_by": "mae"}, "does not report 'mae'; choose one of fid, ms_ssim_paired"),
]


@pytest.mark.parametrize(("changes", "words"), REFUSED)
def test_recipes_that_cannot_train_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        recipe(**changes)


def test_a_case_needs_one_modality_and_what_maps_and_labels_come_from():
    needs = recipe().needs
    assert [role.name for role in needs.roles] == ["ct", "pet", "lesion"] == list(needs.optional)
    assert needs.by_modality and not needs.classes and needs.roles[-1].pictures
    other = {**CT_SOURCE, "role": "plan"}
    assert "plan" in [role.name for role in recipe(structures={"ct": other, "pet": CT_SOURCE}).needs.roles]
    assert recipe(**CLASSES).needs.classes == ("normal", "viral")
    assert [role.name for role in recipe(**CLASSES).needs.roles] == ["ct", "pet"]
    assert [recipe(**changes).labelled for changes in ({}, CLASSES, {"lesion": "", "processor": None})] == [1, 1, 0]
