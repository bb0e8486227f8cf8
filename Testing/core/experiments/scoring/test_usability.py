"""Rows of mixtures are trained with every seed, kept one by one, and summed up with intervals."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
from discs import discs
from scipy.stats import t

from medsynth_core import MedSynthError, Progress
from medsynth_core.evaluation.judges.examples import Examples
from medsynth_core.evaluation.judges.judge import JudgeSettings
from medsynth_core.evaluation.judges.schedule import Mixture
from medsynth_core.experiments.scoring import usability as module
from medsynth_core.experiments.scoring.usability import Comparison, Sources, read_mixtures, scores_of, usability

SHORT = JudgeSettings(iterations=4, batch_size=2, width=2)


def row(name: str, **shares: object) -> Mixture:
    return Mixture.model_validate({"name": name, **shares})


ROWS = (row("real-100", real=1), row("both", real=1, synthetic=1), row("bent", real=0.5, augmented=1))


@pytest.fixture
def sources() -> Sources:
    return Sources(discs(8), discs(16, seed=1), discs(4, seed=2))


def read(path):
    return list(csv.DictReader(path.open()))


@pytest.mark.slow
def test_the_table_has_means_and_intervals_and_continues_where_it_was_stopped(sources, tmp_path, monkeypatch):
    comparison = Comparison("segmentation", ROWS, (0, 1, 2), SHORT)
    said: list[str] = []
    table = usability(sources, comparison, tmp_path, Progress(log=said.append))
    assert not said and len(list((tmp_path / "rows").iterdir())) == 9
    found = {line["row"]: line for line in read(table.path)}
    trainings = [float(line["dice_pooled"]) for line in read(table.cases_path) if line["row"] == "both"]
    assert float(found["both"]["dice_pooled_mean"]) == pytest.approx(np.mean(trainings), abs=1e-6)
    half = t.ppf(0.975, 2) * np.std(trainings, ddof=1) / math.sqrt(3)
    low, high = (float(found["both"][f"dice_pooled_{end}"]) for end in ("low", "high"))
    assert (high - low) / 2 == pytest.approx(half, abs=1e-5)
    first = [float(line["dice_pooled"]) for line in read(table.cases_path) if line["row"] == "real-100"]
    difference = float(found["both"]["dice_pooled_difference_mean"])
    assert difference == pytest.approx(np.mean(np.subtract(trainings, first)), abs=2e-6)
    assert found["real-100"]["dice_pooled_difference_mean"] == ""
    assert all(len(line) == len(table.columns) for line in table.text_rows())

    (tmp_path / "rows" / "both-seed1.json").unlink()
    trained = []
    monkeypatch.setattr(module, "scores_of", lambda *given, **more: trained.append(given[1].name) or scores_of(*given))
    again = usability(sources, comparison, tmp_path, Progress())
    assert trained == ["both"] and again.values == table.values


@pytest.mark.slow
def test_rows_of_other_images_or_settings_are_not_taken(sources, tmp_path):
    comparison = Comparison("segmentation", ROWS[:1], (0,), SHORT)
    said: list[str] = []
    usability(sources, comparison, tmp_path, Progress(log=said.append))
    assert "trained 1 times" in said[0]
    longer = Comparison("segmentation", ROWS[:1], (0,), SHORT.model_copy(update={"iterations": 5}))
    with pytest.raises(MedSynthError, match="made by another recipe or with other cases"):
        usability(sources, longer, tmp_path, Progress())
    other = Sources(discs(8, seed=7), sources.synthetic, sources.test)
    with pytest.raises(MedSynthError, match="made by another recipe or with other cases"):
        usability(other, comparison, tmp_path, Progress())


def test_a_seed_has_the_same_patients_in_every_row_and_bent_images_are_of_these(sources):
    half, both = row("half", real=0.5), row("both", real=0.5, synthetic=1.5)
    (alone,), (real, synthetic) = (sources.taken(each, 3) for each in (half, both))
    assert np.array_equal(alone.images, real.images) and len(synthetic) == 12
    real, bent = sources.taken(ROWS[2], 3)
    assert len(real) == 4 and len(bent) == 8 and set(bent.patients) == set(real.patients) < set(sources.real.patients)


@pytest.mark.slow
def test_what_a_row_learns_from_decides_what_it_finds():
    """Synthetic images with labels beside their lesions are worth less than real ones."""
    real, synthetic = discs(48), discs(48, seed=1)
    wrong = Examples(synthetic.images, np.roll(synthetic.labels, 16, axis=2), synthetic.patients)
    sources = Sources(real, wrong, discs(24, seed=2))
    settings = JudgeSettings(iterations=100, width=6, learning_rate=3e-3)
    orders = [("real", {"real": 1}), ("synthetic", {"synthetic": 1})]
    orders += [(order, {"real": 1, "synthetic": 1, "order": order}) for order in ("synthetic first", "real first")]
    dice = {
        name: scores_of(sources, row(name.replace(" ", "-"), **shares), "segmentation", settings)["dice"]
        for name, shares in orders
    }
    assert dice["real"] > 0.7 > 0.4 > dice["synthetic"]
    assert dice["synthetic first"] > 0.6 > 0.45 > dice["real first"]


def test_patients_in_both_sets_are_refused():
    with pytest.raises(MedSynthError, match="'0-P0' is in training and test"):
        Sources(discs(8), None, discs(4))


def test_synthetic_images_that_are_missing_are_named(sources):
    with pytest.raises(MedSynthError, match="'both' needs 8 synthetic images, but there are none"):
        Sources(sources.real, None, sources.test).taken(ROWS[1], 0)
    with pytest.raises(MedSynthError, match="24 synthetic images are needed, but there are 16"):
        sources.taken(row("three", synthetic=3), 0)


@pytest.mark.parametrize(("rows", "seeds"), [((), (0,)), (ROWS[:1] * 2, (0,)), (ROWS, ())])
def test_a_comparison_needs_rows_with_different_names_and_seeds(sources, tmp_path, rows, seeds):
    with pytest.raises(MedSynthError, match="rows with different names, and seeds"):
        usability(sources, Comparison("segmentation", rows, seeds, SHORT), tmp_path, Progress())


# Number: real, synthetic and enhanced data, mixing mode, MSE and Dice, as the thesis prints them.
TABLE_5 = """
1 ×1 0 0 - 0.026 0.915
2 ×50% 0 0 - 0.032 0.902
3 0 ×1 0 - 0.205 0.708
4 0 ×2 0 mixed 0.206 0.736
5 0 ×3 0 mixed 0.205 0.754
6 ×10% ×1 0 synthetic 0.031 0.908
7 ×10% ×2 0 synthetic 0.028 0.907
8 ×10% ×3 0 synthetic 0.030 0.907
9 ×20% ×80% 0 mixed 0.041 0.850
10 ×50% ×50% 0 mixed 0.031 0.904
11 ×80% ×20% 0 mixed 0.024 0.935
12 ×1 ×20% 0 mixed 0.025 0.921
13 ×1 ×50% 0 mixed 0.023 0.939
14 ×1 ×80% 0 mixed 0.026 0.916
15 ×1 ×1 0 mixed 0.027 0.913
16 ×1 ×2 0 mixed 0.033 0.901
17 ×1 ×3 0 mixed 0.034 0.897
18 ×1 0 ×20% mixed 0.027 0.911
19 ×1 0 ×50% mixed 0.025 0.927
20 ×1 0 ×80% mixed 0.026 0.920
21 ×1 0 ×1 mixed 0.026 0.915
22 ×1 0 ×2 mixed 0.032 0.898
23 ×1 0 ×3 mixed 0.036 0.885
24 ×1 ×1 0 real 0.195 0.795
25 ×1 ×1 0 synthetic 0.021 0.940
"""
MODES = {"-": "mixed", "mixed": "mixed", "synthetic": "synthetic first", "real": "real first"}


def share(text: str) -> float:
    number = text.lstrip("×")
    return float(number.rstrip("%")) / (100 if number.endswith("%") else 1)


def test_the_rows_are_those_of_the_thesis():
    known = {mixture.number: mixture for mixture in read_mixtures()}
    lines = [line.split() for line in TABLE_5.split("\n") if line]
    assert len(lines) == 25
    for number, real, synthetic, enhanced, mode, mse, dice in lines:
        mixture = known[int(number)]
        assert mixture.shares == {"real": share(real), "synthetic": share(synthetic), "augmented": share(enhanced)}
        assert mixture.order == MODES[mode]
        assert mixture.published == {"segmentation_mse": float(mse), "dice": float(dice)}
    names = [mixture.name for mixture in read_mixtures()]
    assert len(set(names)) == len(names)
    (tenth,) = read_mixtures(numbers=["real-10"])
    assert tenth.number is None and tenth.shares == {"real": 0.1, "synthetic": 0, "augmented": 0}
    assert [mixture.number for mixture in read_mixtures(numbers=[25, 1])] == [25, 1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("rows: [{name: a}]", "must be above 0"),
        ("rows: [{name: a, real: 1, more: 2}]", "more"),
        ("columns: []", "is not a table of mixtures: it needs the key"),
        ("[1]", "is not a table of mixtures: it needs the key"),
        ("a: [", "is not a table of mixtures: it needs the key"),
    ],
)
def test_a_table_that_is_not_valid_is_refused(tmp_path, content, words):
    path = tmp_path / "rows.yaml"
    path.write_text(content)
    with pytest.raises(MedSynthError, match=words):
        read_mixtures(path)
    with pytest.raises(MedSynthError, match="no row '99'; choose one of 1, real-100"):
        read_mixtures(numbers=[99])


def test_kept_rows_hold_what_they_were_made_with(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(
        module, "scores_of", lambda *given, **more: {"dice": math.nan, "dice_pooled": 0.5, "segmentation_mse": 1}
    )
    comparison = Comparison("segmentation", ROWS[:2], (0, 1, 2), SHORT)
    for _ in range(2):
        table = usability(sources, comparison, tmp_path, Progress())
    content = json.loads((tmp_path / "rows" / "both-seed2.json").read_text())
    assert content["facts"]["settings"]["seed"] == 2 and content["facts"]["images"]["test"] == sources.test.digest
    assert content["scores"]["dice"] is None and math.isnan(table.values["both"][2]["dice"])
    assert read(table.path)[0]["dice_mean"] == ""
    for damaged in ("{", "[]", '{"facts": {}}'):
        (tmp_path / "rows" / "both-seed2.json").write_text(damaged)
        with pytest.raises(MedSynthError, match="both-seed2.json is damaged; remove it"):
            usability(sources, comparison, tmp_path, Progress())
