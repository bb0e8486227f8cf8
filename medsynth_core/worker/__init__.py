"""A process that does long work for another one: requests come as JSON lines on stdin, events go out on stdout.

Requests::

    {"job": "describe"}
    {"job": "synthesize", "input": {"voxels": FILE.npy, "ijk_to_ras": [[…], …], "modality": "CT", "unit": "HU"},
     "output": FILE.npy, "model": NAME, "device": "auto", "batch_size": null}
    {"job": "check_cases", "data": MANIFEST.csv, "roles": {ROLE: {"modality": "CT", "unit": "HU"}, …}}
    {"job": "register", "fixed": {"voxels": FILE.npy, …}, "moving": {"voxels": FILE.npy, …}, "output": FILE.npy,
     "deformable": false}
    {"job": "build_pairs", "root": FOLDER, "kind": "folders", "roles": {ROLE: "*ct*.nii*", …}, "output": MANIFEST.csv}
    {"job": "build_pairs", "root": FOLDER, "kind": "dicom", "roles": {ROLE: "CT", …}, "output": MANIFEST.csv}
    {"job": "publish", "run": FOLDER, "data": null, "about": null, "device": "auto"}
    {"job": "import_model", "package": FOLDER_OR_ZIP}
    {"job": "cancel"}

Events have a key ``event``: ``started``, ``progress`` (``progress`` in 0…1, ``message``), ``log``, ``done``, ``error``
(``kind``, ``message``, ``hint``) and ``cancelled``. What ``done`` tells is said at the job's function. Voxels travel as
``.npy`` files in (k, j, i) order in a folder of the caller's. One job runs at a time. A closed stdin ends the process
at once, whatever it is doing: when the program that asked is gone, nobody waits for the answer.
"""

from __future__ import annotations

from medsynth_core.worker.serving import JOBS, Worker, main

__all__ = ["JOBS", "Worker", "main"]
