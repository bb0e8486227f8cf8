"""Synthesis from image files to image files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medsynth_core.errors import MedSynthError
from medsynth_core.inference.model_input import read_input
from medsynth_core.inference.run_report import report_place, write_report
from medsynth_core.inference.synthesis import synthesize_all
from medsynth_core.io.sidecar import split_suffix
from medsynth_core.io.writing import check_distinct, check_output, write_labelled
from medsynth_core.models.package import Model
from medsynth_core.progress import Progress
from medsynth_core.volume import Volume


@dataclass(frozen=True)
class SynthesisFiles:
    """Input and output files of a synthesis.

    Attributes:
        input: image file or DICOM folder of the model's first input.
        output: image file to write. A model with several outputs writes ``NAME_ROLE.SUFFIX`` for each.
        others: files or folders of further inputs, by role.
        unit: unit of the first input if its file does not state it; "" assumes the model's unit.
        uncertainty: image file for the usual error at each voxel's value; None for none.
        report: folder for provenance (JSON) and a figure (PNG); None for none.
    """

    input: Path
    output: Path
    others: Mapping[str, Path] = field(default_factory=dict)
    unit: str = ""
    uncertainty: Path | None = None
    report: Path | None = None

    def outputs(self, model: Model) -> dict[str, Path]:
        """Return the output files of a model by role."""
        roles = list(model.synthesis.contract.outputs)
        if len(roles) == 1:
            return {roles[0]: self.output}
        stem, suffix = split_suffix(self.output)
        return {role: self.output.with_name(f"{stem}_{role}{suffix}") for role in roles}


def synthesize_files(
    files: SynthesisFiles,
    model: Model,
    *,
    device: str = "auto",
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Volume]:
    """Read inputs, synthesize, and write each result with its provenance; return the results by role.

    Raises:
        MedSynthError: as `synthesize_all`; an input cannot be read, an output cannot be written, or two of the given
            paths are the same file.
        Cancelled: the progress callback requested a stop.
    """
    progress = progress or Progress()
    progress(0.0, "Reading the volume")
    contract = model.synthesis.contract
    # Checked before anything is read, so that a missing input is reported at once.
    paths = contract.beside(files.input, files.others)
    units = {contract.input_role: files.unit}
    inputs = {role: read_input(path, contract, units.get(role, ""), role) for role, path in paths.items()}
    outputs = files.outputs(model)
    written = [*outputs.values(), *([files.uncertainty] if files.uncertainty else [])]
    check_distinct([*paths.values(), *written])
    if files.report is not None and files.report.resolve() in [path.resolve() for path in (*paths.values(), *written)]:
        raise MedSynthError(f"{files.report} is also the name of an image; choose another folder for the report.")
    first = inputs[contract.input_role]
    for path in written:
        check_output(first, path)
    with report_place(files.report):
        results = synthesize_all(
            inputs,
            model,
            device=device,
            batch_size=batch_size,
            uncertainty=files.uncertainty is not None,
            progress=progress.part(0.05, 0.95),
        )
        progress(0.95, "Writing the result")
        for role, result in results.items():
            write_labelled(result, outputs[role])
        made = next(iter(results.values()))
        if files.uncertainty is not None and made.uncertainty is not None:
            write_labelled(made.uncertainty, files.uncertainty)
        if files.report is not None:
            write_report(first, made, files.report)
    return results
