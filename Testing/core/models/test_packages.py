"""A model package is data that is checked before it is trusted."""

import json
import shutil
import zipfile

import numpy as np
import pytest
from builders import phantom_ct, tiny_recipe, write_manifest
from safetensors.torch import load_file, save_file

from medsynth_core import MedSynthError, list_models, load_model, synthesize, train
from medsynth_core.models.library import export_model, import_model, user_folder, verify_model
from medsynth_core.models.markdown import card_text


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    return train(tiny_recipe(epochs=1), write_manifest(folder), folder / "run", device="cpu")


@pytest.fixture
def package(made, tmp_path):
    return shutil.copytree(made, tmp_path / "tiny")


@pytest.fixture(autouse=True)
def library(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))


def change_card(package, change):
    path = package / "configs" / "metadata.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_the_metadata_has_what_monais_bundle_schema_requires(made):
    """The schema itself lies on the network; its required keys and types are stated here."""
    content = json.loads((made / "configs" / "metadata.json").read_text())
    required = {
        **dict.fromkeys(("version", "monai_version", "pytorch_version", "numpy_version", "task"), str),
        **dict.fromkeys(("description", "authors", "copyright", "schema"), str),
        **dict.fromkeys(("changelog", "required_packages_version", "network_data_format"), dict),
    }
    assert {key: type(content[key]) for key in required} == required
    assert content["version"] in content["changelog"]
    tensor = {
        **dict.fromkeys(("type", "format", "modality", "dtype"), str),
        **dict.fromkeys(("spatial_shape", "value_range"), list),
        "num_channels": int,
        "is_patch_data": bool,
        "channel_def": dict,
    }
    for tensors in (content["network_data_format"]["inputs"], content["network_data_format"]["outputs"]):
        for described in tensors.values():
            assert {key: type(described[key]) for key in tensor} == tensor
            assert len(described["channel_def"]) == described["num_channels"]


def test_monais_own_command_gives_the_same_voxels(made, tmp_path):
    from monai.bundle import run

    from medsynth_core import read_volume, write_volume

    ct = phantom_ct()
    write_volume(ct, tmp_path / "ct.nii.gz")
    run(
        config_file=str(made / "configs" / "inference.json"),
        meta_file=str(made / "configs" / "metadata.json"),
        bundle_root=str(made),
        input_file=str(tmp_path / "ct.nii.gz"),
        output_file=str(tmp_path / "pet.nii.gz"),
    )
    ours, theirs = synthesize(ct, made).voxels, read_volume(tmp_path / "pet.nii.gz").voxels
    assert np.allclose(theirs, ours, rtol=1e-4, atol=0)


def test_weights_are_half_precision_safetensors_of_the_registrys_network(made):
    model = load_model(made)
    assert all(value.dtype.itemsize <= 2 or value.numel() == 1 for value in load_file(model.weights).values())
    assert {parameter.dtype.itemsize for parameter in model.network().parameters()} == {4}


def test_export_and_import_keep_every_byte(made, tmp_path):
    archive = export_model(made, tmp_path / "tiny.zip")
    assert [summary.name for summary in list_models() if summary.name == "tiny"] == []
    model = import_model(archive)
    assert model.path == user_folder() / "tiny" and load_model("tiny").card == load_model(made).card
    for file in made.rglob("*"):
        if file.is_file():
            assert (model.path / file.relative_to(made)).read_bytes() == file.read_bytes()
    with pytest.raises(MedSynthError, match="has a model 'tiny' already"):
        import_model(archive)


def test_the_card_says_what_the_model_cannot_know(made):
    text = card_text(load_model(made).metadata)
    assert text == (made / "docs" / "README.md").read_text()
    assert "It knows phantoms only." in text and "2 train, 1 val, 1 test" in text


def flip_a_byte(package):
    path = package / "models" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def truncate(package):
    path = package / "models" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:500])


def other_network(package):
    change_card(package, lambda card: card["medsynth"]["network"]["options"].update(channels=[4, 6, 10]))


def missing_tensor(package):
    from medsynth_core.models.package import sha256

    path = package / "models" / "model.safetensors"
    state = load_file(path)
    state.popitem()
    save_file(state, path)
    change_card(package, lambda card: card["medsynth"]["weights"].update(sha256=sha256(path)))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flip_a_byte, "SHA-256 differs"),
        (truncate, "SHA-256 differs"),
        (other_network, "do not fit the network 'cascade-compact'"),
        (missing_tensor, "do not fit the network"),
        (lambda package: (package / "models" / "model.safetensors").unlink(), "cannot be read"),
        (lambda package: (package / "configs" / "metadata.json").unlink(), "is not a model package"),
        (lambda package: (package / "configs" / "metadata.json").write_text("{"), "is not JSON"),
        (lambda package: change_card(package, lambda card: card.pop("monai_version")), "not valid at 'monai_version'"),
        (
            lambda package: change_card(package, lambda card: card["medsynth"].update(code="import os")),
            "not valid at 'medsynth.code'",
        ),
        (
            lambda package: change_card(
                package, lambda card: card["medsynth"]["weights"].update(file="../../weights.safetensors")
            ),
            "not valid at 'medsynth.weights.file'",
        ),
        (
            lambda package: change_card(package, lambda card: card["medsynth"]["network"].update(name="os.system")),
            "no network called 'os.system'",
        ),
    ],
)
def test_a_damaged_or_changed_package_is_refused_in_one_sentence(package, damage, words):
    damage(package)
    with pytest.raises(MedSynthError, match=words) as caught:
        verify_model(package)
    assert caught.value.kind == "model"
    with pytest.raises(MedSynthError):
        import_model(package)
    assert not user_folder().exists() or not list(user_folder().iterdir())


@pytest.mark.parametrize("entry", ["../evil.txt", "/evil.txt", "tiny/../../evil.txt", "C:/evil.txt"])
def test_a_zip_that_leaves_its_folder_is_refused(made, tmp_path, entry):
    archive = export_model(made, tmp_path / "tiny.zip")
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(entry, "evil")
    with pytest.raises(MedSynthError, match="leaves the package's folder"):
        import_model(archive)
    assert not list(tmp_path.rglob("evil.txt"))


def test_no_model_of_that_name(tmp_path):
    with pytest.raises(MedSynthError, match="no model 'ct-to-ultrasound'"):
        load_model("ct-to-ultrasound")
    with pytest.raises(MedSynthError, match="no model package at"):
        verify_model(tmp_path / "nothing.zip")
    (tmp_path / "text.zip").write_text("not a zip")
    with pytest.raises(MedSynthError, match="neither a folder nor a whole zip"):
        verify_model(tmp_path / "text.zip")


def test_a_package_that_is_not_valid_does_not_hide_the_others(package):
    shutil.copytree(package, user_folder() / "broken")
    (user_folder() / "broken" / "configs" / "metadata.json").write_text("{}")
    import_model(package)
    assert "tiny" in [summary.name for summary in list_models()]
