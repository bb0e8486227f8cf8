"""A process that does long work for another one: requests come as JSON lines on stdin, events go out on stdout.

Requests::

    {"job": "describe"}
    {"job": "synthesize", "input": VOLUME, "output": FILE.npy, "model": NAME, "device": "auto", "batch_size": null}
    {"job": "convert_to_suv", "input": VOLUME, "files": [FILE.dcm, …], "output": FILE.npy}
    {"job": "write_dicom", "input": VOLUME, "folder": FOLDER, "reference": FOLDER_OR_FILE}
    {"job": "check_cases", "data": MANIFEST.csv, "roles": {ROLE: {"modality": "CT", "unit": "HU"}, …}, "paired": true}
    {"job": "register", "fixed": IMAGE, "moving": IMAGE, "output": FILE.nii.gz, "deformable": false}
    {"job": "build_pairs", "kind": "folders", "root": FOLDER, "roles": {ROLE: "*ct*.nii*", …}, "paired": true,
     "output": MANIFEST.csv}
    {"job": "build_pairs", "kind": "dicom", "root": FOLDER, "roles": {ROLE: "CT", …}, "output": MANIFEST.csv}
    {"job": "build_pairs", "kind": "volumes", "root": FOLDER, "roles": {ROLE: VOLUME, …}, "case": NAME,
     "patient": "", "output": MANIFEST.csv}
    {"job": "publish", "run": FOLDER, "data": null, "about": null, "device": "auto"}
    {"job": "import_model", "package": FOLDER_OR_ZIP}
    {"job": "cancel"}

``VOLUME`` is ``{"voxels": FILE.npy, "ijk_to_ras": [[…], …], "modality": "CT", "unit": "HU", "metadata": {…}}`` (the
last three may be left out) and ``IMAGE`` is ``{"file": FILE.nii.gz, "modality": "CT", "unit": "HU"}``. With ``paired``
false, images need no partner: a folder may have an image of one role only, and cases outside ``val`` and ``test`` are
checked image by image.

Events have a key ``event``: ``started``, ``progress`` (``progress`` in 0…1, ``message``), ``log``, ``done``, ``error``
(``kind``, ``message``, ``hint``) and ``cancelled``. What ``done`` tells is said at the job's function. Voxels travel as
``.npy`` files in (k, j, i) order in a folder of the caller's. One job runs at a time. A closed stdin ends the process
at once, whatever it is doing: when the program that asked is gone, nobody waits for the answer.
"""

from __future__ import annotations

from medsynth_core.worker.serving import JOBS, Worker, main

__all__ = ["JOBS", "Worker", "main"]
