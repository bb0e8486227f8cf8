"""Worker job to publish a training. Training itself runs in `medsynth_core.training.background`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medsynth_core.progress import Progress
from medsynth_core.worker.requests import required


def publish(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Publish a run's best weights; return ``package``, ``cases`` (test scores) and ``figure``.

    ``figure`` shows the first test case; None without a test case or without matplotlib.
    """
    from medsynth_core.recipes.about import parse_about
    from medsynth_core.training.publishing import publish_run

    words = request.get("about")
    published = publish_run(
        Path(required(request, "run")),
        data=request.get("data"),
        about=parse_about(words) if words is not None else None,
        device=request.get("device", "auto"),
        progress=progress,
    )
    cases = [{"case": case, **scores} for case, scores in published.test.items()]
    figure = str(published.figure) if published.figure else None
    return {"package": str(published.package), "cases": cases, "figure": figure}
