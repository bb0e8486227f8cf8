"""Mutated inputs of each kind, built from a seed."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from fuzz_mutations import NUMBERS, mutate_bytes, mutate_object, mutate_text, set_field, truncate

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "Testing" / "core"))  # the builders of the tests

# Fields of NIfTI-1: struct format and offset.
NIFTI_FIELDS = (
    ("<i", 0), *(("<h", 40 + 2 * axis) for axis in range(8)), ("<h", 68), ("<h", 70), ("<h", 72),
    *(("<f", 76 + 4 * axis) for axis in range(8)), ("<f", 108), ("<f", 112), ("<f", 116), ("<B", 123), ("<h", 252),
    ("<h", 254), *(("<f", 256 + 4 * part) for part in range(6)), *(("<f", 280 + 4 * part) for part in range(12)),
    ("<i", 344), ("<i", 348),
)  # fmt: skip


def image(chance: np.random.Generator):
    """Return a small volume on a random grid, of a random type."""
    from scipy.spatial.transform import Rotation

    from medsynth_core.volume import Volume

    shape = tuple(int(side) for side in chance.integers(2, 7, 3))
    kind = chance.choice(["u1", "i2", "u2", "f4", "f8", "i4"])
    matrix = np.eye(4)
    turned = Rotation.random(random_state=int(chance.integers(1000))).as_matrix()
    matrix[:3, :3] = (turned if chance.random() < 0.6 else np.eye(3)) * chance.uniform(0.5, 4, 3)
    matrix[:3, 2] *= chance.choice([-1, 1])
    matrix[:3, 3] = chance.normal(size=3) * 100
    return Volume(chance.integers(0, 120, shape).astype(kind), matrix)


def nifti(chance: np.random.Generator, folder: Path) -> Path:
    """A NIfTI file with changed fields, bytes or length, or only one of its two matrices."""
    from medsynth_core.io.writing import write_volume

    content = write_volume(image(chance), folder / "whole.nii").read_bytes()
    (folder / "whole.nii").unlink()
    if chance.random() < 0.5:
        content = set_field(content, "<h", int(chance.choice([252, 254])), 0)
    action = chance.random()
    if action < 0.7:
        for _ in range(int(chance.integers(1, 4))):
            kind, offset = NIFTI_FIELDS[int(chance.integers(len(NIFTI_FIELDS)))]
            content = set_field(content, kind, offset, _near(content, kind, offset, chance))
    elif action < 0.85:
        content = mutate_bytes(content, chance, 0, 352)
    else:
        content = truncate(content, chance)
    if chance.random() < 0.3:
        content = gzip.compress(content, 1)
        content = truncate(content, chance) if chance.random() < 0.3 else content
    path = folder / ("v.nii.gz" if content[:2] == b"\x1f\x8b" else "v.nii")
    path.write_bytes(content)
    return path


def _near(content: bytes, kind: str, offset: int, chance: np.random.Generator) -> float:
    """Return a strange number, or one near the present one."""
    import struct

    if chance.random() < 0.6:
        return NUMBERS[int(chance.integers(len(NUMBERS)))]
    (now,) = struct.unpack_from(kind, content, offset)
    return now * (1 + float(chance.choice([1e-7, 1e-5, 1e-3, 0.1, 1, -2]))) + float(chance.choice([0, 0, 1, -1]))


def _text_image(chance: np.random.Generator, folder: Path, names: tuple[str, str]) -> Path:
    import SimpleITK as sitk

    path = folder / names[int(chance.integers(2))]
    sitk.WriteImage(image(chance).to_sitk(), str(path), bool(chance.random() < 0.5))
    content = path.read_bytes()
    end = content.find(b"\n\n") if path.suffix == ".nrrd" else content.find(b"LOCAL")
    end = len(content) if end < 0 else end
    if chance.random() < 0.75:
        head = mutate_text(content[:end].decode("latin-1"), chance, most=int(chance.choice([1, 1, 3]))).encode(
            "utf-8", "surrogateescape"
        )
        content = head + content[end:]
    else:
        content = mutate_bytes(content, chance) if chance.random() < 0.5 else truncate(content, chance)
    path.write_bytes(content)
    return path


def nrrd(chance: np.random.Generator, folder: Path) -> Path:
    """A NRRD file, attached or detached, with changed header or data."""
    return _text_image(chance, folder, ("v.nrrd", "v.nhdr"))


def metaimage(chance: np.random.Generator, folder: Path) -> Path:
    """A MetaImage file, attached or detached, with changed header or data."""
    return _text_image(chance, folder, ("v.mha", "v.mhd"))


def dicom(chance: np.random.Generator, folder: Path) -> Path:
    """A DICOM series of three slices, one of them changed, in one of several transfer syntaxes."""
    from dicom_builder import write_pet, write_series
    from pydicom import dcmread
    from pydicom.uid import JPEGLSLossless, RLELossless

    pixels = chance.integers(0, 2000, (3, 12, 14)).astype("uint16")
    paths = (write_series if chance.random() < 0.6 else write_pet)(folder / "series", pixels=pixels)
    code = chance.choice(["", "", RLELossless, JPEGLSLossless])
    for path in paths if code else []:
        dataset = dcmread(path)
        dataset.compress(code, generate_instance_uid=False)
        dataset.save_as(path)
    path = paths[int(chance.integers(3))]
    if chance.random() < 0.4:
        dataset = dcmread(path)
        _change_element(dataset, chance)
        try:
            dataset.save_as(path)
        except Exception:  # a value that pydicom cannot write
            return dicom(chance, folder / "again")
    else:
        content = path.read_bytes()
        if chance.random() < 0.2:
            content = content[132:]
        path.write_bytes(mutate_bytes(content, chance) if chance.random() < 0.8 else truncate(content, chance))
    return folder / "series"


def _change_element(dataset, chance: np.random.Generator) -> None:
    elements = list(dataset)
    element = elements[int(chance.integers(len(elements)))]
    if chance.random() < 0.3:
        del dataset[element.tag]
        return
    if element.VR in ("DS", "IS", "US", "UL", "FD", "FL", "SS"):
        value = chance.choice(["0", "1", "-1", "1e13", "1e39", "nan", "65535", "3\\4", "", "x"])
        element._value = value if element.VR in ("DS", "IS") else int(chance.choice([0, 1, 7, 8, 15, 65535]))
    else:
        element._value = str(chance.choice(["", "x", "\\", "\\\\", "9" * 70, "1.2.3", "20250230"]))


@lru_cache
def _package() -> Path:
    return min((ROOT / "Resources" / "Models").iterdir(), key=lambda path: len(path.name))


def package(chance: np.random.Generator, folder: Path) -> Path:
    """A model package, folder or zip, with a changed, missing, linked or odd file."""
    target = folder / "model"
    shutil.copytree(_package(), target)
    files = sorted(path for path in target.rglob("*") if path.is_file())
    path = files[int(chance.integers(len(files)))]
    action = chance.integers(6)
    if action == 0:
        path.unlink()
    elif action == 1 and hasattr(os, "mkfifo"):
        path.unlink()
        os.mkfifo(path)
    elif action == 2:
        path.unlink()
        path.symlink_to(str(chance.choice(["missing", "..", "/etc/hostname", path.name])))
    elif path.suffix == ".json":
        content = json.loads(path.read_text())
        path.write_text(json.dumps(mutate_object(content, chance)))
    else:
        content = path.read_bytes()
        path.write_bytes(mutate_bytes(content, chance, 0, 2000))
    return _zipped(target, chance) if action > 2 and chance.random() < 0.4 else target


def _zipped(target: Path, chance: np.random.Generator) -> Path:
    path = target.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(target.rglob("*")):
            if file.is_file():
                prefix = str(chance.choice(["", "", "", "../", "/", "x" * 300]))
                archive.write(file, prefix + file.relative_to(target.parent).as_posix())
    if chance.random() < 0.5:
        path.write_bytes(mutate_bytes(path.read_bytes(), chance))
    shutil.rmtree(target)
    return path


def recipe(chance: np.random.Generator, folder: Path) -> Path:
    """A preset with changed words, lines or values."""
    import yaml

    presets = sorted((ROOT / "Resources" / "Recipes").glob("*.yaml"))
    text = presets[int(chance.integers(len(presets)))].read_text(encoding="utf-8")
    if chance.random() < 0.4:
        text = yaml.safe_dump(mutate_object(yaml.safe_load(text), chance), allow_unicode=True)
    else:
        text = mutate_text(text, chance)
    path = folder / "recipe.yaml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


def manifest(chance: np.random.Generator, folder: Path) -> Path:
    """A manifest of four cases with changed words, lines or bytes."""
    from medsynth_core.io.writing import write_volume

    rows = ["case,split,patient,ct,pet"]
    for number, split in enumerate(("train", "train", "val", "test")):
        write_volume(image(chance), folder / f"{number}.nii")
        rows.append(f"P{number},{split},Q{number},{number}.nii,{number}.nii")
    path = folder / "cases.csv"
    text = mutate_text("\n".join(rows) + "\n", chance, separators=",")
    content = text.encode(str(chance.choice(["utf-8", "utf-8-sig", "utf-16"])), "surrogatepass")
    path.write_bytes(mutate_bytes(content, chance) if chance.random() < 0.2 else content)
    return path


def request(chance: np.random.Generator, folder: Path) -> Path:
    """A line that the worker process reads."""
    np.save(folder / "v.npy", chance.integers(-1000, 1000, (4, 5, 6)).astype("f4"))
    volume = {"voxels": str(folder / "v.npy"), "ijk_to_ras": np.eye(4).tolist(), "modality": "CT", "unit": "HU"}
    file = {"file": str(folder / "v.nii"), "modality": "CT", "unit": "HU"}
    out = str(folder / "out.nii.gz")
    requests = (
        {"job": "describe", "model": "ct-to-pet", "volume": volume},
        {"job": "synthesize", "model": "none", "volume": volume, "output": str(folder / "out.npy"), "device": "cpu"},
        {"job": "convert_to_suv", "files": [str(folder / "a.dcm")], "volume": volume, "unit": "SUVbw", "output": out},
        {"job": "write_dicom", "volume": volume, "reference": [str(folder / "a.dcm")], "output": out},
        {"job": "check_cases", "cases": [{"case": "P1", "files": {"ct": out}}], "roles": {"ct": {"modality": "CT"}}},
        {"job": "register", "fixed": file, "moving": file, "output": out, "deformable": False},
        {"job": "build_pairs", "kind": "folders", "root": str(folder), "roles": {"ct": "*ct*"}, "output": out},
        {"job": "publish", "run": str(folder), "output": out},
        {"job": "import_model", "path": str(folder / "v.npy")},
    )
    line = json.dumps(mutate_object(requests[int(chance.integers(len(requests)))], chance))
    path = folder / "request.json"
    path.write_text(mutate_text(line, chance) if chance.random() < 0.2 else line, encoding="utf-8", errors="replace")
    return path


KINDS: dict[str, Callable[[np.random.Generator, Path], Path]] = {
    "nifti": nifti,
    "nrrd": nrrd,
    "metaimage": metaimage,
    "dicom": dicom,
    "package": package,
    "recipe": recipe,
    "manifest": manifest,
    "request": request,
}


def make(kind: str, seed: int, folder: Path) -> Path:
    """Write the input of a kind and seed into an empty folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    return KINDS[kind](np.random.default_rng([seed, list(KINDS).index(kind)]), folder)
