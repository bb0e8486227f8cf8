"""Batches on several processes, through Dask: what dies is done again, and what does not fit is said."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from batch_helpers import content, names, truncate, write_studies

from medsynth_core import MedSynthError, Progress, batch
from medsynth_core.batches import cluster
from medsynth_core.batches.settings import BatchSettings
from medsynth_core.batches.study import Study
from medsynth_core.batches.study_steps import StudySteps
from medsynth_core.inference.loaded_model import LoadedModel

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def here():
    """Return the address of a cluster whose only worker is a thread of this process."""
    options = {"processes": False, "n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as local:
        yield local.scheduler_address


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return LoadedModel.load("ct-to-pet")


def test_workers_of_a_scheduler_make_the_same_results(tmp_path, here, loaded):
    studies = write_studies(tmp_path / "in", "P1 P2 P3 P4")
    truncate(studies / "P2.nii.gz")
    log: list[str] = []
    found = batch(studies, tmp_path / "out", loaded, scheduler=here, device="cpu", progress=Progress(log=log.append))
    assert (found.made, list(found.failed)) == (["P1", "P3", "P4"], ["P2"])
    assert any(line.startswith("P3: The volume states no unit") for line in log)
    batch(studies, tmp_path / "alone", loaded, device="cpu")
    for name in names(tmp_path / "out"):
        if name.endswith(".nii.gz"):
            assert content(tmp_path / "out")[name][0] == content(tmp_path / "alone")[name][0]
    again = batch(studies, tmp_path / "out", loaded, scheduler=here, device="cpu")
    assert (again.made, again.there) == ([], ["P1", "P3", "P4"])


@pytest.mark.slow
def test_a_process_that_is_killed_has_its_studies_done_by_another(tmp_path, loaded):
    studies, out = write_studies(tmp_path / "in", " ".join(f"P{n}" for n in range(8))), tmp_path / "out"
    killed: list[int] = []

    def kill_one() -> None:
        """Kill a worker process as soon as it has written the first result."""
        while not list(out.glob("[!.]*/*.nii.gz")):
            time.sleep(0.02)
        for worker in _workers(os.getpid())[:1]:
            killed.append(worker)
            os.kill(worker, signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    found = batch(studies, out, loaded, processes=2, device="cpu")
    killer.join(60)
    assert killed and found.failed == {} and len(found.made) + len(found.there) == 8
    assert len(names(out)) == 16 and not list(out.glob(".*"))


@pytest.mark.slow
def test_a_script_that_every_process_would_run_again_is_told_so(tmp_path):
    script = tmp_path / "script.py"
    call = f"ms.batch({str(write_studies(tmp_path / 'in'))!r}, {str(tmp_path / 'out')!r}, processes=2, device='cpu')"
    script.write_text(f"import medsynth_core as ms\n{call}\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert "call the batch only under 'if __name__ == \"__main__\":'" in done.stderr.splitlines()[-1]
    assert not [path for path in (tmp_path / "out").iterdir() if path.is_dir()]


def _workers(parent: int) -> list[int]:
    """Return the processes that Dask's nannies have started below a process."""
    import psutil

    children = psutil.Process(parent).children(recursive=True)
    return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]


def test_a_study_that_ends_every_process_is_a_failure(tmp_path, loaded):
    from medsynth_core.batches.cluster_queue import ClusterQueue, Order

    class Dead:
        def result(self):
            raise distributed.KilledWorker("work", None, 3)

    ended: list[object] = []
    steps = StudySteps(loaded, tmp_path, BatchSettings())
    ClusterQueue(None, Order.of(steps))._end(Dead(), Study("P1"), ended.append, Progress())
    assert ended[0].state == "failed" and "more memory than there is" in ended[0].message


def test_a_scheduler_that_cannot_be_reached(tmp_path, loaded, monkeypatch):
    monkeypatch.setattr(cluster, "_PATIENCE_S", 1)
    for scheduler in ("tcp://127.0.0.1:9", "nonsense", str(tmp_path / "none.json")):
        with pytest.raises(MedSynthError, match=f"scheduler .*{scheduler[-6:]} cannot be reached"):
            batch(write_studies(tmp_path / "in"), tmp_path / "out", loaded, scheduler=scheduler, device="cpu")


def test_workers_of_another_version(tmp_path, here, loaded, monkeypatch):
    monkeypatch.setattr(cluster, "__version__", "0.0.1")
    with pytest.raises(MedSynthError, match=r"The worker .* has MedSynth .*, and this computer MedSynth 0\.0\.1"):
        batch(write_studies(tmp_path / "in"), tmp_path / "out", loaded, scheduler=here, device="cpu")


def test_a_folder_that_a_worker_does_not_see(tmp_path, here, loaded):
    from medsynth_core.batches.cluster_queue import ClusterQueue, Order

    steps = StudySteps(loaded, tmp_path / "elsewhere", BatchSettings())
    with cluster.connected(scheduler=here) as client, pytest.raises(MedSynthError, match="does not see .*elsewhere"):
        ClusterQueue(client, Order.of(steps)).run([Study("P1")], print, Progress())


def test_workers_that_end_while_they_are_asked_are_passed_over():
    class Dying:
        answers: list[object] = [OSError("the stream is closed")]

        def run(self, *_, on_error):
            assert on_error == "return"
            if isinstance(self.answers[0], dict):
                return self.answers[0]
            raise self.answers[0]

    assert cluster.ask_all(Dying(), len) == {}
    Dying.answers = [{"a": OSError("the stream is closed"), "b": "0.1.0", "c": ImportError("medsynth_core")}]
    assert list(cluster.ask_all(Dying(), len)) == ["b", "c"]


def test_a_worker_with_another_model_of_that_name(tmp_path, loaded):
    from dataclasses import replace

    from medsynth_core.batches.cluster_queue import Order, work

    order = replace(Order.of(StudySteps(loaded, tmp_path, BatchSettings())), identity="other")
    # Another disk than that of the batch, whose record is missing.
    with pytest.raises(MedSynthError, match="A worker does not see"):
        work(order, Study("P1"))
    (tmp_path / "batch.json").write_text("{}")
    with pytest.raises(MedSynthError, match="has changed since the batch began"):
        work(order, Study("P1"))


def test_wrong_numbers_and_a_missing_package_are_said(tmp_path, loaded, monkeypatch):
    studies = write_studies(tmp_path / "in", "P1")
    with pytest.raises(MedSynthError, match="must be at least 1"):
        batch(studies, tmp_path / "out", loaded, processes=0)
    with pytest.raises(MedSynthError, match="has processes of its own"):
        batch(studies, tmp_path / "out", loaded, processes=2, scheduler="tcp://a:1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MedSynthError, match=r"pip install 'medsynth-core\[scale\]'"):
        batch(studies, tmp_path / "out", loaded, processes=2, device="cpu")
    assert not [path for path in Path(tmp_path / "out").glob("[!.]*") if path.is_dir()]
