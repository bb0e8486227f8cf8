"""Worker process for long jobs: requests are JSON lines on stdin, events JSON lines on stdout.

Requests::

    {"job": "describe"}
    {"job": "synthesize", "input": VOLUME, "output": FILE.npy, "model": NAME, "device": "auto", "batch_size": null,
     "inputs": {ROLE: VOLUME, …}}
    {"job": "extract_structure", "input": VOLUME, "output": FILE.npy, "preset": "", "settings": {"alpha": 0.1, …},
     "lesion": null, "solid": false}
    {"job": "generate", "model": NAME, "output": FOLDER, "count": 1, "slices": 1, "seed": null, "filtered": true,
     "input": null, "lesion": null, "preset": null, "settings": {}, "class_name": null,
     "device": "auto"}
    {"job": "convert_to_suv", "input": VOLUME, "files": [FILE.dcm, …], "output": FILE.npy}
    {"job": "write_dicom", "input": VOLUME, "folder": FOLDER, "reference": FOLDER_OR_FILE}
    {"job": "check_cases", "data": MANIFEST.csv, "roles": {ROLE: {"modality": "CT", "unit": "HU"}, …}, "paired": true,
     "optional": [ROLE, …], "simulated": false, "sides": [[ROLE, …], …], "classes": []}
    {"job": "check_cases", "data": MANIFEST.csv, "recipe": FILE_OR_PRESET}
    {"job": "register", "fixed": IMAGE, "moving": IMAGE, "output": FILE.nii.gz, "deformable": false}
    {"job": "build_pairs", "kind": "folders", "root": FOLDER, "roles": {ROLE: "*ct*.nii*", …}, "paired": true,
     "output": MANIFEST.csv}
    {"job": "build_pairs", "kind": "dicom", "root": FOLDER, "roles": {ROLE: "CT", …}, "output": MANIFEST.csv}
    {"job": "build_pairs", "kind": "volumes", "root": FOLDER, "roles": {ROLE: VOLUME, …}, "case": NAME,
     "patient": "", "output": MANIFEST.csv}
    {"job": "thumbnails", "images": [{"file": IMAGE_FILE, "picture": FILE.pgm}, …]}
    {"job": "publish", "run": FOLDER, "data": null, "about": null, "device": "auto"}
    {"job": "import_model", "package": FOLDER_OR_ZIP, "name": ""}
    {"job": "cancel"}

``VOLUME`` is ``{"voxels": FILE.npy, "ijk_to_ras": [[…], …], "modality": "CT", "unit": "HU", "metadata": {…}}`` (the
last three are optional), and ``IMAGE`` is ``{"file": FILE.nii.gz, "modality": "CT", "unit": "HU"}``. With ``paired``
false, a folder may contain an image of one role only, and cases outside ``val`` and ``test`` are checked image by
image. ``optional`` lists roles that may be missing in a case; ``simulated`` means that the network's inputs are
simulated from the image of the first role. ``sides`` lists groups of roles, usually the inputs and the outputs, of
which a case checked image by image needs at least one, and none in part. ``classes`` lists the classes of the cases. A
role may also have the keys ``pictures`` and ``colours`` (true or false) and ``channel``, as
`medsynth_core.systems.data_needs.Role`. A ``recipe`` defines all of these.

Without an ``input`` volume images are generated from noise; without a ``seed`` from a new one each time. ``preset`` and
``settings`` are those of the structure map of the input, null and empty for those of the training. ``class_name`` is
one of the classes of a model that has some, null for all of them in turn.

Events have a key ``event``: ``started``, ``progress`` (``progress`` in 0…1, ``message``), ``log``, ``done``, ``error``
(``kind``, ``message``, ``hint``) and ``cancelled``. The keys of ``done`` are documented at the job's function. Voxels
are exchanged as ``.npy`` files in (k, j, i) order in a folder of the caller. One job runs at a time. The process ends
immediately when stdin is closed, because the calling program has then ended. Between jobs it waits for the next one,
with ``--keep SECONDS`` no longer than that, and ends as soon as less than a tenth of the main memory is free.
"""

from __future__ import annotations

from medsynth_core.worker.server import JOBS, Worker, main

__all__ = ["JOBS", "Worker", "main"]
