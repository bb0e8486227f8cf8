"""The worker process answers in JSON lines, stops when asked, and ends with the process that started it."""

import numpy as np
import pytest
from builders import phantom_ct, phantom_pet, tiny_recipe, write_manifest
from dicom_builder import write_pet
from pydicom import dcmread
from worker_client import LAST, Client

from medsynth_core import load_model, read_volume, synthesize, train, write_volume
from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.figures.thumbnail import write_thumbnail
from medsynth_core.io.suv.notes import describe_suv


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    return train(tiny_recipe(epochs=1), write_manifest(folder), folder / "run", device="cpu")


@pytest.fixture(scope="module")
def worker():
    """One worker for all tests that leave it alive: it must serve job after job."""
    client = Client()
    yield client
    client.process.stdin.close()
    assert client.process.wait(10) == 0


@pytest.fixture
def request_of(model, tmp_path):
    """Make a request to synthesize; what is None is left out."""
    np.save(tmp_path / "ct.npy", phantom_ct().voxels)

    def make(**changes: object) -> dict[str, object]:
        given = {
            "job": "synthesize",
            "input": {
                "voxels": str(tmp_path / "ct.npy"),
                "ijk_to_ras": phantom_ct().ijk_to_ras.tolist(),
                "modality": "CT",
                "unit": "HU",
            },
            "output": str(tmp_path / "pet.npy"),
            "model": str(model),
            "device": "cpu",
            "batch_size": 1,
        }
        return {key: value for key, value in {**given, **changes}.items() if value is not None}

    return make


@pytest.mark.slow
def test_it_describes_what_is_installed(worker):
    worker.send(job="describe")
    assert worker.next() == {"event": "started", "job": "describe"}
    told = worker.next(*LAST)
    assert told["event"] == "done" and told["devices"][-1]["id"] == "cpu"
    assert {"medsynth_core", "torch", "monai", "SimpleITK", "numpy", "scipy"} == set(told["versions"])


def test_it_synthesizes_what_the_library_does_and_reports_its_progress(worker, request_of, model, tmp_path):
    worker.send(**request_of())
    events = [worker.next()]
    while events[-1]["event"] not in LAST:
        events.append(worker.next())
    progress = [event["progress"] for event in events if event["event"] == "progress"]
    assert progress == sorted(progress) and progress[-1] == 1 and len(progress) > 6
    done = events[-1]
    assert done["event"] == "done" and (done["modality"], done["unit"]) == ("PT", "SUVbw")
    assert done["metadata"]["model"] == "tiny" and done["output"] == str(tmp_path / "pet.npy")
    expected = synthesize(phantom_ct(), model, device="cpu", batch_size=1).voxels
    assert np.allclose(np.load(tmp_path / "pet.npy"), expected, atol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct.npy", "pet.npy"]


def test_names_of_files_may_have_any_letters(worker, request_of, tmp_path):
    folder = tmp_path / "Grüße 患者"
    folder.mkdir()
    worker.send(**request_of(output=str(folder / "pet.npy")))
    assert worker.next(*LAST)["output"] == str(folder / "pet.npy")
    assert (folder / "pet.npy").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "nothing"}, "no model 'nothing'"),
        ({"model": None}, "lacks 'model'"),
        ({"input": None}, "lacks 'input'"),
        ({"input": "ct.npy"}, "'input' must be an object"),
        ({"input": {"voxels": "nothing.npy", "ijk_to_ras": np.eye(4).tolist()}}, "cannot be read"),
        ({"output": None}, "lacks 'output'"),
        ({"output": "/nowhere/pet.npy"}, "does not exist"),
        ({"device": "tpu"}, "no device 'tpu'"),
        ({"job": "fly"}, "no job 'fly'"),
    ],
)
def test_a_wrong_request_is_answered_in_one_sentence_and_leaves_nothing(worker, request_of, tmp_path, changes, words):
    worker.send(**request_of(**changes))
    told = worker.next(*LAST)
    assert told["event"] == "error" and words in told["message"] and told["kind"] != "failure"
    assert told["message"].endswith(".") and "\n" not in told["message"]
    assert [path.name for path in tmp_path.iterdir()] == ["ct.npy"]


@pytest.mark.parametrize("content", [b"", b"no array", None])
def test_voxels_that_are_no_array_are_refused_in_one_sentence(worker, request_of, tmp_path, content):
    if content is None:
        np.save(tmp_path / "ct.npy", np.array([{"a": "pickle"}]), allow_pickle=True)
    else:
        (tmp_path / "ct.npy").write_bytes(content)
    worker.send(**request_of())
    assert "cannot be read" in worker.next(*LAST)["message"]


@pytest.mark.parametrize("line", [b"{", b"[]", b'"job"', b"{}", b'{"job": []}', b"\xff\xfe{}", b"[" * 100_000])
def test_a_line_that_is_no_request_is_answered_and_the_next_is_served(worker, line):
    worker.write(line)
    told = worker.next()
    assert (
        told["event"] == "error"
        and told["message"] == "A request to the worker must be a JSON object with the key 'job'."
    )
    worker.send(job="describe")
    assert worker.next(*LAST)["event"] == "done"


def test_it_checks_the_cases_of_a_manifest(worker, tmp_path):
    manifest = write_manifest(tmp_path)
    for number in range(4):  # the phantoms' PETs are alike, and are told to be copies
        pet = read_volume(tmp_path / f"pet{number}.nii.gz")
        write_volume(pet.replace(voxels=pet.voxels * np.float32(1 + number / 10)), tmp_path / f"pet{number}.nii.gz")
    (tmp_path / "pet1.nii.gz").unlink()
    roles = {"ct": {"modality": "CT", "unit": "HU"}, "pet": {"modality": "PT", "unit": "SUVbw"}}
    worker.send(job="check_cases", data=str(manifest), roles=roles)
    cases = worker.next(*LAST)["cases"]
    assert [case["state"] for case in cases] == ["good", "refused", "good", "good"]
    assert set(cases[0]) == {"case", "split", "patient", "state", "problems", "mutual_information", "body_dice"}
    assert "no such file" in cases[1]["problems"][0] and cases[0]["body_dice"] > 0.8
    # A role that may be missing makes no case useless.
    manifest.write_text(manifest.read_text().replace("pet1.nii.gz", ""))
    for optional, states in (["pet"], {"good"}), ([], {"good", "refused"}):
        worker.send(job="check_cases", data=str(manifest), roles=roles, optional=optional)
        assert {case["state"] for case in worker.next(*LAST)["cases"]} == states
    for wrong in ("pet", ["mr"], {"pet": True}):
        worker.send(job="check_cases", data=str(manifest), roles=roles, optional=wrong)
        assert "'optional'" in worker.next(*LAST)["message"]
    for wrong in ("pet", ["pet"], [["mr"]]):
        worker.send(job="check_cases", data=str(manifest), roles=roles, sides=wrong)
        assert "'sides'" in worker.next(*LAST)["message"]


def test_it_registers_two_images(worker, tmp_path):
    fixed = phantom_ct((12, 40, 44))
    moving = phantom_pet(fixed)
    matrix = moving.ijk_to_ras.copy()
    matrix[:3, 3] += (5.0, -4.0, 0.0)
    request = {"job": "register", "output": str(tmp_path / "moved.nii.gz")}
    for name, volume in (("fixed", fixed), ("moving", moving.replace(ijk_to_ras=matrix))):
        file = write_volume(volume, tmp_path / f"{name}.nii.gz")
        request[name] = {"file": str(file), "modality": volume.modality, "unit": volume.unit}
    worker.send(**request)
    done = worker.next(*LAST)
    assert done["event"] == "done" and done["output"] == str(tmp_path / "moved.nii.gz")
    # RAS is LPS with the first two axes reversed.
    assert np.allclose(np.array(done["lps_matrix"])[:3, 3], (-5.0, 4.0, 0.0), atol=1.0)
    assert done["quality"]["after"]["mutual_information"] > done["quality"]["before"]["mutual_information"]
    moved = read_volume(tmp_path / "moved.nii.gz")
    assert moved.same_grid(fixed) and np.abs(moved.voxels - moving.voxels).mean() < 0.1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"moving": {"file": "nothing.nii.gz"}}, "no such file"),
        ({"moving": {}}, "lacks 'file'"),
        ({"output": "/nowhere/moved.nii.gz"}, "does not exist"),
        ({"output": "moved.png"}, "the name must end with"),
    ],
)
def test_images_that_cannot_be_registered_are_told(worker, tmp_path, changes, words):
    file = write_volume(phantom_ct(), tmp_path / "ct.nii.gz")
    request = {"job": "register", "fixed": {"file": str(file)}, "moving": {"file": str(file)}}
    worker.send(**{**request, "output": str(tmp_path / "moved.nii.gz"), **changes})
    assert words in worker.next(*LAST)["message"]
    assert [path.name for path in tmp_path.iterdir()] == ["ct.nii.gz"]


def pet_request(files, volume, folder):
    """Return a request to convert a loaded PET."""
    np.save(folder / "pet.npy", volume.voxels)
    given = {"voxels": str(folder / "pet.npy"), "ijk_to_ras": volume.ijk_to_ras.tolist(), "modality": "PT"}
    return {
        "job": "convert_to_suv", "input": given, "files": [str(file) for file in files],
        "output": str(folder / "suv.npy"),
    }  # fmt: skip


def test_it_converts_a_loaded_pet_and_says_with_what(worker, tmp_path):
    files = write_pet(tmp_path / "series")
    stored, suv = read_volume(tmp_path / "series", unit="Bq/mL"), read_volume(tmp_path / "series", unit="SUVbw")
    worker.send(**pet_request(files, stored, tmp_path))
    told = []
    while (event := worker.next())["event"] not in LAST:
        told += [event["message"]] if event["event"] == "log" else []
    done = event
    assert "Weight: 70 kg" in told and told == describe_suv(done["metadata"]["suv"])
    assert (done["event"], done["unit"], done["from_files"]) == ("done", "SUVbw", True)
    assert done["metadata"]["suv"]["weight_kg"] == 70
    assert np.array_equal(np.load(tmp_path / "suv.npy"), suv.voxels)

    part = stored.replace(voxels=stored.voxels[1:, 2:])
    worker.send(**pet_request(files, part, tmp_path))
    assert worker.next(*LAST)["from_files"] is False
    assert np.allclose(np.load(tmp_path / "suv.npy"), suv.voxels[1:, 2:], rtol=1e-5)


def test_files_that_are_no_single_series_are_not_converted(worker, tmp_path):
    files = write_pet(tmp_path / "series") + write_pet(tmp_path / "other", SeriesInstanceUID="1.2.3.9")
    stored = read_volume(tmp_path / "series", unit="Bq/mL")
    worker.send(**pet_request(files, stored, tmp_path))
    assert "6 files belong to 2 DICOM series" in worker.next(*LAST)["message"]
    worker.send(**pet_request([tmp_path / "gone.dcm"], stored, tmp_path))
    assert "gone.dcm cannot be read" in worker.next(*LAST)["message"]


def test_it_writes_a_derived_series_with_the_provenance_handed_over(worker, tmp_path):
    write_pet(tmp_path / "series")
    suv = read_volume(tmp_path / "series", unit="SUVbw")
    np.save(tmp_path / "pet.npy", suv.voxels)
    given = {
        "voxels": str(tmp_path / "pet.npy"), "ijk_to_ras": suv.ijk_to_ras.tolist(), "modality": "PT", "unit": "SUVbw",
        "metadata": {"synthetic": True, "model": "tiny", "model_version": "1.2.0", "limits": ["No."]},
    }  # fmt: skip
    request = {"job": "write_dicom", "input": given, "folder": str(tmp_path / "out")}
    worker.send(**request, reference=str(tmp_path / "series"))
    assert worker.next(*LAST) == {"event": "done", "folder": str(tmp_path / "out"), "files": 3}
    written = read_volume(tmp_path / "out")
    assert written.is_synthetic and np.allclose(written.voxels, suv.voxels, rtol=1e-3, atol=1e-5)
    assert "tiny" in dcmread(next((tmp_path / "out").iterdir())).SeriesDescription
    worker.send(**request, reference=str(tmp_path / "series"))
    assert "is not empty" in worker.next(*LAST)["message"]


def test_it_builds_a_manifest_from_folders_and_says_what_is_missing(worker, tmp_path):
    for number in range(2):
        (tmp_path / "in" / f"P{number}").mkdir(parents=True)
        for role in ("ct", "pet"):
            (tmp_path / "in" / f"P{number}" / f"{role}.nii.gz").write_bytes(b"")
    request = {"job": "build_pairs", "root": str(tmp_path / "in"), "output": str(tmp_path / "all.csv")}
    worker.send(**request, kind="folders", roles={"ct": "ct.*", "pet": "pet.*"})
    assert worker.next(*LAST) == {"event": "done", "manifest": str(tmp_path / "all.csv"), "cases": 2}
    assert (tmp_path / "all.csv").read_text().splitlines()[1] == "P0,,P0,in/P0/ct.nii.gz,in/P0/pet.nii.gz"
    for kind, roles, words in (
        ("folders", {"mr": "mr.*"}, "No folder below"),
        ("dicom", {"ct": "CT"}, "no usable DICOM study"),
        ("tape", {"ct": "CT"}, "choose folders, data_set, dicom or volumes"),
        ("folders", ["ct"], "'roles'"),
    ):
        worker.send(**request, kind=kind, roles=roles)
        assert words in worker.next(*LAST)["message"]


def test_it_builds_a_manifest_of_a_public_data_set_without_roles(worker, tmp_path):
    for name in ("train/PNEUMONIA/person5_virus_9.jpeg", "test/NORMAL/IM-0001-0001.jpeg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        (tmp_path / "in" / name).write_bytes(b"")
    worker.send(job="build_pairs", kind="data_set", root=str(tmp_path / "in"), output=str(tmp_path / "all.csv"))
    assert worker.next(*LAST) == {"event": "done", "manifest": str(tmp_path / "all.csv"), "cases": 2}
    assert (tmp_path / "all.csv").read_text().splitlines() == [
        "case,split,patient,class,xray",
        "IM-0001-0001,test,test-IM-0001,normal,in/test/NORMAL/IM-0001-0001.jpeg",
        "person5_virus_9,,person5,viral,in/train/PNEUMONIA/person5_virus_9.jpeg",
    ]


def test_folders_of_unpaired_images_may_have_one_of_them(worker, tmp_path):
    for number, names in enumerate((("ct",), ("pet",), ("ct", "pet"))):
        (tmp_path / "in" / f"P{number}").mkdir(parents=True)
        for name in names:
            (tmp_path / "in" / f"P{number}" / f"{name}.nii.gz").write_bytes(b"")
    request = {"job": "build_pairs", "root": str(tmp_path / "in"), "output": str(tmp_path / "all.csv")}
    worker.send(**request, kind="folders", roles={"ct": "ct.*", "pet": "pet.*"})
    assert "has no file matching" in worker.next(*LAST)["message"]
    worker.send(**request, kind="folders", roles={"ct": "ct.*", "pet": "pet.*"}, paired=False)
    assert worker.next(*LAST)["cases"] == 3
    assert (tmp_path / "all.csv").read_text().splitlines() == [
        "case,split,patient,ct,pet",
        "P0,,P0,in/P0/ct.nii.gz,",
        "P1,,P1,,in/P1/pet.nii.gz",
        "P2,,P2,in/P2/ct.nii.gz,in/P2/pet.nii.gz",
    ]
    worker.send(**request, kind="folders", roles={"ct": "ct.*", "pet": "c*.nii.gz"}, paired=False)
    assert "matches both 'ct' and 'pet'" in worker.next(*LAST)["message"]


def test_volumes_that_are_handed_over_become_a_case(worker, tmp_path):
    ct = phantom_ct()
    roles = {}
    for role, volume in (("ct", ct), ("pet", phantom_pet(ct))):
        np.save(tmp_path / f"{role}.npy", volume.voxels)
        about = {"modality": volume.modality, "unit": volume.unit, "ijk_to_ras": volume.ijk_to_ras.tolist()}
        roles[role] = {"voxels": str(tmp_path / f"{role}.npy"), **about}
    (tmp_path / "leg").mkdir()
    worker.send(
        job="build_pairs", kind="volumes", root=str(tmp_path / "leg"), case="leg", patient="A", roles=roles,
        output=str(tmp_path / "all.csv"),
    )  # fmt: skip
    assert worker.next(*LAST) == {"event": "done", "manifest": str(tmp_path / "all.csv"), "cases": 1}
    (case,) = read_manifest(tmp_path / "all.csv", ("ct", "pet"), unsplit=True)
    assert (case.name, case.patient, case.split) == ("leg", "A", "")
    written = read_volume(case.files["ct"])
    assert np.array_equal(written.voxels, ct.voxels) and written.same_grid(ct)
    assert np.array_equal(read_volume(case.files["pet"]).voxels, phantom_pet(ct).voxels)


def test_it_makes_thumbnails_and_passes_over_files_that_cannot_be_read(worker, tmp_path):
    good, damaged = tmp_path / "ct.nii.gz", tmp_path / "damaged.nii.gz"
    write_volume(phantom_ct(), good)
    damaged.write_bytes(b"no image")
    files = (damaged, good, tmp_path / "missing.nii.gz")
    images = [{"file": str(file), "picture": str(tmp_path / "pictures" / f"{file.name}.pgm")} for file in files]
    worker.send(job="thumbnails", images=images)
    assert [worker.next("log", "progress")["event"] for _ in range(5)] == [
        "log",
        "progress",
        "progress",
        "log",
        "progress",
    ]
    made = str(tmp_path / "pictures" / "ct.nii.gz.pgm")
    assert worker.next(*LAST) == {"event": "done", "made": [made]}
    expected = write_thumbnail(good, tmp_path / "expected.pgm").read_bytes()
    assert (tmp_path / "pictures" / "ct.nii.gz.pgm").read_bytes() == expected
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["ct.nii.gz.pgm"]


@pytest.mark.parametrize("images", ["ct.nii.gz", {"file": "a"}, [{"file": "ct.nii.gz"}], ["ct.nii.gz"]])
def test_thumbnails_of_what_is_not_a_list_of_images_are_refused(worker, images):
    worker.send(job="thumbnails", images=images)
    last = worker.next(*LAST)
    assert last["event"] == "error" and "request to the worker" in last["message"]


def test_unpaired_cases_are_checked_image_by_image(worker, tmp_path):
    manifest = write_manifest(tmp_path, ("train", "train", "train", "train", "val", "test"))
    for number in range(6):
        pet = read_volume(tmp_path / f"pet{number}.nii.gz")
        # The place of a training image says nothing where there is no pair; that of another does.
        far = number in (2, 5)
        matrix = pet.ijk_to_ras + (np.eye(4, k=3) * 500 if far else 0)
        changed = pet.replace(voxels=pet.voxels * np.float32(1 + number / 10), ijk_to_ras=matrix)
        write_volume(changed, tmp_path / f"pet{number}.nii.gz")
    lines = manifest.read_text().splitlines()
    lines[1], lines[2], lines[4] = "P0,train,ct0.nii.gz,", "P1,train,,ct4.nii.gz", "P3,train,,"
    manifest.write_text("\n".join(lines) + "\n")
    roles = {"ct": {"modality": "CT", "unit": "HU"}, "pet": {"modality": "PT", "unit": "SUVbw"}}
    worker.send(job="check_cases", data=str(manifest), roles=roles, paired=False)
    cases = worker.next(*LAST)["cases"]
    assert [case["state"] for case in cases] == ["good", "refused", "good", "refused", "good", "refused"]
    assert "Hounsfield" in cases[1]["problems"][0] and cases[3]["problems"] == [
        "The case has none of the images that the training needs; remove it."
    ]
    assert "do not overlap" in cases[5]["problems"][0]
    assert cases[4]["body_dice"] > 0.8 and cases[2]["body_dice"] is None


def test_a_job_is_cancelled_and_the_next_one_is_not(worker, request_of, tmp_path):
    worker.send(**request_of())
    worker.send(job="cancel")
    worker.send(job="describe")
    assert worker.next(*LAST)["event"] == "cancelled"
    assert [path.name for path in tmp_path.iterdir()] == ["ct.npy"]
    assert worker.next(*LAST)["event"] == "done"


def test_a_cancel_stops_a_job_that_runs_and_those_that_wait_behind_it(worker, request_of, tmp_path):
    np.save(tmp_path / "ct.npy", phantom_ct((400, 40, 44)).voxels)
    for _ in range(2):
        worker.send(**request_of())
    while worker.next("progress")["progress"] < 0.06:
        pass
    worker.send(job="cancel")
    assert [worker.next(*LAST)["event"] for _ in range(2)] == ["cancelled", "cancelled"]
    assert not (tmp_path / "pet.npy").exists()


def test_a_cancel_without_a_job_stops_none(worker, request_of):
    worker.send(job="cancel")
    worker.send(**request_of())
    assert worker.next(*LAST)["event"] == "done"


@pytest.mark.slow
def test_a_closed_stdin_ends_it_in_the_middle_of_a_job(request_of, tmp_path):
    np.save(tmp_path / "ct.npy", phantom_ct((2000, 40, 44)).voxels)
    client = Client()
    client.send(**request_of())
    client.next("progress")
    client.process.stdin.close()
    # The job itself would take minutes.
    assert client.process.wait(60) == 0
    assert not (tmp_path / "pet.npy").exists()


NOISY = """
import os, medsynth_core.worker as worker
def noisy(request, progress):
    print("a library prints")
    os.write(1, b"so does one in C\\n")
    os.system("echo and a program that it starts")
    return {"heard": True}
worker.JOBS["noisy"] = noisy
def broken(request, progress):
    raise ZeroDivisionError("by design")
worker.JOBS["broken"] = broken
"""


def test_what_libraries_print_does_not_break_the_protocol():
    client = Client(NOISY)
    client.send(job="noisy")
    assert [client.next() for _ in range(2)] == [
        {"event": "started", "job": "noisy"},
        {"event": "done", "heard": True},
    ]
    client.process.stdin.close()
    printed = client.process.stderr.read().decode()
    assert all(words in printed for words in ("a library prints", "so does one in C", "and a program that it starts"))


@pytest.mark.slow
def test_a_failure_is_reported_with_traceback_and_the_next_job_runs():
    client = Client(NOISY)
    client.send(job="broken")
    assert "Traceback" in client.next("log")["message"]
    told = client.next()
    assert (told["event"], told["kind"]) == ("error", "failure")
    assert told["message"] == "MedSynth failed: ZeroDivisionError: by design"
    client.send(job="describe")
    assert client.next(*LAST)["event"] == "done"
    client.process.stdin.close()
    assert client.process.wait(10) == 0


@pytest.mark.slow
def test_a_run_is_published_with_the_card_that_people_wrote(worker, tmp_path):
    train(tiny_recipe(epochs=1), write_manifest(tmp_path), tmp_path / "run", device="cpu")
    about = {**tiny_recipe().about.model_dump(), "title": "Mine", "limits": ["It knows nothing."]}
    worker.send(job="publish", run=str(tmp_path / "run"), data=None, about=about, device="cpu")
    done = worker.next(*LAST)
    assert done["event"] == "done" and [case["case"] for case in done["cases"]] == ["P3"]
    card = load_model(done["package"]).card
    assert card.title == "Mine" and card.limits == ("It knows nothing.",)
    assert card.metrics["test"]["mae"] == pytest.approx(done["cases"][0]["mae"], abs=1e-4)
    assert (tmp_path / "run" / "test.png").stat().st_size > 10_000 and done["figure"] == str(
        tmp_path / "run" / "test.png"
    )
    worker.send(job="publish", run=str(tmp_path / "run"), about={**about, "limits": []})
    assert "not valid at 'limits'" in worker.next(*LAST)["message"]
    worker.send(job="publish", run=str(tmp_path / "nothing"))
    assert "cannot be read" in worker.next(*LAST)["message"]
