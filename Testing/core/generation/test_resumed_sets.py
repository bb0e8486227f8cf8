"""A data set that is completed is whole and of one kind: damaged files, changed inputs, leftovers, other processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from generated_folders import digests
from PIL import Image

from medsynth_core import MedSynthError, generate, read_volume, write_volume
from medsynth_core.generation import from_noise
from medsynth_core.generation.case_maker import CaseMaker
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.labels import files_of_labels
from medsynth_core.generation.order import Order
from medsynth_core.generation.run import LOCK, NO_SPACING

pytestmark = pytest.mark.slow
ORDER = {"seed": 5, "filtered": False, "device": "cpu"}


@pytest.fixture
def inputs(phantoms: Path, tmp_path: Path) -> dict[str, Path]:
    """Return a CT and the mask of its lesion, to be changed."""
    for file in phantoms.parent.glob("*0.*"):
        shutil.copy(file, tmp_path)
    return {"source": tmp_path / "ct0.nii.gz", "lesion": tmp_path / "lesion0.nii.gz"}


def change(path: Path) -> None:
    volume = read_volume(path)
    write_volume(volume.replace(voxels=np.roll(volume.voxels, 2, axis=2)), path)


@pytest.mark.parametrize("name", ["source", "lesion"])
def test_a_set_is_not_completed_from_another_content_of_an_input(package, inputs, tmp_path, name):
    generate(package, tmp_path / "set", 2, **inputs, **ORDER)
    (tmp_path / "set" / "case_0002" / "ct.nii.gz").unlink()
    before = digests(tmp_path / "set")
    content = inputs[name].read_bytes()
    change(inputs[name])
    with pytest.raises(
        MedSynthError, match=f"were made before .*{inputs[name].name} was changed; choose another folder, or restore"
    ):
        generate(package, tmp_path / "set", 2, **inputs, **ORDER)
    assert digests(tmp_path / "set") == before
    inputs[name].write_bytes(content)
    assert generate(package, tmp_path / "set", 2, **inputs, **ORDER).made == 1


def test_labels_to_draw_from_count_with_all_their_files(package, phantoms, tmp_path):
    folder = tmp_path / "labels"
    shutil.copytree(phantoms.parent, folder)
    generate(package, tmp_path / "set", 1, lesions=folder / "manifest.csv", **ORDER)
    (first, *_) = files_of_labels(folder / "manifest.csv")
    change(first)
    with pytest.raises(MedSynthError, match=r"were made before .*manifest\.csv was changed"):
        generate(package, tmp_path / "set", 1, lesions=folder / "manifest.csv", **ORDER)


def test_lesions_are_drawn_from_training_cases_alone(phantoms, tmp_path):
    masks = sorted(phantoms.parent.glob("lesion*.nii.gz"))[:3]
    table = tmp_path / "lesions.csv"
    for splits, expected in ((("train", "test", "val"), masks[:1]), (("", "", ""), masks)):
        rows = [f"P{n},{split},{mask}" for n, (split, mask) in enumerate(zip(splits, masks, strict=True))]
        table.write_text("\n".join(["case,split,lesion", *rows]) + "\n")
        assert files_of_labels(table) == expected
    table.write_text(f"case,split,lesion\nP0,test,{masks[0]}\n")
    with pytest.raises(MedSynthError, match="no case in the split 'train'"):
        files_of_labels(table)


def test_files_that_are_damaged_or_lost_are_made_again(package, tmp_path):
    generate(package, tmp_path / "set", 4, **ORDER)
    whole = digests(tmp_path / "set")
    (tmp_path / "set" / "case_0001" / "ct.json").unlink()
    ct = tmp_path / "set" / "case_0002" / "ct.nii.gz"
    ct.write_bytes(ct.read_bytes()[:100])
    (tmp_path / "set" / "case_0003" / "lesion.nii.gz").unlink()
    assert generate(package, tmp_path / "set", 4, **ORDER).made == 3
    assert digests(tmp_path / "set") == whole


def test_pictures_that_are_damaged_are_made_again(picture_model, tmp_path):
    order = {**ORDER, "format": "png"}
    generate(picture_model("xrays"), tmp_path / "set", 2, **order)
    whole = digests(tmp_path / "set")
    (picture,) = (tmp_path / "set" / "case_0002").glob("xray.png")
    picture.write_bytes(b"")
    assert generate(picture_model("xrays"), tmp_path / "set", 2, **order).made == 1
    assert digests(tmp_path / "set") == whole
    texts = Image.open(picture).info
    assert "not for diagnosis" in texts["Description"] and texts["Software"].startswith("MedSynth ")
    assert texts["Copyright"] == Generator.load(picture_model("xrays"), "cpu").model.card.data_licence
    assert Image.open(picture.with_name("structure.png")).info["Description"]


def test_what_a_killed_process_left_is_removed_and_nothing_else(package, tmp_path):
    generate(package, tmp_path / "set", 2, **ORDER)
    whole = digests(tmp_path / "set")
    (tmp_path / "set" / "case_0002" / "pet.nii.gz").unlink()
    (tmp_path / "set" / "case_0002" / ".24c95e0e-pet.nii.gz").write_bytes(b"half")
    (tmp_path / "set" / ".24c95e0e-generation.json").write_bytes(b"half")
    (tmp_path / "set" / ".hidden").write_text("mine")
    generate(package, tmp_path / "set", 2, **ORDER)
    assert (tmp_path / "set" / ".hidden").read_text() == "mine"
    (tmp_path / "set" / ".hidden").unlink()
    assert digests(tmp_path / "set") == whole
    left = [path.name for path in (tmp_path / "set").rglob("*") if path.name.startswith(".") or path.name == LOCK]
    assert not left


def test_two_processes_do_not_write_into_one_folder(package, tmp_path):
    (tmp_path / "set").mkdir()
    code = (
        "import sys, time; from pathlib import Path; from medsynth_core.io.folder_lock import FolderLock\n"
        f"lock = FolderLock(Path({str(tmp_path / 'set' / LOCK)!r}), ''); print('held', flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as other:
        try:
            assert other.stdout.readline() == b"held\n"
            with pytest.raises(MedSynthError, match="Another process is generating images into"):
                generate(package, tmp_path / "set", 1, **ORDER)
        finally:
            other.kill()
    # A lock that a killed process left stops nobody; anything else beside it does.
    assert (tmp_path / "set" / LOCK).is_file()
    (tmp_path / "set" / "mine.txt").write_text("mine")
    with pytest.raises(MedSynthError, match="is not empty"):
        generate(package, tmp_path / "set", 1, **ORDER)
    (tmp_path / "set" / "mine.txt").unlink()
    assert generate(package, tmp_path / "set", 1, **ORDER).made == 1


def test_a_folder_without_a_case_takes_another_order(package, tmp_path, monkeypatch):
    monkeypatch.setattr(from_noise, "_unusable", lambda *_: "organ")
    with pytest.raises(MedSynthError, match="None of 50 structure maps"):
        generate(package, tmp_path / "set", 2, **ORDER)
    monkeypatch.undo()
    assert generate(package, tmp_path / "set", 2, **{**ORDER, "seed": 6}).made == 2
    with pytest.raises(MedSynthError, match="another run in it, with seed 6"):
        generate(package, tmp_path / "set", 2, **ORDER)


def test_a_case_after_the_first_one_is_drawn_more_often(package, monkeypatch):
    made = CaseMaker(Generator.load(package, "cpu"), Order(2, filtered=False))
    tries: list[str] = []

    def rarely(*_) -> str:
        tries.append("")
        return "" if len(tries) % 60 == 0 else "organ"

    monkeypatch.setattr(from_noise, "_unusable", rarely)
    with pytest.raises(MedSynthError, match="None of 50"):
        made.make(0)
    assert len(made.make(1).redrawn) == 9


def test_the_record_states_the_voxel_size_of_the_files(package, picture_model, inputs, tmp_path):
    def record(name: str) -> dict:
        return json.loads((tmp_path / name / "generation.json").read_text())

    generate(package, tmp_path / "volume", 1, **inputs, **ORDER)
    spacing = read_volume(tmp_path / "volume" / "case_0001" / "ct.nii.gz").spacing
    assert record("volume")["spacing_mm"] == pytest.approx(spacing)
    generate(package, tmp_path / "noise", 1, **ORDER)
    assert record("noise")["spacing_mm"] == [3.0, 3.0, 4.0] and "spacing_note" not in record("noise")
    generate(picture_model("xrays"), tmp_path / "none", 1, **ORDER)
    assert record("none")["spacing_mm"] is None and record("none")["spacing_note"] == NO_SPACING


def test_images_that_repeat_a_training_image_are_named_by_case_and_slice(package, tmp_path, monkeypatch):
    generate(package, tmp_path / "first", 3, slices=2, **ORDER)
    drawn = read_volume(tmp_path / "first" / "case_0003" / "ct.nii.gz").voxels
    from medsynth_core.generation.memorisation import fields_of

    generator = Generator.load(package, "cpu")
    pet = read_volume(tmp_path / "first" / "case_0003" / "pet.nii.gz").voxels
    copied = fields_of(generator, {"ct": drawn, "pet": pet})["ct"][1]
    original = Generator.training_pictures

    def pictures(self, role):
        found = original(self, role)
        return np.concatenate([found[:-1], copied[None]]) if role == "ct" else found

    monkeypatch.setattr(Generator, "training_pictures", pictures)
    found = generate(package, tmp_path / "second", 3, slices=2, **ORDER)
    assert "look at case_0003, slice 2." in str(found.memorisation["ct"])
    record = json.loads((tmp_path / "second" / "generation.json").read_text())["memorisation"]["ct"]
    assert record["suspects"][0] == "case_0003, slice 2"


def test_a_volume_whose_voxels_are_much_too_large_is_refused(package, inputs, tmp_path):
    volume = read_volume(inputs["source"])
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, :3] *= 1000  # as if metres were read as millimetres
    write_volume(volume.replace(ijk_to_ras=matrix), tmp_path / "metres.nii.gz")
    with pytest.raises(MedSynthError, match="on the model's grid.* GiB of memory.* check its voxel size"):
        generate(package, tmp_path / "set", 1, source=tmp_path / "metres.nii.gz", **ORDER)
    assert not (tmp_path / "set").exists()
