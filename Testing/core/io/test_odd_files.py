"""Names that no file can have, and pipes in place of files: a sentence, not an error of Python or endless waiting."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from dicom_builder import write_pet

from medsynth_core import MedSynthError, Volume, load_model, read_volume, write_volume
from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.models.library import import_model, verify_model
from medsynth_core.recipes.recipe import read_recipe

Call = Callable[[Path], object]
NAMES = {"too long": "x" * 300, "too deep": "/".join(["d" * 200] * 30), "null character": "a\0b"}


def image() -> Volume:
    return Volume(np.zeros((2, 2, 2), np.float32), np.eye(4), "CT", "HU")


READERS: dict[str, Call] = {
    "NIfTI": lambda path: read_volume(f"{path}.nii.gz"),
    "NRRD": lambda path: read_volume(f"{path}.nrrd"),
    "DICOM": read_volume,
    "recipe": read_recipe,
    "model": load_model,
    "package": verify_model,
    "import": import_model,
    "manifest": lambda path: read_manifest(path, ("ct",)),
}
WRITERS: dict[str, Call] = {
    "NIfTI": lambda path: write_volume(image(), f"{path}.nii.gz"),
    "NRRD": lambda path: write_volume(image(), f"{path}.nrrd"),
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize(
    "call", [*READERS.values(), *WRITERS.values()], ids=[*READERS, *map("write {}".format, WRITERS)]
)
def test_path_that_no_system_allows_is_refused(call: Call, name: str, tmp_path: Path):
    with pytest.raises(MedSynthError):
        call(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", list(NAMES.values())[:2], ids=list(NAMES)[:2])
def test_manifest_with_an_impossible_path_names_its_line(name: str, tmp_path: Path):
    manifest = tmp_path / "cases.csv"
    manifest.write_text(f"case,split,ct\na,train,{name}.nii\n")
    with pytest.raises(MedSynthError, match="Line 2 .* lists a missing file for 'ct'"):
        read_manifest(manifest, ("ct",))


def test_a_line_break_in_a_name_leaves_one_sentence_on_one_line(tmp_path: Path):
    manifest = tmp_path / "cases.csv"
    manifest.write_text('case,split,ct\na,train,"ct\n\x1b[2J.nii"\n')
    with pytest.raises(MedSynthError) as refusal:
        read_manifest(manifest, ("ct",))
    assert r"ct\n\x1b[2J.nii" in refusal.value.message and refusal.value.message.isprintable()


def test_name_of_a_model_too_long_lists_those_there_are():
    with pytest.raises(MedSynthError, match="There is no model .*ct-to-pet"):
        load_model("x" * 300)


@pytest.fixture
def limited() -> Iterator[None]:
    """Fail after half a minute."""

    def fail(*_: object) -> None:
        pytest.fail("it waits for the pipe")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


@needs_pipes
@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize(
    ("name", "read"),
    [
        *(
            (f"image{suffix}", read_volume)
            for suffix in (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".dcm", ".hdr", "")
        ),
        ("cases.csv", lambda path: read_manifest(path, ("ct",))),
        ("recipe.yaml", read_recipe),
        ("package.zip", verify_model),
    ],
)
def test_a_pipe_in_place_of_a_file_is_refused(name: str, read: Call, tmp_path: Path):
    os.mkfifo(tmp_path / name)
    with pytest.raises(MedSynthError):
        read(tmp_path / name)


@needs_pipes
@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize(
    ("header", "voxels", "text"),
    [
        (
            "image.mhd",
            "image.raw",
            "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\n"
            "ElementSpacing = 1 1 1\nElementType = MET_SHORT\nElementDataFile = image.raw\n",
        ),
        (
            "image.nhdr",
            "image.raw",
            "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 2 2 2\n"
            "space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\nendian: little\nencoding: raw\n"
            "data file: image.raw\n",
        ),
    ],
)
def test_voxels_in_a_pipe_are_refused(header: str, voxels: str, text: str, tmp_path: Path):
    (tmp_path / header).write_text(text)
    (tmp_path / "image-0.raw").write_bytes(bytes(8))
    (tmp_path / voxels).write_bytes(bytes(8 if voxels == "image-1.raw" else 16))
    assert read_volume(tmp_path / header).voxels.shape == (2, 2, 2)
    (tmp_path / voxels).unlink()
    with pytest.raises(MedSynthError, match=r"image-?1?\.raw"):
        read_volume(tmp_path / header)
    os.mkfifo(tmp_path / voxels)
    with pytest.raises(MedSynthError):
        read_volume(tmp_path / header)


@needs_pipes
@pytest.mark.usefixtures("limited")
def test_a_pipe_beside_dicom_files_is_passed_over(tmp_path: Path):
    write_pet(tmp_path)
    read = read_volume(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    np.testing.assert_array_equal(read_volume(tmp_path).voxels, read.voxels)
