"""A network is compiled once on a computer: the result is kept in the user's library, and damage is noticed."""

from __future__ import annotations

import copy
import json
import os
import shutil

import numpy as np
import pytest
import torch
from openvino_fixtures import needs_openvino, sample_ct

from medsynth_core import load_model, synthesize
from medsynth_core.inference import backends
from medsynth_core.inference.backends import OpenVinoBackend
from medsynth_core.inference.loaded_model import LoadedModel
from medsynth_core.models import compiled_files
from medsynth_core.models.compiled_files import compiled_folder, keep_compiled, read_compiled
from medsynth_core.stored_data import remove_stored, stored_items

IMAGE = torch.linspace(-1, 1, 2 * 3 * 16 * 16).reshape(2, 3, 16, 16)


@pytest.fixture(autouse=True)
def library(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))
    monkeypatch.delenv("MEDSYNTH_BACKEND", raising=False)
    return tmp_path / "library"


@pytest.fixture
def converted(monkeypatch):
    """What was converted rather than read."""
    calls, convert = [], backends.convert
    monkeypatch.setattr(backends, "convert", lambda *given: calls.append(1) or convert(*given))
    return calls


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return torch.nn.Conv2d(3, 3, 3, padding=1).eval()


def made(network, built="convolution"):
    backend = OpenVinoBackend(network, built)
    answer = backend(IMAGE)[0]
    assert backend.name == "openvino", backend.note()
    return answer


@needs_openvino
def test_the_second_process_reads_what_the_first_compiled(network, converted):
    first = made(network)
    assert len(converted) == 1 and torch.equal(made(network), first) and len(converted) == 1
    with torch.no_grad():
        assert torch.allclose(first, network(IMAGE), atol=1e-5)


@needs_openvino
def test_other_options_weights_versions_processors_and_numbers_of_threads_are_compiled_anew(
    network, converted, monkeypatch
):
    made(network)
    made(network, "other options")
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.bias += 1
    assert torch.allclose(made(other), made(network) + 1, atol=1e-5)
    for place, name in ((backends, "processor_name"), (backends, "installed_version")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, lambda: "another")
            made(network)
    with monkeypatch.context() as patch:
        patch.setattr(backends, "__version__", "99")
        made(network)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "get_num_threads", lambda: 3)
        made(network)
    assert len(converted) == len(list(compiled_folder().iterdir())) == 7


@needs_openvino
@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "of another kind"])
def test_a_damaged_file_is_compiled_again(damage, network, converted):
    expected = made(network)
    (path,) = compiled_folder().iterdir()
    content = path.read_bytes()
    if damage == "of another kind":
        keep_compiled(path.name, b"not a network")
    else:
        middle = len(content) // 2
        changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        path.write_bytes({"cut": content[:-100], "changed": changed, "empty": b""}[damage])
    assert torch.equal(made(network), expected) and len(converted) == 2
    assert read_compiled(path.name) is not None
    assert torch.equal(made(network), expected) and len(converted) == 2


@needs_openvino
@pytest.mark.parametrize("obstacle", ["the library is a file", "the folder is a file"])
def test_without_a_place_to_write_networks_are_compiled_in_memory(obstacle, library, network, converted):
    place = library if obstacle == "the library is a file" else library / ".compiled"
    place.parent.mkdir(exist_ok=True)
    place.write_text("")
    assert torch.equal(made(network), made(network)) and len(converted) == 2
    assert place.read_text() == ""


@needs_openvino
@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_read_only_home_is_no_reason_to_fail(library, network, converted):
    library.mkdir()
    library.chmod(0o500)
    made(network)
    library.chmod(0o700)
    assert not compiled_folder().exists()


def test_files_not_used_for_the_longest_time_make_room(monkeypatch):
    monkeypatch.setattr(compiled_files, "MOST_BYTES", 3500)
    for number in range(3):
        keep_compiled(f"file-{number}", bytes(1000))
        os.utime(compiled_folder() / f"file-{number}", (number, number))
    assert read_compiled("file-0") == bytes(1000)
    keep_compiled("file-3", bytes(1000))
    assert {path.name for path in compiled_folder().iterdir()} == {"file-0", "file-2", "file-3"}
    assert read_compiled("file-1") is None


def test_compiled_networks_are_listed_and_removed(library):
    keep_compiled("file", bytes(1000))
    (found,) = [item for item in stored_items() if item.kind == "compiled"]
    assert (found.path, found.kind, found.size) == (compiled_folder(), "compiled", 1032)
    remove_stored([found])
    assert not library.exists()


@needs_openvino
@pytest.mark.slow
def test_a_package_with_other_options_has_its_own_file(tmp_path, converted):
    ct = sample_ct(slice(30, 32))
    first = synthesize(ct, "ct-to-pet", device="cpu")
    again = synthesize(ct, LoadedModel.load("ct-to-pet"), device="cpu")
    assert np.array_equal(first.voxels, again.voxels) and len(converted) == 1
    package = shutil.copytree(load_model("ct-to-pet").path, tmp_path / "ct-to-pet")
    card = package / "configs" / "metadata.json"
    content = json.loads(card.read_text())
    content["medsynth"]["network"]["options"]["dropout"] = 0.25
    card.write_text(json.dumps(content))
    synthesize(ct, str(package), device="cpu")
    assert len(converted) == len(list(compiled_folder().iterdir())) == 2
