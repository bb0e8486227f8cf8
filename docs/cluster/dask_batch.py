"""A batch on workers that Dask starts as jobs of SLURM: python dask_batch.py STUDIES RESULTS MODEL.

For PBS and LSF take PBSCluster or LSFCluster in place of SLURMCluster. Needs pip install dask-jobqueue.
"""

import os
import sys

from dask_jobqueue import SLURMCluster
from distributed import Client

import medsynth_core as ms

WORKERS = 4


def main() -> None:
    """Start the workers, run the batch, and print what became of it."""
    studies, results, model = sys.argv[1:]
    cluster = SLURMCluster(
        cores=1,
        processes=1,
        memory=os.environ.get("WORKER_MEMORY", "4GB"),
        walltime="04:00:00",
        job_script_prologue=["export OMP_NUM_THREADS=1"],
    )
    with cluster:
        # Workers whose job has ended are replaced.
        cluster.adapt(minimum_jobs=WORKERS, maximum_jobs=WORKERS)
        with Client(cluster) as client:
            client.wait_for_workers(1)  # however long the queue is
        found = ms.batch(studies, results, model, scheduler=cluster.scheduler_address)
    print(f"{len(found.made)} made, {len(found.there)} there already, {len(found.failed)} failed")


if __name__ == "__main__":
    main()
