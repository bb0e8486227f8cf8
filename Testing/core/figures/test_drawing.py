"""No text of a figure is taken for a formula."""

from __future__ import annotations

import numpy as np
import pytest
from builders import phantom_ct, phantom_pet
from matplotlib.text import Text

from medsynth_core.evaluation.report import evaluate
from medsynth_core.experiments.figures.dose_figures import draw_dose_curves
from medsynth_core.figures import side_by_side
from medsynth_core.figures.side_by_side import write_preview
from medsynth_core.inference import run_report
from medsynth_core.inference.run_report import report_place, write_report

FORMULA = "$\\frac$ a_b^c"


@pytest.fixture
def texts(monkeypatch):
    """Texts of every figure that is written."""
    found: list[Text] = []
    written = side_by_side.write_png

    def note(figure, path):
        found.extend(text for text in figure.findobj(Text) if text.get_text())
        return written(figure, path)

    monkeypatch.setattr(side_by_side, "write_png", note)
    return found


def volumes():
    pet = phantom_pet(phantom_ct()).replace(modality="", unit=FORMULA)
    made = pet.replace(voxels=pet.voxels * 1.1, metadata={"limits": [FORMULA]})
    return pet, made.replace(uncertainty=made)


def test_no_text_of_a_comparison_is_a_formula(texts, tmp_path):
    pet, made = volumes()
    evaluate(made, pet).figure(tmp_path / "figure.png", pet)
    assert (tmp_path / "figure.png").is_file() and len(texts) > 20
    assert [text.get_text() for text in texts if text.get_parse_math() and "$" in text.get_text()] == []
    assert sum(FORMULA in text.get_text() for text in texts) >= 3


def test_no_text_of_a_preview_is_a_formula(texts, tmp_path):
    pet, made = volumes()
    write_preview(pet, made, tmp_path / "figure.png")
    assert [text.get_text() for text in texts if text.get_parse_math() and "$" in text.get_text()] == []
    assert sum(FORMULA in text.get_text() for text in texts) >= 3


def test_names_of_methods_are_no_formulas(tmp_path):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    means = {FORMULA: {4.0: 30.0, 10.0: 28.0}, "other": {4.0: 31.0, 10.0: 29.0}}
    figure = draw_dose_curves(means, beside=FORMULA)
    FigureCanvasAgg(figure).print_png(tmp_path / "figure.png")
    assert [t.get_text() for t in figure.findobj(Text) if t.get_parse_math() and FORMULA in t.get_text()] == []


def test_a_report_has_both_files_or_neither(tmp_path, monkeypatch):
    pet, made = volumes()
    (tmp_path / "report").mkdir()
    monkeypatch.setattr(run_report, "write_preview", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(pet, made, tmp_path / "report")
    assert list((tmp_path / "report").iterdir()) == []
    monkeypatch.undo()
    write_report(pet, made, tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["figure.png", "provenance.json"]
    before = (tmp_path / "report" / "provenance.json").read_bytes()
    monkeypatch.setattr(run_report, "write_preview", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(pet, made.replace(metadata={}), tmp_path / "report")
    assert (tmp_path / "report" / "provenance.json").read_bytes() == before


@pytest.mark.parametrize("existed", [False, True])
def test_the_folder_of_a_report_that_failed_is_as_it_was(tmp_path, existed):
    folder = tmp_path / "report"
    if existed:
        folder.mkdir()
    with pytest.raises(KeyboardInterrupt), report_place(folder):
        assert folder.is_dir()
        raise KeyboardInterrupt
    assert folder.exists() == existed
    with report_place(None):
        assert np.isfinite(1)
