"""The worker job that generates images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth_core.progress import Progress
from medsynth_core.worker.requests import received, required, save

if TYPE_CHECKING:
    from medsynth_core.generation.case import GeneratedCase
    from medsynth_core.generation.order import Order


def generate(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Generate cases, and write their voxels into the folder ``output``.

    Return the name of the ``model``, the ``seed``, and the ``cases``. Each has its ``ijk_to_ras``, the
    ``lesion_centre`` in RAS, and ``volumes`` by name: file, modality, unit and metadata. The volume ``structure`` is 1
    on lines and 2 on the background; ``lesion`` is missing from a case without one. A case that is drawn from noise
    alone has neither. With classes, the metadata state the ``class``. Models that draw in colour are refused.
    """
    from medsynth_core.generation.generator import Generator
    from medsynth_core.generation.in_memory import generate_cases
    from medsynth_core.io.atomic import make_folder

    output, order = Path(required(request, "output")), _order(request)
    progress(0.0, "Loading the model")
    generator = Generator.load(required(request, "model"), request.get("device") or "auto")
    make_folder(output)
    cases = [
        _saved(case, output / f"case-{number}")
        for number, case in enumerate(generate_cases(generator, order, progress.part(0.05, 1.0)), start=1)
    ]
    return {"model": generator.model.name, "seed": order.seed, "cases": cases}


def _order(request: dict[str, Any]) -> Order:
    from medsynth_core.generation.order import Order, new_seed
    from medsynth_core.structure.settings import settings_for

    source, lesion, seed = request.get("input"), request.get("lesion"), request.get("seed")
    preset, values = request.get("preset"), request.get("settings")
    return Order(
        count=required(request, "count"),
        seed=new_seed() if seed is None else seed,
        slices=1 if request.get("slices") is None else request["slices"],
        filtered=request.get("filtered") is not False,
        source=received(source) if source else None,
        lesion=received(lesion) if lesion else None,
        structure=None if preset is None and not values else settings_for(preset or "", values),
        class_name=request.get("class_name") or None,
    )


def _saved(case: GeneratedCase, stem: Path) -> dict[str, Any]:
    from medsynth_core.structure.volume_maps import structure_labels

    volumes = dict(case.images)
    if case.masks:
        volumes = {"structure": structure_labels(case.masks["structure"], case.masks["background"]), **volumes}
    if case.lesion_centre is not None:
        volumes["lesion"] = case.masks["lesion"]
    found = {}
    for name, volume in volumes.items():
        file = stem.with_name(f"{stem.name}-{name}.npy")
        save(volume.voxels, file)
        described = {"modality": volume.modality, "unit": volume.unit, "metadata": volume.metadata}
        found[name] = {"voxels": str(file), **described}
    return {"ijk_to_ras": case.first.ijk_to_ras.tolist(), "lesion_centre": case.lesion_centre, "volumes": found}
