"""Every fault that was found names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = [line for line in (ROOT / "docs" / "found.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
NAMED = re.compile(r"(Testing/[\w/.]+\.py)?(?:::(\w+))?")


@pytest.mark.parametrize("row", ROWS[1:], ids=lambda row: row[:90])
def test_the_tests_of_a_fault_exist(row):
    tests, file = row.rstrip("| ").rpartition(" | ")[2], ""
    assert "Testing/" in tests or "read by people" in tests
    for path, test in NAMED.findall(tests):
        file = path or file
        assert not path or (ROOT / path).is_file(), path
        assert not test or f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"
