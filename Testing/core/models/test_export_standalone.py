"""What `medsynth models export --format onnx` writes, and what it refuses."""

from __future__ import annotations

import json
import sys

import pytest
from exported import changed_package
from typer.testing import CliRunner

from medsynth_core.cli.app import app
from medsynth_core.errors import MedSynthError
from medsynth_core.io.digest import sha256
from medsynth_core.models.library import load_model
from medsynth_core.models.standalone.export import export_standalone

for package in ("onnx", "onnxruntime", "openvino"):
    pytest.importorskip(package, reason="models are exported with the packages of medsynth-core[export]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("exported") / "model"
    done = CliRunner().invoke(app, ["models", "export", "ct-to-pet", str(target), "--format", "onnx", "--json"])
    assert json.loads(done.stdout) == {"name": "ct-to-pet", "path": str(target), "result": "exported"}
    return target


def test_the_folder_is_complete(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {"network.onnx", "preparation.json", "run.py", "medsynth_runner", "README.md", "MODEL_CARD.md"}
    assert {path.suffix for path in (folder / "medsynth_runner").iterdir()} == {".py"}


def test_what_is_stated_is_that_of_the_package(folder):
    model = load_model("ct-to-pet")
    stated = json.loads((folder / "preparation.json").read_text(encoding="utf-8"))
    assert stated["model"]["weights_sha256"] == model.card.weights.sha256
    assert stated["files"] == {"network.onnx": sha256(folder / "network.onnx")}
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert all(words in text for words in (*model.card.limits, model.card.data_licence, "not for diagnosis"))


def test_onnx_is_valid_and_takes_any_rows_and_columns(folder):
    import onnx

    network = onnx.load(folder / "network.onnx")
    onnx.checker.check_model(network, full_check=True)
    sizes = [side.dim_param or side.dim_value for side in network.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == ["images", 5, "rows", "columns"]


def test_a_folder_with_files_is_left_alone(folder):
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(MedSynthError, match="is not empty; choose a new or empty folder"):
        export_standalone("ct-to-pet", folder, "openvino")
    assert sorted(path.name for path in folder.iterdir()) == before


def test_generators_are_refused(tmp_path):
    with pytest.raises(MedSynthError, match="'multimodal-sts' is generative"):
        export_standalone("multimodal-sts", tmp_path / "model", "onnx")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(("kind", "package"), [("onnx", "onnxruntime"), ("openvino", "openvino"), ("onnx", "onnx")])
def test_a_missing_package_is_named(kind, package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MedSynthError, match=f"needs the package {package}; install it with: pip install 'medsynth-"):
        export_standalone("ct-to-pet", tmp_path / "model", kind)
    assert not (tmp_path / "model").exists()


def test_a_network_that_computes_something_else_is_refused(tmp_path, monkeypatch):
    from medsynth_core.models.standalone import graph

    options = {"channels": [4, 8, 8], "in_channels": 3, "out_channels": 1}
    package = changed_package(tmp_path / "package", "cascade-compact", options)
    monkeypatch.setattr(graph, "_onnx", lambda path: lambda image: 1.01 * image[:, :1])
    with pytest.raises(MedSynthError, match="The exported network differs from PyTorch's at 96 × 96"):
        export_standalone(package, tmp_path / "model", "onnx")
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "options", "slab"),
    [
        ("unet-ctmr", {"in_channels": 1, "out_channels": 1, "channels": [4, 8, 8, 8, 8]}, None),
        ("residual-unet", {"in_channels": 3, "out_channels": 1}, None),
        ("resnet9", {"in_channels": 3, "out_channels": 3, "channels": 4, "blocks": 2}, None),
        ("dsggan", {"in_channels": 1, "out_channels": 1, "channels": [4, 4, 8, 8, 8, 8, 8, 8]}, None),
        ("unet3d", {"channels": 4}, {"slices": 16, "overlap": 4}),
        ("mlnet3d", {"channels": 4, "residual": True}, {"slices": 10, "overlap": 4}),
        ("contextual3d", {"channels": 4}, {"slices": 16, "overlap": 14 // 2}),
        ("resnet3d", {"channels": 4, "blocks": 1}, {"slices": 16, "overlap": 4}),
    ],
)
def test_networks_of_synthesis_models_can_be_exported(network, options, slab, tmp_path):
    package = changed_package(
        tmp_path / "package", network, options, slab=slab, spacing=None, flip_average=False, frame=0
    )
    folder = export_standalone(package, tmp_path / "model", "onnx")
    assert (folder / "network.onnx").stat().st_size > 0
