"""An ONNX file of others, with a card, becomes a model of the library like any other."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import CT_SIDE, PET_SIDE, phantom_body_pet, phantom_ct, phantom_pet
from exported import changed_package, difference
from foreign_models import halving, mean_filter, weighted_sum, write_card
from scipy.ndimage import uniform_filter
from typer.testing import CliRunner

import medsynth_core as ms
from medsynth_core.cli.app import app
from medsynth_core.errors import MedSynthError
from medsynth_core.models.foreign.card_file import read_card
from medsynth_core.models.foreign.importing import import_onnx
from medsynth_core.models.library import export_model, import_model, list_models, load_model, verify_model
from medsynth_core.models.standalone.export import export_standalone

onnx = pytest.importorskip("onnx", reason="ONNX models need the packages of medsynth-core[export]")
pytest.importorskip("onnxruntime", reason="ONNX models need the packages of medsynth-core[export]")

PET_TO_PET = {"inputs": {"pet": PET_SIDE}, "outputs": {"smooth": PET_SIDE}}


@pytest.fixture(autouse=True)
def library(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))


def saved(model, tmp_path):
    onnx.save(model, tmp_path / "network.onnx")
    return tmp_path / "network.onnx"


def imported(model, tmp_path, contract=None, **changes):
    return import_onnx(saved(model, tmp_path), write_card(tmp_path / "card.yaml", contract, **changes))


def refused(model, tmp_path, words, contract=None, **changes):
    with pytest.raises(MedSynthError, match=words):
        imported(model, tmp_path, contract, **changes)
    assert not (tmp_path / "library" / "foreign").exists()


def test_the_command_imports_shows_verifies_and_runs_it(tmp_path):
    def run(*words):
        done = CliRunner().invoke(app, [*map(str, words)])
        assert done.exit_code == 0, done.output
        return done.stdout

    network, card = saved(mean_filter(), tmp_path), write_card(tmp_path / "card.yaml")
    run("models", "import", network, "--card", card)
    assert "foreign" in {one["name"] for one in json.loads(run("models", "list", "--json"))}
    shown = run("models", "show", "foreign")
    assert "It was made for tests." in shown and "CC0-1.0" in shown
    run("models", "verify", tmp_path / "library" / "foreign")
    source = ms.write_volume(phantom_ct(), tmp_path / "ct.nii.gz")
    run("synthesize", source, tmp_path / "pet.nii.gz", "--model", "foreign")
    made = ms.read_volume(tmp_path / "pet.nii.gz")
    assert (made.unit, made.is_synthetic, made.metadata["device"]) == ("SUVbw", True, "cpu")
    assert made.metadata["backend"].startswith("ONNX Runtime 1.") and made.metadata["foreign_network"] is True
    for words in ("its error is unknown", "Not known, because its network is of others"):
        assert words in " ".join(shown.split())
    np.testing.assert_array_equal(made.ijk_to_ras, ms.read_volume(source).ijk_to_ras)


def test_it_gives_what_the_network_it_was_made_from_gives(tmp_path):
    options = {"channels": [4, 8, 8], "in_channels": 5, "out_channels": 3, "stem": 2, "upsample": "resize"}
    package = changed_package(tmp_path / "package", "cascade-compact", options)
    network = export_standalone(package, tmp_path / "exported", "onnx") / "network.onnx"
    contract = load_model(package).contract.model_dump(mode="json")
    model = import_onnx(network, write_card(tmp_path / "card.json", contract, multiple_of=8))
    wanted = ms.synthesize(phantom_ct(), package, device="cpu")
    assert difference(ms.synthesize(phantom_ct(), model), wanted) < 1e-5


def test_a_network_for_volumes_gets_slabs(tmp_path):
    slab = {**PET_TO_PET, "slab": {"slices": 8, "overlap": 4}}
    model = imported(mean_filter(3, ("slices", "rows", "columns")), tmp_path, slab)
    pet = phantom_body_pet()
    made = ms.synthesize(pet, model)
    inside = (slice(4, -4), slice(12, 20), slice(14, 22))
    # Not the same where slabs overlap: the filter takes what is beyond its slab for 0.
    np.testing.assert_allclose(made.voxels[inside], uniform_filter(pet.voxels, 3)[inside], rtol=0.1)
    assert difference(made.replace(voxels=made.voxels[inside]), pet.replace(voxels=pet.voxels[inside])) > 0.02
    assert made.shape == pet.shape


@pytest.mark.parametrize(("dims", "slab"), [(2, None), (3, {"slices": 6, "overlap": 2, "plane": 33})])
def test_images_are_padded_to_a_multiple(dims, slab, tmp_path):
    """The network gives the image itself where it is the same in each block, and fails at an odd size."""
    pet = phantom_body_pet(shape=(7, 33, 37))
    network = import_onnx(
        saved(halving(dims), tmp_path),
        write_card(tmp_path / "card.yaml", {**PET_TO_PET, "slab": slab}, multiple_of=2),
    ).network()
    image = torch.from_numpy(pet.voxels)[None, None] if dims == 3 else torch.from_numpy(pet.voxels)[:, None]
    made = network(image).numpy()
    even = np.pad(image.numpy(), [(0, 0), (0, 0), *[(0, side % 2) for side in image.shape[2:]]])
    blocks = even.reshape(*even.shape[:2], *[n for side in even.shape[2:] for n in (side // 2, 2)])
    means = blocks.mean(axis=tuple(range(3, blocks.ndim, 2)))
    for axis in range(2, 2 + dims):
        means = means.repeat(2, axis)
    wanted = means[tuple(slice(length) for length in image.shape)]
    np.testing.assert_allclose(made, wanted, atol=1e-5)
    assert np.abs(made - image.numpy()).max() > 0.1


def test_a_ct_is_padded_with_air(tmp_path):
    network = imported(halving(2), tmp_path, multiple_of=2).network()
    made = network(torch.ones(1, 1, 3, 3))[0, 0]
    np.testing.assert_allclose(made, [[1, 1, 0], [1, 1, 0], [0, 0, -0.5]], atol=1e-6)


def test_several_inputs_by_role(tmp_path):
    """With intensities of a divisor of 5 and a CT from -1 to 1, the result is the PET and half of the mapped CT."""
    model = imported(weighted_sum(), tmp_path, {"inputs": {"pet": PET_SIDE, "ct": CT_SIDE}})
    ct = phantom_ct()
    pet = phantom_pet(ct)
    made = ms.synthesize({"pet": pet, "ct": ct}, model).voxels
    muscle = (ct.voxels > 20) & (ct.voxels < 90)
    wanted = np.maximum(pet.voxels + 0.5 * ct.voxels / 1000, 0)
    np.testing.assert_allclose(made[muscle], wanted[muscle], rtol=0, atol=1e-4)
    with pytest.raises(MedSynthError, match=r"The model also needs a CT \('ct'\)"):
        ms.synthesize(pet, model)


def test_inputs_with_the_names_of_roles_are_taken_by_name(tmp_path):
    """The network takes the PET first and the contract the CT; the result is that of the test above."""
    model = weighted_sum()
    names = {"first": "pet", "second": "ct"}
    for port in model.graph.input:
        port.name = names[port.name]
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    ct = phantom_ct()
    pet = phantom_pet(ct)
    made = ms.synthesize(
        {"ct": ct, "pet": pet}, imported(model, tmp_path, {"inputs": {"ct": CT_SIDE, "pet": PET_SIDE}})
    ).voxels
    muscle = (ct.voxels > 20) & (ct.voxels < 90)
    np.testing.assert_allclose(made[muscle], (pet.voxels + 0.5 * ct.voxels / 1000)[muscle], rtol=0, atol=1e-4)


def test_the_contract_holds(tmp_path):
    model = imported(mean_filter(), tmp_path)
    with pytest.raises(MedSynthError, match="The volume is PET, but this model takes CT"):
        ms.synthesize(phantom_pet(phantom_ct()), model)


def test_openvino_runs_it_where_onnx_runtime_is_missing(tmp_path, monkeypatch):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    model = imported(mean_filter(), tmp_path)
    wanted = ms.synthesize(phantom_ct(), model)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert difference(ms.synthesize(phantom_ct(), model), wanted) < 1e-5
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MedSynthError, match="need ONNX Runtime or OpenVINO; install it with: pip install"):
        ms.synthesize(phantom_ct(), model)


def test_a_package_travels_as_zip(tmp_path):
    imported(mean_filter(), tmp_path)
    packed = export_model("foreign", tmp_path / "foreign.zip")
    assert verify_model(packed).card.is_foreign
    assert import_model(packed, "again").name == "again"
    assert {one.name for one in list_models()} >= {"foreign", "again"}


def test_a_changed_file_is_refused(tmp_path):
    model = imported(mean_filter(), tmp_path)
    with model.weights.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(MedSynthError, match="their SHA-256 differs from the card's"):
        ms.synthesize(phantom_ct(), load_model("foreign"))


@pytest.mark.parametrize("multiple", [0, -1, "2", 1.5, True, 5000])
def test_a_hostile_multiple_is_refused(multiple, tmp_path):
    folder = imported(mean_filter(), tmp_path).path
    card = json.loads((folder / "configs" / "metadata.json").read_text())
    card["medsynth"]["network"]["options"]["multiple_of"] = multiple
    (folder / "configs" / "metadata.json").write_text(json.dumps(card))
    with pytest.raises(MedSynthError, match="not valid at 'multiple_of'"):
        verify_model(folder)


def test_one_image_at_a_time_in_slices_of_one_size(tmp_path):
    limited = imported(mean_filter(2, (32, 32), 1), tmp_path, {"matrix": [32, 32]})
    made = ms.synthesize(phantom_ct(), limited, batch_size=4)
    free = imported(mean_filter(), tmp_path, {"matrix": [32, 32]}, name="free")
    np.testing.assert_allclose(made.voxels, ms.synthesize(phantom_ct(), free, batch_size=1).voxels, atol=1e-6)
    assert np.ptp(made.voxels) > 0.1


def test_slices_of_one_size_need_a_matrix_or_frame(tmp_path):
    refused(mean_filter(2, (32, 32), 1), tmp_path, "takes 32 rows and 32 columns alone, .* contract.matrix")


def test_weights_in_other_files_are_refused(tmp_path):
    model = mean_filter()
    (tensor,) = model.graph.initializer
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")
    tensor.ClearField("raw_data")
    (tmp_path / "network.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(MedSynthError, match="keeps weights in other files; save it as one file"):
        import_onnx(tmp_path / "network.onnx", write_card(tmp_path / "card.yaml"))


def test_weights_of_a_nested_graph_in_other_files_are_refused(tmp_path):
    from medsynth_core.models.foreign.onnx_file import read_layout

    inner = mean_filter().graph
    inner.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    model = mean_filter()
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("body", inner))
    with pytest.raises(MedSynthError, match="keeps weights in other files"):
        read_layout(model.SerializeToString(), tmp_path / "network.onnx")


def test_operators_of_others_are_refused(tmp_path):
    model = mean_filter()
    model.graph.node[0].domain = "com.example"
    refused(model, tmp_path, "has the operator 'Conv' of 'com.example', which is not one of ONNX")


def test_several_outputs_are_refused(tmp_path):
    model = mean_filter()
    model.graph.output.append(model.graph.input[0])
    refused(model, tmp_path, "has 2 outputs, but a model takes one image or several and makes one")


def test_other_kinds_of_numbers_are_refused(tmp_path):
    model = mean_filter()
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    refused(model, tmp_path, "the input or output 'image', which is not an image in single precision")


@pytest.mark.parametrize(
    ("contract", "words"),
    [
        (
            {"inputs": {"pet": PET_SIDE, "ct": CT_SIDE}},
            r"takes these channels \(image: 1\) .* correct contract.inputs or",
        ),
        ({"slab": {"slices": 8, "overlap": 4}}, "takes 2-D images, .* correct contract.slab"),
    ],
)
def test_another_contract_is_refused(contract, words, tmp_path):
    refused(mean_filter(), tmp_path, words, contract)


def test_what_does_not_compute_is_refused(tmp_path):
    refused(halving(2), tmp_path, "does not take .* voxels: ", {"frame": 35})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"limits": []}, "not valid at 'limits'"),
        ({"pickle": "model.pt"}, "not valid at 'pickle'"),
        ({"multiple_of": 0}, "not valid at 'multiple_of'"),
    ],
)
def test_cards_that_are_not_valid_are_refused_by_the_key(change, words, tmp_path):
    refused(mean_filter(), tmp_path, words, **change)


def test_files_that_are_not_what_they_should_be(tmp_path):
    card = write_card(tmp_path / "card.yaml")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(MedSynthError, match="is not an ONNX file"):
        import_onnx(tmp_path / "text.onnx", card)
    with pytest.raises(MedSynthError, match="cannot be read"):
        import_onnx(tmp_path / "missing.onnx", card)
    with pytest.raises(MedSynthError, match="describe it in a YAML file and give this with --card"):
        import_model(saved(mean_filter(), tmp_path))


def test_it_is_not_exported_as_a_network_of_medsynth(tmp_path):
    imported(mean_filter(), tmp_path)
    with pytest.raises(MedSynthError, match="is an ONNX file of others"):
        export_standalone("foreign", tmp_path / "folder", "openvino")


def test_the_card_in_the_documentation_is_valid(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
    card = tmp_path / "card.yaml"
    card.write_text(page.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    assert read_card(card).contract.frame == 256
