"""The model library: models that come with MedSynth, and the user's own."""

from __future__ import annotations

import lzma
import os
import shutil
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.atomic import atomic_write, check_new, make_folder
from medsynth_core.io.json_file import write_json
from medsynth_core.io.json_reading import read_json
from medsynth_core.io.temporary import removed_at_end, temporary_folder, temporary_name
from medsynth_core.models.card import METADATA, Metadata, SynthesisCard, no_model_name
from medsynth_core.models.contents import check_entry, check_inside, is_litter, package_files, unsafe
from medsynth_core.models.package import Model
from medsynth_core.models.records import read_records
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.resources import resource_folder

# Environment variable with another folder for the user's models (on a cluster, in a test).
FOLDER_VARIABLE = "MEDSYNTH_MODELS"

# A file of a zip may be this many times its compressed size, and this many bytes more. Weights hardly shrink; tables of
# numbers do tenfold.
MOST_COMPRESSED, SMALL = 50, 1_000_000
# Rows and columns of an image for the check of a network whose contract states none.
USUAL_SIDE = 64


@dataclass(frozen=True)
class ModelSummary:
    """Summary of a model, for lists.

    ``input_modality`` and ``input_unit`` are those of the first input, empty for a model without input images;
    ``inputs`` and ``outputs`` contain the modalities of all images by role.
    """

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
    kind: str
    inputs: dict[str, str]
    outputs: dict[str, str]


def user_folder() -> Path:
    """Return the folder of the user's own models; it may not exist yet."""
    return Path(os.environ.get(FOLDER_VARIABLE) or Path.home() / ".medsynth" / "models")


def library_problem() -> str:
    """Return in a sentence why the user's library cannot be read; "" if it can, or does not exist."""
    try:
        os.listdir(user_folder())
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return f"Your library {user_folder()} cannot be read: {reason_of(error)}; set {FOLDER_VARIABLE} to another."
    return ""


def _packages(*folders: Path) -> Iterator[Path]:
    """Yield the packages in folders, by default all: a bundled model comes before a user's model of the same name."""
    for folder in folders or (resource_folder() / "Models", user_folder()):
        try:
            inside = sorted(path for path in folder.iterdir() if path.name[:1] != "." and _has_card(path))
        except OSError:  # missing, or see `library_problem`: the other models can be used all the same
            continue
        yield from inside


def _has_card(package: Path) -> bool:
    try:
        return (package / METADATA).is_file()
    except OSError:  # another user's folder
        return False


def list_models() -> list[ModelSummary]:
    """Return the models of the library, the bundled ones first.

    A package whose card is not valid is left out; ``medsynth models verify`` states the reason.
    """
    summaries = []
    for path in _packages():
        try:
            summaries.append(summarize(Model.open(path)))
        except MedSynthError:
            continue
    return summaries


def summarize(model: Model) -> ModelSummary:
    """Return the summary of a model."""
    contract = model.contract
    first = next(iter(contract.inputs.values()), None)
    return ModelSummary(
        name=model.name,
        title=model.card.title,
        description=model.metadata.description,
        input_modality=first.modality if first is not None else "",
        input_unit=first.unit if first is not None else "",
        output_modality=contract.output.modality,
        output_unit=contract.output.unit,
        version=model.metadata.version,
        path=model.path,
        limits=list(model.card.limits),
        kind=contract.kind,
        inputs={role: side.modality for role, side in contract.inputs.items()},
        outputs={role: side.modality for role, side in contract.outputs.items()},
    )


def load_model(name: str | Path) -> Model:
    """Return a model by its name in the library or by its package folder.

    Raises:
        MedSynthError: there is no such model, or its package is not valid.
    """
    for path in _packages():
        if path.name == str(name):
            return _opened(path)
    if os.path.isdir(name):
        check_inside(Path(name))
        return Model.open(name)
    summaries = list_models()
    # A folder copied into the library by hand may have another name than its model.
    for summary in summaries:
        if summary.name == str(name):
            return _opened(summary.path)
    known = ", ".join(summary.name for summary in summaries) or "none is installed"
    raise MedSynthError(
        f"There is no model '{name}'; choose one from the library ({known}) or give a package folder.",
        kind="model",
        hint=library_problem(),
    )


def _opened(package: Path) -> Model:
    """Return the model of a package in the library."""
    if package.parent == user_folder():
        # Not for the bundled models: some installers make every file a link.
        check_inside(package)
    return Model.open(package)


def verify_model(path: str | Path) -> Model:
    """Check files, card, SHA-256, weights and network of a package (folder or zip), and return its model.

    Raises:
        MedSynthError: a check failed; the message describes the first problem.
    """
    with _checked(Path(path)) as (model, _):
        return Model(Path(path), model.metadata)


def import_model(path: str | Path, name: str = "") -> Model:
    """Verify a package (folder or zip), copy it into the user's library, and return the model there.

    Args:
        path: the package.
        name: name of the model in the library; by default its own.

    Raises:
        MedSynthError: the package is not valid, the library already has a model with that name, the name is not valid,
            or the library is not writable.
    """
    with _checked(Path(path)) as (model, files):
        if name:
            model = renamed(model, name)
        _check_new_name(model.name)
        target = user_folder() / model.name
        make_folder(target.parent)
        try:
            # Copied to a temporary folder first, so that packages in the library are always complete.
            with temporary_folder(target.parent, ".import-") as temporary:
                _copy(model, files, temporary / model.name)
                os.replace(temporary / model.name, target)
        except OSError as error:
            raise MedSynthError(
                f"The library {target.parent} cannot be written: {reason_of(error)}.", kind="output"
            ) from error
    return Model.open(target)


def remove_model(name: str) -> Path:
    """Remove a model from the user's library and return the folder that it was in.

    Raises:
        MedSynthError: the library has no such model, it comes with MedSynth, or it cannot be removed.
    """
    folder = _own(name)
    if folder is None:
        bundled = any(path.name == name for path in _packages(resource_folder() / "Models"))
        reason = "comes with MedSynth and cannot be removed" if bundled else f"is not in your library {user_folder()}"
        raise MedSynthError(f"The model '{name}' {reason}.", kind="model")
    try:
        # Renamed first: a package in the library is complete or not there.
        with removed_at_end(folder.with_name(temporary_name(".import-"))) as leaving:
            os.replace(folder, leaving)
    except OSError as error:
        raise MedSynthError(f"The model in {folder} cannot be removed: {reason_of(error)}.", kind="output") from error
    return folder


def renamed(model: Model, name: str) -> Model:
    """Return a model under another name; its package is unchanged.

    Raises:
        MedSynthError: the name cannot be that of a model.
    """
    content = model.metadata.model_dump(mode="json")
    content["medsynth"]["name"] = name
    try:
        return Model(model.path, Metadata.model_validate(content))
    except ValidationError as error:
        raise MedSynthError(no_model_name(name), kind="model") from error


def export_model(name: str | Path, path: str | Path, *, replace: bool = False) -> Path:
    """Write the package of a model as a zip file for `import_model`, and return its path.

    Args:
        name: name of the model in the library, or its package folder.
        path: the zip file.
        replace: whether an existing file is replaced.

    Raises:
        MedSynthError: there is no such model, the file exists, or it cannot be written.
    """
    model = load_model(name)
    target = Path(path)
    if target.suffix.lower() != ".zip":
        raise MedSynthError(
            f"A package is exported as a zip file, but {target} does not end in .zip; change the name.", kind="output"
        )
    if not replace:
        check_new(target)
    files = package_files(model.path)
    with atomic_write(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(model.path / file, f"{model.name}/{file}")
    return target


def _own(name: str) -> Path | None:
    """Return the folder of a model in the user's library, by the name of its folder or its own; None if missing."""
    packages = list(_packages(user_folder()))
    by_folder = [path for path in packages if path.name == name]
    return next(iter(by_folder), None) or next((path for path in packages if _name_in(path) == name), None)


def _name_in(package: Path) -> str:
    try:
        return Model.open(package).name
    except MedSynthError:
        return ""


def _check_new_name(name: str) -> None:
    bundled, own = _packages(resource_folder() / "Models"), _packages(user_folder())
    if any(known.name == name for known in bundled):
        raise MedSynthError(
            f"'{name}' is the name of a model that comes with MedSynth; import this one under another name with "
            "medsynth models import PACKAGE --name NAME.",
            kind="model",
        )
    if any(known.name == name for known in own):
        raise MedSynthError(
            f"Your library already has a model '{name}'; remove that one with medsynth models remove {name}, or import "
            "this one under another name with medsynth models import PACKAGE --name NAME.",
            kind="model",
        )


def _copy(model: Model, files: list[str], target: Path) -> None:
    """Copy the files of a package, and write the card of the model, whose name may be another."""
    for file in files:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model.path / file, target / file)
    if Model.open(target).name != model.name:
        content = read_json(target / METADATA)
        content["medsynth"]["name"] = model.name
        write_json(target / METADATA, content)


@contextmanager
def _checked(path: Path) -> Iterator[tuple[Model, list[str]]]:
    """Yield the model of a package (folder or zip), fully checked, and the names of its files."""
    with _unpacked(path) as folder:
        files = package_files(folder)
        model = Model.open(folder)
        check_model(model)
        yield model, files


def check_model(model: Model) -> None:
    """Check the weights of a model, and that its network takes images as the contract of its card states them.

    Raises:
        MedSynthError: the weights are damaged or not finite, network and contract do not fit each other, or the records
            of the training data are not those of the card.
    """
    from medsynth_core.models.dry_run import check_dimensions, check_forward

    read_records(model)
    if isinstance(model.card, SynthesisCard) and model.card.is_foreign:
        _check_foreign(model, model.card)
        return
    # Only the shapes are needed, once the weights have been checked.
    network, contract = model.network().to("meta"), model.contract
    name, multiple = model.card.network.name, getattr(network, "multiple_of", 1)
    if isinstance(contract, SynthesisContract):
        check_dimensions(network, name, 3 if contract.slab else 2)
        larger = [-(-length // multiple) * multiple for length in _usual_size(contract)]
        check_forward(network, name, larger, "do not use the package, or ask its authors for a corrected one")


def _check_foreign(model: Model, card: SynthesisCard) -> None:
    from medsynth_core.models.foreign.network import describe
    from medsynth_core.models.foreign.trial import try_network

    _, described = describe(model.weights, card.contract, card.network.options)
    try_network(model.weights, described, _usual_size(card.contract))


def _usual_size(contract: SynthesisContract) -> tuple[int, ...]:
    """Return the (slices,) rows and columns of an image for the check of a network."""
    side = (contract.slab.plane if contract.slab else contract.frame) or USUAL_SIDE
    return (contract.slab.slices, side, side) if contract.slab else contract.matrix or (side, side)


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """Yield a package folder: the path itself, or a temporary folder with the content of a zip."""
    if os.path.isdir(path):
        yield path
        return
    if not os.path.isfile(path):
        raise MedSynthError(f"There is no model package at {path}.", kind="model")
    if path.suffix.lower() == ".onnx":
        raise MedSynthError(
            f"{path} is a network that says nothing of its images; describe it in a YAML file and give this with "
            "--card, as docs/export.md shows.",
            kind="model",
        )
    with temporary_folder() as folder:
        _extract(path, folder)
        inside = sorted(found.parent.parent for found in folder.glob(f"*/{METADATA.as_posix()}"))
        yield inside[0] if inside else folder


def _extract(path: Path, folder: Path) -> None:
    """Unpack a zip into ``folder``; entries that would leave it, or that no package has, are refused."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if not one.is_dir() and not is_litter(one.filename)]
            _check_names(path, members)
            _check_sizes(path, members)
            for member in members:
                archive.extract(member, folder)
    except OSError as error:
        raise MedSynthError(f"The package {path} cannot be unpacked: {reason_of(error)}.", kind="model") from error
    # Python raises RuntimeError for encrypted zips and NotImplementedError, a RuntimeError, for unknown methods.
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError) as error:
        raise MedSynthError(
            f"{path} is not a model package: it is neither a folder nor a complete zip file.", kind="model"
        ) from error


def _check_names(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Check, before anything is unpacked, that no entry of a zip leads out of the package."""
    for name in (member.filename for member in members):
        if name.startswith("/") or ".." in PurePosixPath(name).parts or "\\" in name or ":" in name:
            raise unsafe(path, name, "points outside the package")


def _check_sizes(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Check, before anything is unpacked, that a zip has the files of a package, each once, in usual sizes."""
    counted = Counter(member.filename for member in members)
    in_folder = METADATA.as_posix() not in counted
    # All in the same folder: the sizes of a package's files then bound the whole.
    tops = {name.partition("/")[0] for name in counted}
    if in_folder and len(tops) > 1:
        raise unsafe(path, max(tops), "is not in the folder of the package")
    for member in members:
        check_entry(path, member.filename.partition("/")[2] if in_folder else member.filename, member.file_size)
        if counted[member.filename] > 1:
            raise unsafe(path, member.filename, "is in it twice")
        if member.file_size > SMALL + MOST_COMPRESSED * member.compress_size:
            raise unsafe(path, member.filename, "grows far more than a model when it is unpacked")
