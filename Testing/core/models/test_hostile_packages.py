"""Nothing in a package can run, point elsewhere, or fill the memory or the disk."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from medsynth_core.errors import MedSynthError
from medsynth_core.models.contents import INFERENCE
from medsynth_core.models.library import (
    export_model,
    import_model,
    list_models,
    load_model,
    remove_model,
    user_folder,
    verify_model,
)
from medsynth_core.resources import resource_folder

BUNDLED = resource_folder() / "Models" / "ct-to-pet"


@pytest.fixture(autouse=True)
def library(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))


@pytest.fixture
def package(tmp_path):
    """A package of another name that is good before it is changed."""
    folder = shutil.copytree(BUNDLED, tmp_path / "mine")
    change_card(folder, lambda card: card["medsynth"].update(name="mine"))
    return folder


def change_card(package, change):
    path = package / "configs" / "metadata.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def zipped(package, *entries):
    """Return a zip of a package, made without any check, with more entries."""
    path = package.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(package.rglob("*")):
            if file.is_file() and not file.is_symlink():
                archive.write(file, f"mine/{file.relative_to(package)}")
        for name, content in entries:
            archive.writestr(name, content)
    return path


def refused(use, words):
    with pytest.raises(MedSynthError, match=words) as caught:
        use()
    assert caught.value.kind == "model" and "\n" not in caught.value.message
    assert not user_folder().exists() or list(user_folder().iterdir()) == []


EXTRAS = [
    "models/model.pt", "models/model.ts", "scripts/run.py", "code.py", "configs/train.json", "configs/logging.conf",
    "docs/notes.exe", "docs/training/checkpoint.pt", "models/optimiser.pkl", "setup.cfg", ".hidden",
]  # fmt: skip


@pytest.mark.parametrize("name", EXTRAS)
def test_a_file_that_medsynth_does_not_write_is_refused(package, name):
    archive = zipped(package, (f"mine/{name}", "x"))
    (package / name).parent.mkdir(exist_ok=True)
    (package / name).write_text("x")
    for use in (verify_model, import_model):
        refused(lambda use=use: use(package), f"its entry '{name}' is not a file of a model package")
        refused(lambda use=use: use(archive), f"its entry '{name}' is not a file of a model package")


def other_code(content):
    return {**INFERENCE, **content}


@pytest.mark.parametrize(
    "content",
    [
        other_code({"run": ["$__import__('os').system('touch evil')"]}),
        other_code({"imports": [*INFERENCE["imports"], "$import os"]}),
        other_code({"initialize": ["$print()"]}),
        other_code({"device": "$__import__('os')"}),
        other_code({"more": {"_target_": "os.system", "command": "touch evil"}}),
        {},
        [],
    ],
)
def test_other_code_than_medsynths_is_refused(package, content):
    (package / "configs" / "inference.json").write_text(json.dumps(content))
    archive = zipped(package)
    for path in (package, archive):
        for use in (verify_model, import_model):
            refused(lambda use=use, path=path: use(path), "'configs/inference.json' holds other code than MedSynth's")


def test_a_key_that_programs_read_differently_is_refused(package):
    path = package / "configs" / "inference.json"
    path.write_text(path.read_text().replace('"run":', '"run": ["$evil()"], "run":', 1))
    refused(lambda: verify_model(package), "holds other code")


@pytest.mark.parametrize("place", ["docs/README.md", "models/model.safetensors", "models", "configs", "docs/training"])
@pytest.mark.parametrize("target", ["inside", "outside", "nowhere", "itself"])
def test_links_are_refused(package, tmp_path, place, target):
    moved = (package if target == "inside" else tmp_path) / "moved"
    shutil.move(package / place, moved)
    where = {"inside": moved, "outside": moved, "nowhere": tmp_path / "nowhere", "itself": package / place}[target]
    (package / place).symlink_to(where)
    refused(lambda: verify_model(package), "is a link|is not a file of a model package")
    refused(lambda: import_model(package), "is a link|is not a file of a model package")


@pytest.mark.parametrize("place", ["models/model.safetensors", "models", "configs"])
def test_loading_does_not_follow_links_out_of_a_package(package, tmp_path, place):
    shutil.move(package / place, tmp_path / "outside")
    (package / place).symlink_to(tmp_path / "outside")
    with pytest.raises(MedSynthError, match="points outside the package"):
        load_model(package)
    user_folder().mkdir()
    shutil.move(package, user_folder() / "mine")
    with pytest.raises(MedSynthError, match="points outside the package"):
        load_model("mine")


def test_a_package_in_a_linked_folder_is_loaded(package, tmp_path):
    (tmp_path / "link").symlink_to(package)
    assert load_model(tmp_path / "link").name == "mine"


def test_pipes_are_refused_and_not_waited_for(package):
    for place in ("docs/README.md", "models/model.safetensors", "configs/metadata.json"):
        (package / place).unlink()
        os.mkfifo(package / place)
        refused(
            lambda place=place: verify_model(package), f"its entry '{place}' is a pipe or device|not a model package"
        )
        (package / place).unlink()
        shutil.copy(BUNDLED / place, package / place)


def test_what_file_managers_leave_is_left_out(package):
    (package / ".DS_Store").write_text("x")
    (package / "docs" / "._README.md").write_text("x")
    archive = zipped(package, ("__MACOSX/mine/._docs", "x"), ("mine/Thumbs.db", "x"))
    for path in (package, archive):
        assert import_model(path).name == "mine"
        assert not [file for file in user_folder().rglob("*") if file.name[:1] == "." or "MAC" in str(file)]
        remove_model("mine")


@pytest.mark.parametrize(
    "entries",
    [
        [("mine/docs/README.md", bytes(15_000_000))],
        [("mine/models/model.safetensors", bytes(500_000_000))],
        [("mine/LICENSE", bytes(30_000_000))],
    ],
)
def test_a_small_zip_that_grows_is_refused_before_it_is_unpacked(package, tmp_path, entries, monkeypatch):
    name = entries[0][0].partition("/")[2]
    (package / name).unlink(missing_ok=True)
    archive = zipped(package, *entries)
    monkeypatch.setattr(zipfile.ZipFile, "extract", lambda *_: pytest.fail("it was unpacked"))
    refused(lambda: import_model(archive), "grows far more than a model|when unpacked")


def test_an_entry_that_is_in_a_zip_twice_is_refused(package):
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = zipped(package, ("mine/docs/README.md", "another"))
    refused(lambda: import_model(archive), "is in it twice")


@pytest.mark.parametrize("spacing", [[1e6, 1e6, 1e6], [1e-6, 1, 1], [0, 1, 1], [-2, 2, 2], [2, 2, 1e300]])
def test_an_absurd_grid_is_refused(package, spacing):
    change_card(package, lambda card: card["medsynth"]["contract"].update(spacing=spacing))
    refused(lambda: verify_model(package), "not valid at 'medsynth.contract.spacing")


@pytest.mark.parametrize("options", [{"channels": [2_000_000_000] * 5}, {"stages": 10**9}, {"stem": 10**30}])
def test_an_absurd_network_is_refused(package, options):
    change_card(package, lambda card: card["medsynth"]["network"]["options"].update(options))
    refused(lambda: verify_model(package), "numbers and lengths of lists must be")


LIMITED = """
import resource, sys
from medsynth_core.models.library import verify_model
from medsynth_core.errors import MedSynthError
import torch
from safetensors.torch import load_file
resource.setrlimit(resource.RLIMIT_DATA, (2**31, 2**31))
try:
    verify_model(sys.argv[1])
except MedSynthError as error:
    print(error.message)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_DATA limits memory on Linux only")
def test_a_large_network_is_compared_before_it_takes_memory(package):
    """With 8000 channels the network would take 30 GB."""
    assert resource.RLIMIT_DATA
    change_card(package, lambda card: card["medsynth"]["network"]["options"].update(channels=[8000] * 5))
    found = subprocess.run([sys.executable, "-c", LIMITED, str(package)], capture_output=True, text=True, check=True)
    assert "do not fit the network" in found.stdout


def test_models_are_imported_under_another_name_and_removed(package):
    assert import_model(package).name == "mine"
    for use, words in (
        (lambda: import_model(package), "Your library already has a model 'mine'"),
        (lambda: import_model(BUNDLED), "'ct-to-pet' is the name of a model that comes with MedSynth"),
        (lambda: import_model(package, "ct-to-pet"), "is the name of a model that comes with MedSynth"),
        (lambda: import_model(package, "../x"), "'../x' cannot be the name of a model"),
        (lambda: import_model(package, "Mine"), "'Mine' cannot be the name of a model; use up to 64 small letters"),
        (lambda: import_model(package, "con"), "'con' cannot be the name of a model; it is reserved on Windows"),
        (lambda: import_model(package, "stop"), "a training has a file or folder of that name"),
        (lambda: remove_model("ct-to-pet"), "comes with MedSynth and cannot be removed"),
        (lambda: remove_model("../library/mine"), "is not in your library"),
        (lambda: remove_model(""), "is not in your library"),
    ):
        with pytest.raises(MedSynthError, match=words):
            use()
    again = import_model(BUNDLED, "ours")
    assert again.name == "ours" == load_model("ours").name
    assert again.weights.read_bytes() == (BUNDLED / "models" / "model.safetensors").read_bytes()
    assert {"mine", "ours", "ct-to-pet"} <= {summary.name for summary in list_models()}
    assert verify_model(export_model("ours", package.with_name("ours.zip"))).name == "ours"
    assert remove_model("mine") == user_folder() / "mine"
    assert [path.name for path in user_folder().iterdir()] == ["ours"]


def test_a_model_in_a_folder_of_another_name_is_removed(package):
    shutil.copytree(package, user_folder() / "download")
    assert remove_model("mine") == user_folder() / "download"
    assert list(user_folder().iterdir()) == []


def test_all_bundled_packages_are_good():
    for folder in (resource_folder() / "Models").iterdir():
        assert verify_model(Path(folder)).name == folder.name


def test_a_zip_of_several_folders_is_refused(package):
    archive = zipped(package, ("zz0/LICENSE", "x"))
    for use in (verify_model, import_model):
        refused(lambda use=use: use(archive), "is not in the folder of the package")


@pytest.mark.parametrize("name", [".", "mine/."])
def test_an_entry_without_a_name_ends_in_a_sentence(package, name):
    archive = zipped(package, (name, "x"))
    with pytest.raises(MedSynthError):
        verify_model(archive)
