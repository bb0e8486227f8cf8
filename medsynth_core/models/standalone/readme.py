"""``README.md`` of an exported model."""

from __future__ import annotations

from medsynth_core.modality import modality_name
from medsynth_core.models.package import Model
from medsynth_core.models.standalone.graph import Format
from medsynth_core.preparation.contract import Side
from medsynth_core.text import code, markdown, visible

PACKAGES: dict[Format, str] = {"onnx": "onnxruntime", "openvino": "openvino"}


def readme(model: Model, kind: Format) -> str:
    """Return the text in Markdown: how to run the model, its limits, and its licence."""
    metadata, card = model.metadata, model.card
    sections = [
        f"# {markdown(card.title)}\n\n{markdown(metadata.description)}",
        "**Synthetic images are not for diagnosis.** " + markdown(metadata.intended_use),
        f"## Run\n\n```\npip install numpy SimpleITK {PACKAGES[kind]}\n{_command(model)}\n```\n\n{_images(model)}",
        "## Limits\n\n" + "\n".join(f"- {markdown(limit)}" for limit in card.limits),
        f"## Origin\n\nThe model {code(model.name)}, version {metadata.version}, exported by MedSynth. SHA-256 of the "
        f"weights of its package: `{card.weights.sha256}`. `MODEL_CARD.md` states training and results.",
        f"## Licence\n\nWeights: {markdown(card.licence)}. Data: {markdown(card.data_licence)}\n\n"
        f"{markdown(metadata.copyright)}; authors: {markdown(metadata.authors)}. Runner: Apache-2.0.",
    ]
    if metadata.references:
        sections.append("## References\n\n" + "\n".join(f"- {markdown(one)}" for one in metadata.references))
    return "\n".join(map(visible, "\n\n".join(sections).split("\n"))) + "\n"


def _command(model: Model) -> str:
    first, *others = model.contract.inputs
    further = "".join(f" --input {role}={role}.nii.gz" for role in others)
    return f"python run.py {first}.nii.gz {next(iter(model.contract.outputs))}.nii.gz{further}"


def _images(model: Model) -> str:
    contract = model.contract
    taken = ", ".join(_named(role, side) for role, side in contract.inputs.items())
    made = ", ".join(_named(role, side) for role, side in contract.outputs.items())
    return (
        f"Input: {taken}. Output: {made}, on the grid of the first input. The runner takes NIfTI-1 files "
        "alone (.nii, .nii.gz); values must be in the unit stated. It prepares images as MedSynth does, but checks "
        "less of them: MedSynth also reads DICOM, converts to SUV, and recognises more images that do not fit."
    )


def _named(role: str, side: Side) -> str:
    return f"{code(role)} ({modality_name(side.modality)}, {markdown(side.unit)})"
