"""What the two images of a case are: the roles that a recipe gives them."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Role:
    """A column of the data set: its name, and the modality and unit that a recipe wants there ("" for any)."""

    name: str
    modality: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Roles:
    """What is synthesized from what."""

    input: Role
    target: Role

    @property
    def names(self) -> tuple[str, str]:
        """The columns of a manifest."""
        return self.input.name, self.target.name

    def forWorker(self) -> dict[str, dict[str, str]]:
        """Return role → modality and unit, as requests to the worker state them."""
        return {role.name: {"modality": role.modality, "unit": role.unit} for role in (self.input, self.target)}


def rolesOf(recipe: Any) -> Roles:
    """Return the roles of a ``medsynth_core.training.recipe.Recipe``."""
    sides = recipe.contract.input, recipe.contract.output
    names = recipe.input_role, recipe.target_role
    return Roles(*(Role(name, side.modality, side.unit) for name, side in zip(names, sides, strict=True)))
