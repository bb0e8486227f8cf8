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


def test_it_is_told_what_each_can_draw_and_from_what(package, picture_model, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))
    import_model(package)
    names = ("xrays", "photographs", "redrawn", "gan-sharp", "acgan")
    for name in names:
        import_model(picture_model(name))
    import_model(package.parents[1] / "maps" / "phantom-structures")  # which draws maps, and no images
    found = {summary.name: summary for summary in list_generators()}
    assert set(found) == {"multimodal-sts", "phantom-sets", *names}
    assert {name for name, each in found.items() if each.classes} == {"xrays", "acgan"}
    assert found["xrays"].classes == ("normal", "bacterial", "viral")
    assert {name for name, each in found.items() if each.in_colour} == {"photographs", "redrawn"}
    assert {name for name, each in found.items() if not each.from_noise} == {"redrawn"}
    assert {name for name, each in found.items() if not each.from_image} == {"gan-sharp", "acgan"}
    assert found["photographs"].images == {"fundus": "fundus photograph in colour"}
