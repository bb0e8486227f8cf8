"""Worker jobs for many studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medsynth_core.errors import MedSynthError
from medsynth_core.progress import Progress
from medsynth_core.worker.requests import required


def batch(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Synthesize the studies of a folder or manifest (``data``), or in DICOM ``files``, into the folder ``output``.

    ``settings`` are those of `BatchSettings` by name. Return the folder, the names of the studies that were made and
    that were there, and the sentence on each that failed.
    """
    from medsynth_core.batches.run import batch as run
    from medsynth_core.batches.settings import BatchSettings
    from medsynth_core.inference.kept_model import kept_model

    files = request.get("files")
    inputs = Path(required(request, "data")) if files is None else [Path(file) for file in files]
    try:
        settings = BatchSettings(**(request.get("settings") or {}))
    except TypeError as error:
        raise MedSynthError(f"In the request to the worker, 'settings' cannot be used: {error}.") from error
    found = run(
        inputs,
        Path(required(request, "output")),
        kept_model(required(request, "model")),
        settings=settings,
        device=request.get("device") or "auto",
        batch_size=request.get("batch_size"),
        progress=progress,
    )
    return {"folder": str(found.folder), "made": found.made, "there": found.there, "failed": found.failed}
