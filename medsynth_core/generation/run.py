"""What a folder of generated cases says of the run that made them: ``generation.json`` and ``README.md``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medsynth_core.errors import MedSynthError
from medsynth_core.generation.case import NOTICE
from medsynth_core.generation.case_files import value_range
from medsynth_core.generation.case_maker import CaseMaker
from medsynth_core.generation.input_digests import input_digests
from medsynth_core.io.atomic import atomic_write, check_free, make_folder
from medsynth_core.io.json_file import write_json
from medsynth_core.io.json_reading import read_json
from medsynth_core.text import markdown
from medsynth_core.version import __version__

RECORD, README, LOCK = "generation.json", "README.md", "generation.lock"
NO_SPACING = "The training data give no voxel size; the files state 1 mm because a size is required."
_MASKS = {
    "structure": "is 1 on the lines that the images were drawn from",
    "background": "1 outside the organ",
    "lesion": "the label of the lesion",
}


class RunRecord:
    """The record of a run in its folder.

    Args:
        folder: folder of the data set.
        maker: the model, and what is generated.

    Raises:
        MedSynthError: the folder contains something else, or the cases of another model or order.
    """

    def __init__(self, folder: Path, maker: CaseMaker) -> None:
        self.folder, self.generator, self.order = folder, maker.generator, maker.order
        self._masks = maker.masks
        self._identity: dict[str, Any] = {
            "model": self.generator.model.name,
            "weights_sha256": self.generator.model.card.weights.sha256,
            "medsynth_version": __version__,
            "order": self.order.to_dict(),
            "inputs_sha256": input_digests(self.order),
        }
        if not (folder / RECORD).exists():
            # A process that was killed may have left nothing but its lock.
            if not (folder / LOCK).is_file() or len(list(folder.iterdir())) > 1:
                check_free(folder)
        elif not self._is_empty():
            self._check_same()

    def _is_empty(self) -> bool:
        """Return whether the folder has the record of a run that has not made a case yet."""
        names = (RECORD, README, LOCK)
        return not any(path.is_file() and path.name not in names for path in self.folder.rglob("[!.]*"))

    def _check_same(self) -> None:
        try:
            found = read_json(self.folder / RECORD)
        except (OSError, ValueError):
            found = None
        if not isinstance(found, dict):
            raise MedSynthError(
                f"{self.folder / RECORD} cannot be read, so it is not known what is in the folder; choose another one.",
                kind="output",
            )
        changed = self._changed_input(found)
        if changed:
            raise MedSynthError(
                f"The cases in {self.folder} were made before {changed} was changed; choose another folder, or restore "
                "the file.",
                kind="output",
            )
        other = _difference(found, self._identity)
        if other:
            raise MedSynthError(
                f"{self.folder} has another run in it, with {other}; choose another folder, or the same settings to "
                "complete it.",
                kind="output",
            )

    def _changed_input(self, found: dict[str, Any]) -> str:
        """Return the input that was changed since the run began; "" if none was."""
        before, now, paths = found.get("inputs_sha256"), self._identity["inputs_sha256"], self._identity["order"]
        if not isinstance(before, dict) or not isinstance(found.get("order"), dict):
            return ""
        same = [name for name in now if found["order"].get(name) == paths[name]]
        return next((str(paths[name]) for name in same if before.get(name) != now[name]), "")

    def begin(self) -> None:
        """Write the record of a run that is not complete, and what its images are."""
        make_folder(self.folder)
        write_json(self.folder / RECORD, {**self._identity, "complete": False, **self._images()})
        with atomic_write(self.folder / README) as temporary:
            temporary.write_text(self._text(), encoding="utf-8")

    def finish(self, facts: dict[str, Any]) -> None:
        """Write that the run is complete, with facts about it."""
        write_json(self.folder / RECORD, {**self._identity, "complete": True, **self._images(), **facts})

    def _images(self) -> dict[str, Any]:
        contract = self.generator.contract
        images: dict[str, dict[str, Any]] = {
            role: {"modality": side.modality, "unit": side.unit, **({"colours": True} if side.colours else {})}
            for role, side in contract.outputs.items()
        }
        if self.order.format == "png":
            for role, facts in images.items():
                facts["values_of_0_and_255"] = value_range(self.generator, role)
        card = self.generator.model.card
        from_noise = self.order.source is None
        spacing: dict[str, Any] = {"spacing_mm": contract.spacing} if from_noise and contract.spacing else {}
        if from_noise and not contract.spacing and self.order.format == "nifti":
            spacing = {"spacing_mm": None, "spacing_note": NO_SPACING}
        return {
            "notice": NOTICE,
            "images": images,
            **spacing,
            "licence": card.licence,
            "data_licence": card.data_licence,
        }

    def _text(self) -> str:
        """Return what the folder is, for people, with the attribution that the licence of the data asks for."""
        model, card = self.generator.model, self.generator.model.card
        images = self.generator.contract.outputs.items()
        units = "; ".join(f"`{role}` in {'colour' if side.colours else side.unit}" for role, side in images)
        limits = "\n".join(f"- {markdown(limit)}" for limit in card.limits)
        references = "\n".join(f"- {markdown(reference)}" for reference in model.metadata.references)
        return (
            f"# Synthetic images\n\n{self.order.count} cases by the model `{model.name}` {model.metadata.version} "
            f"({markdown(card.title)}), random seed {self.order.seed}. **{NOTICE}** Images: {units}.\n\n"
            f"{self._files()}\n\n"
            f"## Limits\n\n{limits}\n\n## Licence and attribution\n\nModel: {markdown(card.licence)}. Images like "
            f"these were learned from: {markdown(card.data_licence)}\n\n{references}\n"
        )

    def _files(self) -> str:
        """Return in sentences what the files of the cases are."""
        told = ["`manifest.csv` lists the files."]
        if self.generator.classes:
            told.append("Its column `class` says what a case shows.")
        masks = ", ".join(f"`{name}` {_MASKS[name]}" for name in self._masks)
        return " ".join([*told, f"{masks}."] if masks else told)


def _difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Return in words what of a run is other than wanted; "" if nothing is."""
    for key, value in wanted.items():
        if key not in ("order", "inputs_sha256") and found.get(key) != value:
            return f"{key} {found.get(key)}"
    orders = found.get("order")
    if not isinstance(orders, dict):
        return "unknown settings"
    return next((f"{key} {orders.get(key)}" for key, value in wanted["order"].items() if orders.get(key) != value), "")
