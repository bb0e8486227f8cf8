"""A request of the wrong shape is refused in one sentence, and the worker goes on."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from builders import phantom_ct

from medsynth_core.errors import MedSynthError
from medsynth_core.interruption import Terminated
from medsynth_core.worker.requests import check_types, received
from medsynth_core.worker.server import JOBS, Worker

WRONG = [5, -1.5, True, "", "x", "a\0b", [], ["a"], {}, {"a": 1}, [[]], [5], [None], 10**400]
GOOD = {
    "synthesize": {
        "input": {},
        "output": "o.npy",
        "model": "ct-to-pet",
        "inputs": {},
        "batch_size": 1,
        "device": "cpu",
    },
    "batch": {
        "data": "no-studies",
        "files": None,
        "output": "o",
        "model": "ct-to-pet",
        "settings": {},
        "batch_size": 1,
        "device": "cpu",
    },
    "extract_structure": {
        "input": {},
        "output": "o.npy",
        "preset": "",
        "settings": {},
        "lesion": {},
        "solid": False,
    },
    "generate": {
        "model": "no-generator",
        "output": "o",
        "count": 1,
        "seed": 0,
        "slices": 1,
        "filtered": True,
        "input": {},
        "lesion": {},
        "preset": "",
        "settings": {},
        "class_name": "",
        "device": "cpu",
    },
    "convert_to_suv": {"input": {}, "files": ["a.dcm"], "output": "o.npy"},
    "write_dicom": {"input": {}, "folder": "f", "reference": "r"},
    "check_cases": {
        "data": "m.csv",
        "roles": {"ct": {"modality": "CT", "unit": "HU"}},
        "optional": [],
        "sides": [["ct"]],
    },
    "register": {"fixed": {"file": "a.nii"}, "moving": {"file": "b.nii"}, "output": "o.nii.gz", "deformable": False},
    "build_pairs": {"kind": "folders", "root": ".", "roles": {"ct": "*"}, "output": "m.csv", "paired": True},
    "thumbnails": {"images": [{"file": "a.nii", "picture": "a.pgm"}]},
    "publish": {"run": "r", "data": None, "about": None},
    "import_model": {"package": "p.zip", "name": ""},
}


class Events(io.StringIO):
    """Collects the events of one job."""

    def found(self):
        return [json.loads(line) for line in self.getvalue().splitlines()]


def answer(request):
    events = Events()
    Worker(events)._run(request, threading.Event())
    return events.found()[-1]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))
    yield
    assert not (tmp_path / "library").exists()


@pytest.mark.parametrize("job", sorted(GOOD))
def test_no_value_of_the_wrong_type_is_a_failure(job):
    assert set(GOOD) == set(JOBS) - {"describe"}, "a job is missing in this test"
    for key in GOOD[job]:
        for value in WRONG:
            said = answer({"job": job, **GOOD[job], key: value})
            if job == "thumbnails" and said["event"] == "done":
                continue  # no images, no thumbnails
            assert said["event"] == "error" and said["kind"] != "failure", (key, value, said)
            assert "\n" not in said["message"]


@pytest.mark.parametrize("key", ["voxels", "ijk_to_ras", "modality", "unit", "metadata"])
@pytest.mark.parametrize("value", WRONG)
def test_no_wrong_part_of_a_volume_is_a_failure(key, value, tmp_path):
    np.save(tmp_path / "ct.npy", phantom_ct().voxels)
    volume = {"voxels": str(tmp_path / "ct.npy"), "ijk_to_ras": np.eye(4).tolist(), "modality": "CT", "unit": "HU"}
    said = answer({"job": "write_dicom", **GOOD["write_dicom"], "input": {**volume, key: value}})
    assert said["event"] == "error" and said["kind"] != "failure", said


def test_roles_may_have_the_names_of_keys():
    check_types({"job": "check_cases", "roles": {"files": {"modality": "CT"}, "input": {"unit": "HU"}}})
    check_types({"job": "synthesize", "inputs": {"data": {"voxels": "a.npy"}}, "batch_size": None})
    with pytest.raises(MedSynthError, match="'unit' must be a text, but is 5"):
        check_types({"job": "check_cases", "roles": {"files": {"modality": "CT", "unit": 5}}})


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"not numpy", b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False}"]
)
def test_voxels_that_cannot_be_read(content, tmp_path):
    (tmp_path / "ct.npy").write_bytes(content)
    with pytest.raises(MedSynthError, match="sent to the worker cannot be read"):
        received({"voxels": str(tmp_path / "ct.npy"), "ijk_to_ras": np.eye(4).tolist()})


def test_voxels_with_objects_are_not_unpickled(tmp_path):
    np.save(tmp_path / "ct.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(MedSynthError, match="cannot be read"):
        received({"voxels": str(tmp_path / "ct.npy"), "ijk_to_ras": np.eye(4).tolist()})


def test_a_termination_is_not_taken_for_a_failure_of_the_job(monkeypatch):
    def stopped(request, progress):
        raise Terminated(signal.SIGTERM)

    monkeypatch.setitem(JOBS, "describe", stopped)
    with pytest.raises(Terminated):
        answer({"job": "describe"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "status"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (None, 0)],
    ids=["SIGTERM", "SIGINT", "closed"],
)
def test_a_worker_that_ends_removes_its_temporary_files(end, status, tmp_path):
    """It waits inside a temporary folder, as in the middle of a job."""
    code = (
        "import sys, time\n"
        "from medsynth_core.io.temporary import temporary_folder\n"
        "from medsynth_core.worker import server\n"
        "def wait(request, progress):\n"
        "    with temporary_folder() as folder:\n"
        "        (folder / 'voxels.npy').write_bytes(bytes(9))\n"
        "        progress(0.5, 'waiting')\n"
        "        time.sleep(600)\n"
        "server.JOBS['describe'] = wait\n"
        "server.main()\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    worker.stdin.write('{"job": "describe"}\n')
    worker.stdin.flush()
    while "waiting" not in worker.stdout.readline():
        time.sleep(0.01)
    assert len(list(tmp_path.iterdir())) == 1
    if end is None:
        worker.stdin.close()
    else:
        worker.send_signal(end)
    assert worker.wait(60) == status
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("facts", [{"limits": 5}, {"simulation": "x"}, {"source": {"suv": []}}])
def test_facts_of_another_type_are_refused(facts, tmp_path):
    np.save(tmp_path / "ct.npy", np.zeros((2, 2, 2), np.float32))
    sent = {"voxels": str(tmp_path / "ct.npy"), "ijk_to_ras": np.eye(4).tolist(), "metadata": facts}
    with pytest.raises(MedSynthError, match=f"volume sent to the worker is damaged: its '[a-z.]*{next(iter(facts))}"):
        received(sent)


@pytest.mark.parametrize("kind", ["U3", "S1", "M8[s]", "m8[s]", "V4", "c8", [("a", "i4")]])
def test_voxels_that_are_no_numbers_are_refused(tmp_path, kind):
    np.save(tmp_path / "v.npy", np.zeros((2, 3, 4), kind))
    volume = {"voxels": str(tmp_path / "v.npy"), "ijk_to_ras": np.eye(4).tolist(), "modality": "CT", "unit": "HU"}
    found = answer({"job": "synthesize", "input": volume, "output": str(tmp_path / "o.npy"), "model": "ct-to-pet"})
    assert found["event"] == "error" and found["kind"] == "input"
    assert "The voxels of a volume are real numbers, but this array is of type" in found["message"]


@pytest.mark.parametrize("kind", ["?", "u1", ">i2", "i8", "f2", ">f4", "f8"])
def test_voxels_that_are_numbers_are_taken(tmp_path, kind):
    np.save(tmp_path / "v.npy", np.ones((2, 3, 4), kind))
    volume = {"voxels": str(tmp_path / "v.npy"), "ijk_to_ras": np.eye(4).tolist()}
    assert received(volume).voxels.sum() == 24


@pytest.mark.parametrize("same", ["uncertainty", "voxels"])
def test_a_result_does_not_replace_another_file_of_the_request(same, tmp_path):
    ct, output = phantom_ct(), tmp_path / "o.npy"
    np.save(output if same == "voxels" else tmp_path / "ct.npy", ct.voxels)
    voxels = str(output if same == "voxels" else tmp_path / "ct.npy")
    volume = {"voxels": voxels, "ijk_to_ras": ct.ijk_to_ras.tolist(), "modality": "CT", "unit": "HU"}
    errors = str(output) if same == "uncertainty" else None
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    found = answer(
        {"job": "synthesize", "input": volume, "output": str(output), "model": "ct-to-pet", "uncertainty": errors}
    )
    assert found["event"] == "error" and "is named twice among the files to read and write" in found["message"]
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
