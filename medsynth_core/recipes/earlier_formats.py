"""Conversion of recipes of earlier formats to the current one."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from medsynth_core.metrics.earlier_names import todays_name
from medsynth_core.preparation.contract import ROLE_OF

# Keys that every recipe of format 1 had, whatever its system, with the value that has no effect.
NEUTRAL: dict[str, Any] = {"discriminator": None, "image_pool": 0, "coarse_epochs": 0}
NEUTRAL_LOSSES: dict[str, Any] = {
    "l1": 0.0,
    "mse": 0.0,
    "ssim": 0.0,
    "gradient": 0.0,
    "perceptual": 0.0,
    "perceptual_weights": None,
    "adversarial": 0.0,
    "adversarial_kind": "least_squares",
    "deep_supervision": 0.0,
    "cycle": 0.0,
    "identity": 0.0,
    "refined_l1": 0.0,
    "refined_log_mse": 0.0,
    "dose_class": 0.0,
}
# Losses that format 1 refused in the recipe of a system without them; it ignored the others.
NEVER_IGNORED = ("cycle", "identity", "refined_l1", "refined_log_mse", "dose_class")
CURRENT_FORMAT = 2


def upgraded(content: dict[str, Any], wanted: type[BaseModel]) -> dict[str, Any]:
    """Return the content of a recipe in the current format.

    Keys of other systems are dropped if their value has no effect. In a recipe of format 1 (without the key
    ``format``, or ``format: 1``), losses of other systems that format 1 ignored are dropped too, ``input_role`` and
    ``target_role`` become roles of the contract, and ``choose_by`` gets the metric's current name.

    Args:
        content: content of the file.
        wanted: class of the recipe.

    Raises:
        ValueError: the format is unknown, or a role cannot be assigned to an image.
    """
    earlier = content.get("format", 1) == 1
    if earlier:
        content = {key: value for key, value in content.items() if key != "format"}
    elif content["format"] != CURRENT_FORMAT:
        raise ValueError(
            f"recipe format {content['format']} is not supported; this version of MedSynth reads formats 1 and "
            f"{CURRENT_FORMAT}, so a newer version may be needed"
        )
    content = _without_neutral(content, NEUTRAL, list(wanted.model_fields))
    loss = content.get("loss")
    if isinstance(loss, BaseModel):
        loss = loss.model_dump()
    if isinstance(loss, dict) and "loss" in wanted.model_fields:
        known = list(getattr(wanted.model_fields["loss"].annotation, "model_fields", {}))
        loss = _without_neutral(loss, NEUTRAL_LOSSES, known)
        if earlier:
            ignored = NEUTRAL_LOSSES.keys() - {*known, *NEVER_IGNORED}
            loss = {key: value for key, value in loss.items() if key not in ignored}
        content = {**content, "loss": loss}
    if not earlier:
        return content
    if isinstance(content.get("choose_by"), str):
        content = {**content, "choose_by": todays_name(content["choose_by"])}
    return _with_roles(content)


def _without_neutral(content: dict[str, Any], neutral: dict[str, Any], known: list[str]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key in known or key not in neutral or value != neutral[key]}


def _with_roles(content: dict[str, Any]) -> dict[str, Any]:
    """Replace input and output of the contract by roles, named as the columns of the manifest."""
    contract = content.get("contract")
    if isinstance(contract, BaseModel):
        contract = contract.model_dump()
    roles = {"input": content.get("input_role"), "output": content.get("target_role")}
    if not isinstance(contract, dict) or not any(isinstance(role, str) for role in roles.values()):
        return content
    contract = dict(contract)
    for side, role in roles.items():
        if side in contract:
            found = contract.pop(side)
        elif isinstance(contract.get(f"{side}s"), dict) and len(contract[f"{side}s"]) == 1:
            (found,) = contract[f"{side}s"].values()
        elif role:
            raise ValueError(f"{side}_role names one image, but contract.{side}s names several by role; remove it")
        else:
            continue
        modality = found.get("modality") if isinstance(found, dict) else getattr(found, "modality", None)
        contract[f"{side}s"] = {role or ROLE_OF.get(str(modality), "image"): found}
    rest = {key: value for key, value in content.items() if key not in ("input_role", "target_role")}
    return {**rest, "contract": contract}
