"""A model package is validated before it is used."""

import json
import os
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from builders import phantom_ct, tiny_recipe, write_manifest
from safetensors.torch import load_file, save_file

from medsynth_core import MedSynthError, list_models, load_model, synthesize, train
from medsynth_core.models.contents import FILES
from medsynth_core.models.library import export_model, import_model, library_problem, user_folder, verify_model
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


@pytest.mark.slow
def test_monais_own_command_gives_the_same_voxels(made, tmp_path):
    pytest.importorskip("fire", reason="MONAI's command needs the package fire")
    from medsynth_core import read_volume, write_volume

    ct = phantom_ct()
    write_volume(ct, tmp_path / "ct.nii.gz")
    done = subprocess.run(
        [sys.executable, "-m", "monai.bundle", "run"]
        + ["--config_file", made / "configs" / "inference.json", "--meta_file", made / "configs" / "metadata.json"]
        + ["--bundle_root", made, "--input_file", tmp_path / "ct.nii.gz", "--output_file", tmp_path / "pet.nii.gz"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ours, theirs = synthesize(ct, made), read_volume(tmp_path / "pet.nii.gz")
    assert np.array_equal(theirs.ijk_to_ras, ours.ijk_to_ras)
    assert np.allclose(theirs.voxels, ours.voxels, rtol=1e-4, atol=1e-6)


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
    with pytest.raises(
        MedSynthError, match="already has a model 'tiny'; remove that one with medsynth models remove tiny"
    ):
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
    from medsynth_core.io.digest import sha256

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
        (lambda package: (package / "configs" / "metadata.json").write_text("{"), "is not valid JSON"),
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
    with pytest.raises(MedSynthError, match="points outside the package"):
        import_model(archive)
    assert not list(tmp_path.rglob("evil.txt"))


def test_no_model_of_that_name(tmp_path):
    with pytest.raises(MedSynthError, match="no model 'ct-to-ultrasound'"):
        load_model("ct-to-ultrasound")
    with pytest.raises(MedSynthError, match="no model package at"):
        verify_model(tmp_path / "nothing.zip")
    (tmp_path / "text.zip").write_text("not a zip")
    with pytest.raises(MedSynthError, match="neither a folder nor a complete zip"):
        verify_model(tmp_path / "text.zip")


def test_a_package_that_is_not_valid_does_not_hide_the_others(package):
    shutil.copytree(package, user_folder() / "broken")
    (user_folder() / "broken" / "configs" / "metadata.json").write_text("{}")
    import_model(package)
    assert "tiny" in [summary.name for summary in list_models()]


@pytest.mark.skipif(os.name == "nt", reason="Windows lets few users make links")
@pytest.mark.parametrize("place", ["docs/notes.txt", "models/model.safetensors", "docs/more"])
def test_a_package_with_a_link_out_of_its_folder_is_refused(package, tmp_path, place):
    outside = tmp_path / "outside"
    outside.mkdir()
    target = shutil.copyfile(package / "models" / "model.safetensors", outside / "weights")
    (package / place).unlink(missing_ok=True)
    (package / place).symlink_to(outside if place == "docs/more" else target)
    for use in (verify_model, import_model, lambda path: export_model(path, tmp_path / "out.zip")):
        with pytest.raises(MedSynthError, match=f"its entry '{place}' (is a link|points outside the package)"):
            use(package)
    assert not user_folder().exists() and not (tmp_path / "out.zip").exists()


def test_a_zip_with_a_password_or_of_a_huge_size_is_refused_in_one_sentence(made, tmp_path, monkeypatch):
    archive = export_model(made, tmp_path / "tiny.zip")
    locked = bytearray(archive.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = locked.find(signature)
        while at >= 0:
            locked[at + flags] |= 1
            at = locked.find(signature, at + 4)
    (tmp_path / "locked.zip").write_bytes(locked)
    with pytest.raises(MedSynthError, match="neither a folder nor a complete zip"):
        import_model(tmp_path / "locked.zip")
    monkeypatch.setitem(FILES, "models/model.safetensors", 1000)
    with pytest.raises(MedSynthError, match="when unpacked"):
        import_model(archive)


def test_a_zip_that_is_damaged_inside_is_refused_in_one_sentence(made, tmp_path):
    archive = export_model(made, tmp_path / "tiny.zip")
    content = bytearray(archive.read_bytes())
    content[200:1200] = bytes(1000)
    archive.write_bytes(content)
    with pytest.raises(MedSynthError) as caught:
        import_model(archive)
    assert caught.value.kind == "model" and "\n" not in caught.value.message


def test_a_model_in_a_folder_of_another_name_is_found_by_its_own(package):
    shutil.copytree(package, user_folder() / "my-download")
    assert "tiny" in [summary.name for summary in list_models()]
    assert load_model("tiny").path == load_model("my-download").path == user_folder() / "my-download"


@pytest.mark.parametrize(
    "curve", [[[0, 1]], [[1, 0.1], [0, 0.2]], [[0, 0.1], [1, -0.1]], [[0, 0.1], [float("nan"), 0.2]]]
)
def test_an_uncertainty_that_means_nothing_is_refused(package, curve):
    change_card(package, lambda card: card["medsynth"].update(error_curve=curve))
    with pytest.raises(MedSynthError, match="not valid at 'medsynth"):
        load_model(package)


def test_a_card_with_other_records_of_its_training_can_still_be_shown(package):
    def change(card):
        card["medsynth"]["training"].update(recipe={}, environment={})
        card["medsynth"]["metrics"] = {"test": {"ssim": 0.9}}

    change_card(package, change)
    assert "## Limits" in card_text(load_model(package).metadata)


def test_a_library_that_cannot_be_read_leaves_the_bundled_models(monkeypatch, tmp_path):
    # Longer than any system allows: like the folder of another user it can neither be read nor be said to be missing.
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / ("x" * 300)))
    assert "ct-to-pet" in [summary.name for summary in list_models()]
    assert load_model("ct-to-pet").name == "ct-to-pet"
    assert "cannot be read: File name too long; set MEDSYNTH_MODELS to another." in library_problem()
    with pytest.raises(MedSynthError, match="There is no model 'mine'") as refused:
        load_model("mine")
    assert refused.value.hint == library_problem()
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "missing"))
    assert library_problem() == ""


@pytest.mark.parametrize(
    ("cases", "reason"),
    [
        (["A", "B", "C", "D"], "because its card has no error curve"),
        (["A"], "because it had 1 validation case and at least 3 are needed"),
        ([], "because it had no validation cases and at least 3 are needed"),
    ],
)
def test_a_card_without_an_error_curve_says_so(package, cases, reason):
    def change(card):
        card["medsynth"].pop("error_curve", None)
        card["medsynth"]["training"]["split"]["val"] = cases

    change_card(package, change)
    model = load_model(package)
    assert f"## Usual error\n\nNot known, {reason}.\n" in card_text(model.metadata)
    with pytest.raises(MedSynthError, match=f"is not known, {reason}; run it without"):
        synthesize(phantom_ct(), model, device="cpu", uncertainty=True)


def test_numbers_of_a_card_are_finite_and_undefined_metrics_are_left_out(package):
    """Earlier versions wrote NaN for a metric that is not defined for a case."""
    nan = float("nan")
    change_card(package, lambda card: card["medsynth"]["metrics"].update(val={"mae": 0.5, "checkerboard": nan}))
    rows = [{"method": "a", "mae_mean": nan, "mae_sd": 0.1}]
    change_card(package, lambda card: card["medsynth"].update(comparison=rows))
    card = load_model(package).card
    assert card.metrics["val"] == {"mae": 0.5} and card.comparison == ({"method": "a", "mae_mean": "", "mae_sd": 0.1},)
    for change, words in (
        (lambda card: card["medsynth"]["training"].update(best_epoch=True), "'medsynth.training.best_epoch'"),
        (lambda card: card["medsynth"]["training"].update(best_epoch="3"), "'medsynth.training.best_epoch'"),
        (lambda card: card["medsynth"].update(limits=["", "x"]), "'medsynth.limits.0'"),
        (lambda card: card["medsynth"]["contract"].update(body_margin=float("inf")), "'medsynth.contract.body_margin'"),
    ):
        before = (package / "configs" / "metadata.json").read_bytes()
        change_card(package, change)
        with pytest.raises(MedSynthError, match=words):
            load_model(package)
        (package / "configs" / "metadata.json").write_bytes(before)


def test_an_export_replaces_a_file_only_on_request(tmp_path):
    mine = tmp_path / "results.zip"
    mine.write_text("my results")
    with pytest.raises(MedSynthError, match="already exists; choose another name, or remove it"):
        export_model("ct-to-pet", mine)
    assert mine.read_text() == "my results"
    assert verify_model(export_model("ct-to-pet", mine, replace=True)).name == "ct-to-pet"
