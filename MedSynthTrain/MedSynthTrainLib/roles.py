"""What the images of a case are: the roles that a recipe gives them."""

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
    """What is synthesized from what.

    Attributes:
        images: of a case, each once: input and target; or, where inputs are simulated, the full-dose PET that is the
            target, and the CT by which its photons are attenuated if the recipe wants one.
        paired: whether every case needs all of them; else training cases may have one only.
        simulated: whether inputs are simulated from the first image.
    """

    images: tuple[Role, ...]
    paired: bool = True
    simulated: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of a manifest."""
        return tuple(role.name for role in self.images)

    def lackingIn(self, files: dict[str, Any]) -> list[str]:
        """Return the names of the roles for which a case has nothing."""
        return [name for name in self.names if name not in files]

    def forWorker(self) -> dict[str, dict[str, str]]:
        """Return role → modality and unit, as requests to the worker state them."""
        return {role.name: {"modality": role.modality, "unit": role.unit} for role in self.images}


def rolesOf(recipe: Any) -> Roles:
    """Return the roles of a ``medsynth_core.training.recipe.Recipe``."""
    given, wanted = recipe.contract.input, recipe.contract.output
    target = Role(recipe.target_role, wanted.modality, wanted.unit)
    if recipe.dose is not None:
        ct = recipe.dose.attenuation_role
        return Roles((target, *([Role(ct, "CT", "HU")] if ct else [])), simulated=True)
    inputRole = Role(recipe.input_role, given.modality, given.unit)
    return Roles((inputRole, target), paired=recipe.system != "cyclegan")
