"""Tables are written whole, and read back as they were."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from medsynth_core.errors import MedSynthError
from medsynth_core.io.table import write_rows


def test_table_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    write_rows([{"case": "A", "mae": 0.1 + 0.2, "psnr": 31.5}, {"case": "a, b", "mae": 1.0, "ssim": 0.5}], path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["case", "mae", "psnr", "ssim"]
    assert float(rows[0]["mae"]) == 0.1 + 0.2
    assert (rows[1]["case"], rows[1]["psnr"], rows[1]["ssim"]) == ("a, b", "", "0.5")
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(MedSynthError, match="cannot be written"):
        write_rows([{"mae": 1.0}], tmp_path / "missing" / "cases.csv")
