"""Export of a model as a folder that runs without MedSynth and PyTorch."""

from __future__ import annotations

import shutil
from pathlib import Path

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import check_free, whole_folder
from medsynth_core.io.json_file import write_json
from medsynth_core.models.card import SynthesisCard
from medsynth_core.models.library import load_model
from medsynth_core.models.markdown import card_text
from medsynth_core.models.package import Model
from medsynth_core.models.standalone.graph import Format, write_network
from medsynth_core.models.standalone.preparation_file import preparation
from medsynth_core.models.standalone.readme import readme
from medsynth_core.resources import resource_folder

# Licence text of a package, which not every package has.
LICENCE = "LICENSE"


def export_standalone(name: str | Path, folder: str | Path, kind: Format) -> Path:
    """Write a model as a folder that runs without MedSynth, and return the folder.

    It contains the network, ``preparation.json``, ``run.py`` (which needs NumPy, SimpleITK, and ONNX Runtime or
    OpenVINO), ``README.md`` with limits and licence, and the model card. The images that it makes differ from those of
    `medsynth_core.synthesize` by less than 1e-4 of their range. The package is unchanged.

    Args:
        name: name of the model in the library, or its package folder.
        folder: a new or empty folder.
        kind: format of the network.

    Raises:
        MedSynthError: there is no such model, it is generative, its network cannot be written in this format, a
            package is not installed, or the folder is not empty or cannot be written.
    """
    model, target = load_model(name), Path(folder)
    _check_synthesis(model)
    check_free(target)
    network = model.network()
    with whole_folder(target) as temporary:
        write_network(network, model.synthesis.contract, kind, temporary)
        write_json(temporary / "preparation.json", preparation(model, network, kind, temporary))
        (temporary / "README.md").write_text(readme(model, kind), encoding="utf-8")
        (temporary / "MODEL_CARD.md").write_text(card_text(model.metadata), encoding="utf-8")
        _copy_runner(temporary)
        if (model.path / LICENCE).is_file():
            shutil.copyfile(model.path / LICENCE, temporary / LICENCE)
    return target


def _check_synthesis(model: Model) -> None:
    if not isinstance(model.card, SynthesisCard):
        raise MedSynthError(
            f"The model '{model.name}' is generative, and only synthesis models can be exported to run without "
            "MedSynth; export its package (--format package) instead.",
            kind="model",
        )
    if model.card.is_foreign:
        raise MedSynthError(
            f"The model '{model.name}' is an ONNX file of others, and only networks of MedSynth can be exported; use "
            "that file, or export its package (--format package).",
            kind="model",
        )


def _copy_runner(folder: Path) -> None:
    source = resource_folder() / "Export"
    for path in sorted(source.rglob("*.py")):
        target = folder / path.relative_to(source)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, target)
