"""A SLURM of one node on this computer, for as long as it is needed.

Needs root and Debian's packages slurm-wlm and munge, and changes nothing outside a temporary folder.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

PATIENCE_S = 60.0
ENDED = ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "OUT_OF_MEMORY", "NODE_FAIL", "BOOT_FAIL", "DEADLINE")
CONFIGURATION = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=bf_interval=5,sched_interval=5
JobRequeue=1
KillWait=5
MpiDefault=none
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def one_node(cpus: int) -> Iterator[Path]:
    """Start a SLURM of one node, to which SLURM_CONF leads, and yield its folder; it ends with the block.

    Args:
        cpus: CPUs that the node says it has, however many there are.

    Raises:
        RuntimeError: the node does not become idle.
    """
    folder = Path(tempfile.mkdtemp(prefix="medsynth-slurm-"))
    for name in ("state", "spool"):
        (folder / name).mkdir()
    host = socket.gethostname().split(".")[0]
    (folder / "slurm.conf").write_text(
        CONFIGURATION.format(host=host, folder=folder, cpus=cpus, memory=psutil.virtual_memory().total // 2**20)
    )
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    own = {name: f"{folder}/munge.{name}" for name in ("socket", "pid", "log", "seed")}
    munge = ["munged", "--foreground", "--force", f"--socket={own['socket']}", f"--key-file={folder}/munge.key",
             f"--pid-file={own['pid']}", f"--log-file={own['log']}", f"--seed-file={own['seed']}"]  # fmt: skip
    processes = []
    try:
        for command in (munge, ["slurmctld", "-D"], ["slurmd", "-D"]):
            found = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin")
            if found is None:
                raise RuntimeError(f"{command[0]} is not installed; as root: apt-get install slurm-wlm munge")
            log = (folder / f"{command[0]}.out").open("w")
            processes.append(subprocess.Popen([found, *command[1:]], stdout=log, stderr=subprocess.STDOUT))
            time.sleep(1)
        _wait_for_node()
        yield folder
    finally:
        if len(processes) == 3:
            subprocess.run(["scancel", "--user=root", "--signal=KILL", "--full"], check=False, timeout=30)
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait()
        os.environ.pop("SLURM_CONF")
        if before is not None:
            os.environ["SLURM_CONF"] = before
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_node() -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        done = subprocess.run(["sinfo", "--noheader", "--format=%T"], capture_output=True, text=True, check=False)
        if done.stdout.strip() == "idle":
            return
        time.sleep(1)
    raise RuntimeError(f"The node is not idle after {PATIENCE_S:.0f} s: {done.stdout}{done.stderr}")


def submit(script: Path, *arguments: str, folder: Path, options: tuple[str, ...] = ()) -> str:
    """Submit a script as a job whose log lies in a folder, and return the number of the job."""
    command = ["sbatch", "--parsable", f"--chdir={folder}", *options, str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def wait_for(job: str, patience_s: float) -> str:
    """Wait until a job, and all of its array, has ended; return its restarts and states as SLURM states them.

    Raises:
        RuntimeError: it has not ended in time.
    """
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        done = subprocess.run(
            ["scontrol", "show", "job", "--oneliner", job], capture_output=True, text=True, check=False
        )
        fields = [dict(part.split("=", 1) for part in line.split() if "=" in part) for line in done.stdout.splitlines()]
        if fields and all(line["JobState"] in ENDED for line in fields):
            return ", ".join(f"{line['JobState']} after {line['Restarts']} restarts" for line in fields)
        time.sleep(2)
    raise RuntimeError(f"Job {job} has not ended after {patience_s:.0f} s:\n{done.stdout}")
