"""The generators of the library, as their cards describe them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from medsynth_core.generation.available import list_generators
from medsynth_core.models.library import import_model

pytestmark = pytest.mark.slow


def test_only_generators_are_listed_with_what_they_make(package, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))
    before = {found.name for found in list_generators()}
    assert "ct-to-pet" not in before
    import_model(package)
    [new] = [found for found in list_generators() if found.name not in before]
    assert new.name == "phantom-sets" and new.spacing == (3.0, 3.0, 4.0)
    assert new.images == {"ct": "CT in HU", "pet": "PET in SUVbw"}
    assert new.limits and new.data_licence and new.title


def test_listing_them_loads_no_torch():
    script = "import sys; from medsynth_core.generation.available import list_generators as f; f()"
    script += "; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
