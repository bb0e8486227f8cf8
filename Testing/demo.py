"""Prints what ``make demo`` found: python Testing/demo.py FOLDER, with the files that its commands wrote there."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

ROWS = {
    "metrics-low-dose.json": ("1/20 of the dose, simulated", "full dose"),
    "metrics-recovered.json": ("  recovered by low-dose-pet", "full dose"),
    "metrics-ct-to-pet.json": ("CT turned into PET by ct-to-pet", "real PET"),
}
FILES = {
    "figure-low-dose.png": "low dose, full dose, recovered PET and its error",
    "figure-ct-to-pet.png": "CT, real PET, synthetic PET and its error",
    "recovered.nii.gz, synthetic_pet.nii.gz": "the two synthetic volumes, each with its origin in a .json",
    "metrics-*.json": "all metrics",
}
NOTE = (
    "MAE and PSNR: full frame, range 20 SUVbw. SUVmean and SUVmax: error in the tumour.\n"
    "Low-dose PET is recovered from counts that were measured; uptake can only be guessed from a CT: ct-to-pet does\n"
    "not see this tumour. low-dose-pet reads the dose from the noise. The sample is a crop with the counts of whole\n"
    "slices, so it has less noise than a scan with 1/20 of the dose.\n"
    "Synthetic images are not for diagnosis."
)


def row(path: Path, image: str, reference: str) -> str:
    """Return a line of the table from the JSON of ``medsynth evaluate``."""
    found = json.loads(path.read_text(encoding="utf-8"))["metrics"]
    scores = f"{found['mae']:>10.3f}{found['psnr']:>9.1f} dB"
    errors = "".join(f"{found[f'suv{name}_error']:>+10.1f} %" for name in ("mean", "max"))
    return f"{image:<33}{reference:<10}{scores}{errors}"


def main() -> None:
    """Read the command line and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    print(
        f"\n{'PET of the sample patient':<33}{'against':<10}{'MAE (SUV)':>10}{'PSNR':>12}{'SUVmean':>12}{'SUVmax':>12}"
    )
    for name, (image, reference) in ROWS.items():
        print(row(folder / name, image, reference))
    print(f"\n{NOTE}\n\nIn {folder}:")
    for name, content in FILES.items():
        print(f"  {name:<40}{content}")


if __name__ == "__main__":
    main()
