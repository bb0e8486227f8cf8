"""The models at hand: those that come with MedSynth, and the user's own."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medsynth_core.errors import MedSynthError
from medsynth_core.models.card import METADATA
from medsynth_core.models.package import Model
from medsynth_core.resources import resource_folder

# Whoever needs the user's models elsewhere (a cluster, a test) says where by this variable.
FOLDER_VARIABLE = "MEDSYNTH_MODELS"
# Bytes of a package, unpacked: three times the largest published cascade.
LARGEST_PACKAGE = 4e9


@dataclass(frozen=True)
class ModelSummary:
    """A model in a line: what people choose by."""

    name: str
    title: str
    description: str
    input_modality: str
    input_unit: str
    output_modality: str
    output_unit: str
    version: str
    path: Path
    limits: list[str]


def user_folder() -> Path:
    """Return the folder of the user's own models; it may not exist yet."""
    return Path(os.environ.get(FOLDER_VARIABLE) or Path.home() / ".medsynth" / "models")


def _packages() -> Iterator[Path]:
    """Yield the folders of all packages; a bundled model comes before a user's of the same name."""
    for folder in (resource_folder() / "Models", user_folder()):
        if folder.is_dir():
            yield from sorted(path for path in folder.iterdir() if (path / METADATA).is_file())


def list_models() -> list[ModelSummary]:
    """Return the models at hand, the bundled ones first.

    A package whose card is not valid is left out; ``medsynth models verify`` says why.
    """
    summaries = []
    for path in _packages():
        try:
            summaries.append(summarize(Model.open(path)))
        except MedSynthError:
            continue
    return summaries


def summarize(model: Model) -> ModelSummary:
    """Return a model in a line."""
    contract = model.contract
    return ModelSummary(
        name=model.name,
        title=model.card.title,
        description=model.metadata.description,
        input_modality=contract.input.modality,
        input_unit=contract.input.unit,
        output_modality=contract.output.modality,
        output_unit=contract.output.unit,
        version=model.metadata.version,
        path=model.path,
        limits=list(model.card.limits),
    )


def load_model(name: str | Path) -> Model:
    """Return a model by its name in the library, or by the folder of its package.

    Raises:
        MedSynthError: no such model, or a package that is not valid.
    """
    for path in _packages():
        if path.name == str(name):
            return Model.open(path)
    if Path(name).is_dir():
        return Model.open(name)
    summaries = list_models()
    # A folder that somebody put into the library may have another name than its model.
    for summary in summaries:
        if summary.name == str(name):
            return Model.open(summary.path)
    known = ", ".join(summary.name for summary in summaries) or "none is installed"
    raise MedSynthError(
        f"There is no model '{name}'; choose one of the library ({known}) or give the folder of a package.",
        kind="model",
    )


def verify_model(path: str | Path) -> Model:
    """Return the model of a package (folder or zip) in which everything was checked: card, SHA-256, weights, network.

    Raises:
        MedSynthError: the first thing that is wrong.
    """
    with _unpacked(Path(path)) as folder:
        model = Model.open(folder)
        model.network()
    return Model(Path(path), model.metadata)


def import_model(path: str | Path) -> Model:
    """Copy a package (folder or zip) into the user's library after verifying it, and return the model there.

    Raises:
        MedSynthError: it is not valid, a model of its name is there already, or the library cannot be written.
    """
    with _unpacked(Path(path)) as folder:
        model = Model.open(folder)
        model.network()
        if any(known.name == model.name for known in _packages()):
            raise MedSynthError(
                f"The library has a model '{model.name}' already; remove it from {user_folder()} first.", kind="model"
            )
        target = user_folder() / model.name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            # Copied under another name first: a package in the library is always whole.
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=".import-") as temporary:
                shutil.copytree(folder, Path(temporary) / model.name)
                os.replace(Path(temporary) / model.name, target)
        except OSError as error:
            raise MedSynthError(
                f"The library {target.parent} cannot be written: {error.strerror}.", kind="output"
            ) from error
    return Model.open(target)


def export_model(name: str | Path, path: str | Path) -> Path:
    """Write the package of a model as a zip file that `import_model` takes, and return its path.

    Raises:
        MedSynthError: no such model, or the file cannot be written.
    """
    from medsynth_core.io.atomic import atomic_write

    model = load_model(name)
    target = Path(path)
    if target.suffix != ".zip":
        raise MedSynthError(f"A package is exported as a zip file, but {target} does not end in .zip.", kind="output")
    _check_links(model.path)
    with atomic_write(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for path in model.path.rglob("*") if path.is_file()):
            archive.write(file, Path(model.name) / file.relative_to(model.path))
    return target


class _unpacked:  # noqa: N801 - used as a context manager
    """The folder of a package: the path itself, or the content of a zip in a temporary folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Path:
        if self._path.is_dir():
            _check_links(self._path)
            return self._path
        if not self._path.is_file():
            raise MedSynthError(f"There is no model package at {self._path}.", kind="model")
        self._temporary = tempfile.TemporaryDirectory()
        folder = Path(self._temporary.name)
        try:
            _extract(self._path, folder)
        except BaseException:
            self._temporary.cleanup()
            raise
        inside = sorted(path.parent.parent for path in folder.glob(f"*/{METADATA.as_posix()}"))
        return inside[0] if inside else folder

    def __exit__(self, *_: object) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()


def _extract(path: Path, folder: Path) -> None:
    """Unpack a zip into ``folder``, and nothing outside it."""
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                inside = (folder / member.filename).resolve().is_relative_to(folder.resolve())
                if not inside or member.filename.startswith(("/", "\\")) or ":" in member.filename:
                    raise MedSynthError(
                        f"The package {path} is not safe: its entry '{member.filename}' leaves the package's folder; "
                        "do not use it.",
                        kind="model",
                    )
            size = sum(member.file_size for member in archive.infolist())
            if size > LARGEST_PACKAGE:
                raise MedSynthError(
                    f"The package {path} would take {size / 1e9:.0f} GB when unpacked, more than any model; do not use "
                    "it.",
                    kind="model",
                )
            archive.extractall(folder)
    except OSError as error:
        raise MedSynthError(f"The package {path} cannot be unpacked: {error.strerror}.", kind="model") from error
    # A zip with a password, or packed in a way that Python does not know, is a RuntimeError.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise MedSynthError(
            f"{path} is not a model package: neither a folder nor a whole zip file.", kind="model"
        ) from error


def _check_links(folder: Path) -> None:
    """Make sure that nothing in a package's folder stands for a file outside it."""
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise MedSynthError(
                f"The package {folder} is not safe: its entry '{path.relative_to(folder).as_posix()}' leaves the "
                "package's folder; do not use it.",
                kind="model",
            )
