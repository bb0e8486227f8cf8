"""Experiment ``structure-generation``: the generators of Qu's thesis on three data sets, each a part with tables."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from medsynth_core.errors import MedSynthError
from medsynth_core.experiments.scoring.plain_table import PlainTable
from medsynth_core.experiments.structure_generation import pictures, sarcomas
from medsynth_core.experiments.structure_generation.brains import write_brains
from medsynth_core.io.table import read_rows, write_rows
from medsynth_core.progress import Progress

# Parts by the name of their folder in the data and in the output.
PARTS: dict[str, Callable[[Path, Path, Progress], PlainTable]] = {
    "sts": sarcomas.run,
    "chest-xray": partial(pictures.run, pictures.CHEST_XRAY),
    "fundus-chase": partial(pictures.run, pictures.FUNDUS),
}
SHOWN = ("part", "method", "fid", "ms_ssim_paired", "ms_ssim_diversity", "ms_ssim_diversity_real")


def run(data: Path, output: Path, progress: Progress) -> PlainTable:
    """Run the parts whose data are there, and write their tables and figures, and a table of all methods.

    Args:
        data: folder with ``sts``, ``chest-xray`` and ``fundus-chase``, or some of them, and the brains of `brains`.
        output: folder for a folder of each part, ``results.csv`` (a line for each method of each part),
            ``methods.csv`` (size, time and end of each training) and ``brains.png`` (structure maps of the brains).
        progress: reports; its log gets the parts that are left out.

    Raises:
        MedSynthError: none of these folders is there, or as a part.
    """
    there = [name for name in PARTS if (data / name).is_dir()]
    if not there:
        raise MedSynthError(f"{data} has none of the folders {', '.join(PARTS)}; give the folder that contains them.")
    for name in [name for name in PARTS if name not in there]:
        progress.log(f"The part '{name}' is left out, because there is no folder {data / name}.")
    write_brains(data, output / "brains.png")
    tables = {
        name: PARTS[name](data, output / name, progress.part(number / len(there), (number + 1) / len(there)))
        for number, name in enumerate(there)
    }
    return _joined(tables, output)


def _joined(tables: dict[str, PlainTable], output: Path) -> PlainTable:
    """Write the tables of all parts, and return that of the methods."""
    found = [{"part": name, **row} for name, table in tables.items() for row in table.rows]
    names = dict.fromkeys((*SHOWN, *(key for row in found for key in row)))
    costs = [{"part": name, **row} for name in tables for row in read_rows(output / name / "methods.csv")]
    write_rows(costs, output / "methods.csv")
    table = PlainTable([{key: row.get(key, "") for key in names} for row in found], SHOWN, output, "methods.csv")
    table.write()
    return table
