"""Import of a network of others, an ONNX file with a card, into the library."""

from __future__ import annotations

import shutil
from pathlib import Path

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.digest import sha256
from medsynth_core.io.json_file import write_json
from medsynth_core.io.temporary import temporary_folder
from medsynth_core.models.card import METADATA, ONNX_WEIGHTS, Metadata
from medsynth_core.models.contents import INFERENCE, INFERENCE_FILE
from medsynth_core.models.foreign.card_file import metadata, read_card
from medsynth_core.models.foreign.network import describe
from medsynth_core.models.library import import_model
from medsynth_core.models.markdown import card_text
from medsynth_core.models.package import Model


def import_onnx(path: str | Path, card: str | Path, name: str = "") -> Model:
    """Make a package of an ONNX file and its card in the user's library, and return its model.

    The file must be complete in itself, have operators of ONNX alone, and take one or several images and make one.

    Args:
        path: the ONNX file.
        card: YAML or JSON file with the keys of `ForeignCard`.
        name: name of the model in the library; by default that of the card.

    Raises:
        MedSynthError: the card is not valid, the network cannot be used or does not fit it, or as `import_model`.
    """
    stated = read_card(Path(card))
    with temporary_folder() as folder:
        weights = folder / ONNX_WEIGHTS
        weights.parent.mkdir()
        try:
            _, network = describe(Path(path), stated.contract, {"multiple_of": stated.multiple_of})
            shutil.copyfile(path, weights)
        except OSError as error:
            raise MedSynthError(f"The network {path} cannot be read: {reason_of(error)}.", kind="model") from error
        content = metadata(stated, network, sha256(weights))
        for file in (METADATA, Path("docs/README.md")):
            (folder / file).parent.mkdir()
        write_json(folder / METADATA, content)
        write_json(folder / INFERENCE_FILE, INFERENCE)
        text = card_text(Metadata.model_validate(content))
        (folder / "docs" / "README.md").write_text(text, encoding="utf-8")
        return import_model(folder, name)
