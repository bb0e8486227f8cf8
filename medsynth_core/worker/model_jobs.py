"""Jobs around the library of models."""

from __future__ import annotations

from typing import Any

from medsynth_core.progress import Progress
from medsynth_core.worker.handing_over import required


def import_model(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Copy a package into the user's library after verifying it; tell the model's ``name`` and its ``path`` there."""
    from medsynth_core.models.library import import_model as run

    model = run(required(request, "package"))
    return {"name": model.name, "path": str(model.path)}
