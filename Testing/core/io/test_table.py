"""Tables are written completely and read back unchanged."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from medsynth_core.errors import MedSynthError
from medsynth_core.io.table import read_rows, write_rows


def test_table_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    write_rows([{"case": "A", "mae": 0.1 + 0.2, "psnr": 31.5}, {"case": "a, b", "mae": 1.0, "ssim": 0.5}], path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["case", "mae", "psnr", "ssim"]
    assert float(rows[0]["mae"]) == 0.1 + 0.2
    assert (rows[1]["case"], rows[1]["psnr"], rows[1]["ssim"]) == ("a, b", "", "0.5")
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MedSynthError, match="cannot be written"):
        write_rows([{"mae": 1.0}], tmp_path / "missing" / "cases.csv")


FORMULAS = [
    "=cmd|' /C calc'!A0",
    "+SUM(A1)",
    "-2+3",
    "@SUM(1)",
    "\tx",
    "\rx",
    "\n=x",
    "＝x",
    "＋x",
    "－x",
    "＠x",
    "'=quoted",
    "''",
    "'",
]


def test_text_that_a_spreadsheet_would_run_is_written_as_text(tmp_path: Path) -> None:
    rows = [{"case": text, "error": -1.5, "text": "-1.5"} for text in FORMULAS]
    write_rows(rows, tmp_path / "cases.csv")
    with (tmp_path / "cases.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert all(row["case"][0] == "'" for row in written)
    assert {row["error"] for row in written} == {row["text"] for row in written} == {"-1.5"}, "numbers stay numbers"
    assert [row["case"] for row in read_rows(tmp_path / "cases.csv")] == FORMULAS


def test_text_of_others_is_read_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_bytes(b"\xef\xbb\xbfcase,file\n=a,'b\n'=c,\n'40s\n")
    assert read_rows(tmp_path / "cases.csv") == [
        {"case": "=a", "file": "'b"},
        {"case": "=c", "file": ""},
        {"case": "'40s", "file": None},
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"case,ct,ct\nA,a,b\n", "the column 'ct' twice"),
        (b"case,ct\nA,\xe9\n", "decode"),
        (b"\xff\xfec\x00", "decode"),
        (b'case,ct\nA,"' + b"x" * 200_000, "field larger than field limit"),
    ],
)
def test_a_table_that_cannot_be_read(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_rows(tmp_path / "cases.csv")
