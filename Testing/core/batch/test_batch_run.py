"""A batch makes each study whole or not at all, lists what fails, and goes on where it stopped."""

import csv
import errno
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from batch_helpers import TRUNCATED, content, names, truncate, write_studies
from builders import phantom_ct

from medsynth_core import Cancelled, MedSynthError, batch, load_model, read_volume, synthesize, write_volume
from medsynth_core.batches.study_folder import StudyFolder
from medsynth_core.batches.study_steps import StudySteps
from medsynth_core.inference import loaded_model
from medsynth_core.inference.loaded_model import LoadedModel
from medsynth_core.models.package import Model

PAIR = ["P1/P1_pet.json", "P1/P1_pet.nii.gz"]


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return LoadedModel.load("ct-to-pet")


@pytest.fixture
def studies(tmp_path) -> Path:
    return write_studies(tmp_path / "in")


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


def failures(out: Path) -> dict[str, str]:
    with (out / "failures.csv").open(newline="", encoding="utf-8") as file:
        return {row["case"]: row["message"] for row in csv.DictReader(file)}


def test_results_are_those_of_each_study_alone(studies, out, loaded):
    found = batch(studies, out, loaded, device="cpu")
    assert (found.made, found.there, found.failed) == (["P1", "P2", "P3"], [], {})
    for name in found.made:
        result = read_volume(out / name / f"{name}_pet.nii.gz")
        alone = synthesize(read_volume(studies / f"{name}.nii.gz", modality="CT", unit="HU"), loaded, device="cpu")
        assert np.array_equal(result.voxels, alone.voxels) and result.unit == "SUVbw" and result.is_synthetic
        assert np.array_equal(result.ijk_to_ras, read_volume(studies / f"{name}.nii.gz").ijk_to_ras)
        stated = json.loads((out / name / f"{name}_pet.json").read_text())
        assert stated["batch"]["model_identity"] == loaded.model.identity and stated["seconds"] > 0
    assert len(names(out)) == 6 and not (out / "failures.csv").exists() and not list(out.glob(".*"))


def test_broken_studies_are_listed_and_the_others_are_made(studies, out, loaded):
    truncate(studies / "P1.nii.gz")
    (studies / "P4.nrrd").write_text("no image")
    flat = phantom_ct().voxels[:1, :1, :2]
    write_volume(phantom_ct().replace(voxels=flat), studies / "P5.nii.gz")
    found = batch(studies, out, loaded, device="cpu")
    assert found.made == ["P2", "P3"] and set(found.failed) == {"P1", "P4", "P5"}
    assert failures(out) == found.failed and TRUNCATED in found.failed["P1"]
    assert all(message.endswith(".") and "Traceback" not in message for message in found.failed.values())
    assert {Path(name).parts[0] for name in names(out)} == {"P2", "P3"}


def test_a_second_run_makes_what_is_missing_and_nothing_twice(studies, out, loaded):
    broken = (studies / "P1.nii.gz").read_bytes()
    truncate(studies / "P1.nii.gz")
    assert list(batch(studies, out, loaded, device="cpu").failed) == ["P1"]
    before = content(out)
    (studies / "P1.nii.gz").write_bytes(broken)
    found = batch(studies, out, loaded, device="cpu")
    assert (found.made, found.there, found.failed) == (["P1"], ["P2", "P3"], {})
    assert not (out / "failures.csv").exists()
    after = content(out)
    assert all(after[name] == before[name] for name in names(out) if not name.startswith("P1"))
    (out / "P2" / "P2_pet.nii.gz").unlink()
    assert batch(studies, out, loaded, device="cpu").made == ["P2"]


def test_results_of_other_content_are_made_again_and_a_touched_file_is_not_other(studies, out, loaded):
    batch(studies, out, loaded, device="cpu")
    (studies / "P1.nii.gz").touch()
    assert batch(studies, out, loaded, device="cpu").made == []
    write_volume(phantom_ct(seed=9), studies / "P1.nii.gz")
    assert batch(studies, out, loaded, device="cpu").made == ["P1"]
    expected = synthesize(phantom_ct(seed=9), loaded, device="cpu").voxels
    assert np.array_equal(read_volume(out / "P1" / "P1_pet.nii.gz").voxels, expected)


def test_a_statement_beside_an_input_counts_as_its_content(studies, out, loaded):
    batch(studies, out, loaded, device="cpu")
    stated = {"modality": "CT", "unit": "HU", "medsynth_version": "1", "image_file": "P1.nii.gz"}
    (studies / "P1.json").write_text(json.dumps(stated))
    assert batch(studies, out, loaded, device="cpu").made == ["P1"]


def test_files_of_the_user_beside_results_stay(studies, out, loaded):
    batch(studies, out, loaded, device="cpu")
    (out / "P1" / "note.txt").write_text("mine")
    assert batch(studies, out, loaded, device="cpu").there == ["P1", "P2", "P3"]
    write_volume(phantom_ct(seed=9), studies / "P1.nii.gz")
    found = batch(studies, out, loaded, device="cpu")
    assert "'note.txt'" in found.failed["P1"] and (out / "P1" / "note.txt").read_text() == "mine"
    (out / "P4").mkdir()
    (out / "P4" / "other.txt").write_text("mine")
    write_studies(studies, "P4")
    assert "not results of this study" in batch(studies, out, loaded, device="cpu").failed["P4"]


def test_a_folder_has_results_of_one_model(studies, out, loaded, tmp_path):
    batch(studies, out, loaded, device="cpu")
    before = content(out)
    card = loaded.model.card
    contract = card.contract.model_copy(update={"body_margin": card.contract.body_margin + 1})
    metadata = loaded.model.metadata.model_copy(
        update={"medsynth": card.model_copy(update={"contract": contract}), "version": "9.9.9"}
    )
    other = LoadedModel(Model(loaded.model.path, metadata), loaded.network)
    with pytest.raises(MedSynthError, match=r"has results made by 'ct-to-pet' .* not by 'ct-to-pet' 9\.9\.9"):
        batch(studies, out, other, device="cpu")
    assert content(out) == before
    record = json.loads((out / "batch.json").read_text())
    (out / "batch.json").write_text(json.dumps({**record, "model_identity": other.model.identity}))
    assert "results of another model or version" in batch(studies, out, other, device="cpu").failed["P1"]


def test_other_settings_make_the_results_again(studies, out, loaded):
    from medsynth_core.batches.settings import BatchSettings

    batch(studies, out, loaded, device="cpu")
    settings = BatchSettings("{model}-{case}", ".nrrd", uncertainty=True, report=True)
    assert batch(studies, out, loaded, settings=settings, device="cpu").made == ["P1", "P2", "P3"]
    assert [name for name in names(out) if name.startswith("P1")] == [
        "P1/ct-to-pet-P1.json",
        "P1/ct-to-pet-P1.nrrd",
        "P1/ct-to-pet-P1_error.json",
        "P1/ct-to-pet-P1_error.nrrd",
        "P1/figure.png",
        "P1/provenance.json",
    ]
    assert read_volume(out / "P1" / "ct-to-pet-P1_error.nrrd").is_error_map
    assert batch(studies, out, loaded, settings=settings, device="cpu").made == []


def test_a_full_disk_stops_the_batch_and_leaves_whole_studies(studies, out, loaded, monkeypatch):
    write, calls = StudyFolder.write, []

    def full(self, *given):
        calls.append(self.study.name)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, *given)

    monkeypatch.setattr(StudyFolder, "write", full)
    with pytest.raises(MedSynthError, match="The disk is full; free some space"):
        batch(studies, out, loaded, device="cpu")
    assert names(out) == PAIR
    monkeypatch.undo()
    assert batch(studies, out, loaded, device="cpu").made == ["P2", "P3"]


def test_cancelling_leaves_whole_studies(studies, out, loaded):
    def stop(fraction: float, message: str) -> None:
        if message.startswith("Study 3"):
            raise Cancelled

    with pytest.raises(Cancelled):
        batch(studies, out, loaded, device="cpu", progress=stop)
    assert set(names(out)) <= {*PAIR, "P2/P2_pet.json", "P2/P2_pet.nii.gz"} and not list(out.glob(".*"))
    assert not any(thread.name.startswith("medsynth-") for thread in threading.enumerate())
    assert len(batch(studies, out, loaded, device="cpu").made) >= 1
    assert len(names(out)) == 6


def test_a_failure_that_nobody_expected_is_of_its_study_alone(studies, out, loaded, monkeypatch):
    make = loaded_model.create_predictor
    calls = []

    def odd(*given):
        calls.append(given)
        if len(calls) == 3:  # the first call only checks the options
            raise ZeroDivisionError("odd")
        return make(*given)

    monkeypatch.setattr(loaded_model, "create_predictor", odd)
    found = batch(studies, out, loaded, device="cpu")
    assert found.made == ["P1", "P3"] and "ZeroDivisionError: odd" in found.failed["P2"]


def test_a_wrong_option_is_refused_before_any_study(studies, out, loaded):
    for wrong, words in (({"device": "tpu"}, "no device 'tpu'"), ({"batch_size": 0}, "must be at least 1")):
        with pytest.raises(MedSynthError, match=words):
            batch(studies, out, loaded, **wrong)
    assert names(out) == []


def test_a_study_is_read_while_the_network_runs(studies, out, loaded, monkeypatch):
    begun = {f"P{number}": threading.Event() for number in (1, 2, 3)}
    read, predict = StudySteps.read, StudySteps.predict

    def note(self, study, progress):
        begun[study.name].set()
        return read(self, study, progress)

    def wait(self, job, progress):
        if job.folder.study.name == "P1":
            assert begun["P2"].wait(60), "P2 is read only after the network has run over P1"
        return predict(self, job, progress)

    monkeypatch.setattr(StudySteps, "read", note)
    monkeypatch.setattr(StudySteps, "predict", wait)
    assert batch(studies, out, loaded, device="cpu").failed == {}


def test_parts_share_a_folder_and_its_list_of_failures(tmp_path, out, loaded):
    studies = write_studies(tmp_path / "in", "P1 P2 P3 P4 P5")
    truncate(studies / "P2.nii.gz")
    truncate(studies / "P3.nii.gz")
    second = batch(studies, out, loaded, part="2/2", device="cpu")
    assert (second.made, list(second.failed)) == (["P4"], ["P2"])
    first = batch(studies, out, loaded, part="1/2", device="cpu")
    assert (first.made, list(first.failed)) == (["P1", "P5"], ["P3"])
    assert set(failures(out)) == {"P2", "P3"}
    write_studies(studies, "P1 P2")
    # Only P2 has other content than before; P1 is the same phantom.
    assert batch(studies, out, loaded, part="2/2", device="cpu").made == ["P2"]
    assert set(failures(out)) == {"P3"}


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_parts_that_do_not_exist_are_refused(studies, out, loaded, part):
    with pytest.raises(MedSynthError, match="NUMBER/COUNT"):
        batch(studies, out, loaded, part=part, device="cpu")


def test_two_processes_do_not_work_on_the_same_part(studies, out, loaded):
    from medsynth_core.batches.part import Part
    from medsynth_core.batches.run_record import locked

    out.mkdir()
    lock = locked(out, Part())
    try:
        with pytest.raises(MedSynthError, match="Another process is working on the batch"):
            batch(studies, out, loaded, device="cpu")
    finally:
        lock.release()


def test_results_are_compared_with_real_images(studies, out, loaded, tmp_path):
    from builders import phantom_pet

    from medsynth_core import evaluate

    for number in (1, 2):
        write_volume(phantom_pet(phantom_ct(seed=number - 1)), tmp_path / f"pet{number}.nii.gz")
    rows = ["case,ct,real", "A,in/P1.nii.gz,pet1.nii.gz", "B,in/P2.nii.gz,pet2.nii.gz", "C,in/P3.nii.gz,"]
    (tmp_path / "cases.csv").write_text("\n".join(rows))
    assert batch(tmp_path / "cases.csv", out, loaded, reference="real", device="cpu").made == ["A", "B", "C"]
    with (out / "metrics.csv").open(newline="") as file:
        table = {row["case"]: row for row in csv.DictReader(file)}
    result = read_volume(out / "A" / "A_pet.nii.gz")
    real = read_volume(tmp_path / "pet1.nii.gz", modality="PT", unit="SUVbw")
    assert float(table["A"]["mae"]) == pytest.approx(evaluate(result, real).metrics["mae"])
    assert set(table) == {"A", "B"}


def test_the_model_is_read_once(studies, out, monkeypatch):
    read, count = Model.network, []
    monkeypatch.setattr(Model, "network", lambda self: count.append(self) or read(self))
    batch(studies, out, load_model("ct-to-pet"), device="cpu")
    assert len(count) == 1


def test_parts_of_another_number_do_not_work_on_the_same_studies(studies, out, loaded):
    from medsynth_core.batches.part import Part
    from medsynth_core.batches.run_record import locked

    out.mkdir()
    lock = locked(out, Part(1, 2))
    try:
        with pytest.raises(MedSynthError, match="in another number of parts"):
            batch(studies, out, loaded, device="cpu")
        assert batch(studies, out, loaded, part="2/2", device="cpu").made == ["P2"]
    finally:
        lock.release(remove=True)
    assert batch(studies, out, loaded, device="cpu").made == ["P1", "P3"] and not list(out.glob("batch-*.lock"))


def test_what_a_killed_process_left_of_another_study_stays(out):
    from medsynth_core.batches.run_record import remove_unfinished
    from medsynth_core.io.atomic import _beside

    out.mkdir()
    ends = "_CT_Thorax" + "x" * 80
    folders = {name: _beside(out / f"{name}{ends}") for name in ("P1", "P2")}
    for folder in folders.values():
        folder.mkdir()
    remove_unfinished(out, [f"P1{ends}"])
    assert not folders["P1"].exists() and folders["P2"].exists()


def test_jobs_of_an_array_take_their_parts(monkeypatch):
    from medsynth_core.batches.part import Part

    assert Part.of_environment() == Part(1, 1)
    for numbers, part in (("3 1 4 4", Part(3, 4)), ("0 0 3 4", Part(1, 4))):
        _array(monkeypatch, numbers)
        assert Part.of_environment() == part
    _array(monkeypatch, "3 1 4 2")
    with pytest.raises(MedSynthError, match="leaves out numbers from 1 to 4"):
        Part.of_environment()
    # A job that is submitted again alone, which would take all studies.
    _array(monkeypatch, "3 3 3 1")
    with pytest.raises(MedSynthError, match="begin with 3"):
        Part.of_environment()


def _array(monkeypatch, numbers: str) -> None:
    for name, value in zip(("ID", "MIN", "MAX", "COUNT"), numbers.split(), strict=True):
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
