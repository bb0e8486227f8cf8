"""A kept row is taken only if what its scores depend on is the same; models of one modality are one method."""

import json

import pytest
from builders import tiny_recipe, write_manifest

from medsynth_core import MedSynthError, Progress
from medsynth_core.experiments.rows import Making, Row, finished_row
from medsynth_core.experiments.structure_generation.budget import ends, measures, spent
from medsynth_core.experiments.structure_generation.rivals import experiment_recipe
from medsynth_core.experiments.structure_generation.sarcomas import quality_table
from medsynth_core.experiments.structure_generation.tumours import merged_rivals


def test_rows_with_other_facts_are_not_taken(tmp_path):
    recipe, manifest = tiny_recipe(), write_manifest(tmp_path)
    trained = []

    def train(recipe, manifest, output, progress):
        trained.append(recipe.name)
        (output / recipe.name).mkdir(parents=True, exist_ok=True)
        (output / recipe.name / "environment.json").write_text("{}")
        return "model"

    def row(**facts):
        made = Row({"": {"A": {"fid": 1.0}}}, {"method": recipe.name})
        return finished_row(recipe, manifest, tmp_path / "out", lambda model: made, Progress(), Making(train, facts))

    assert row(maps="a", judge={"seeds": (1, 2)}).scores == {"": {"A": {"fid": 1.0}}}
    row(maps="a", judge={"seeds": (1, 2)})
    assert trained == [recipe.name]
    for other in ({"maps": "b", "judge": {"seeds": (1, 2)}}, {"maps": "a"}, {}):
        with pytest.raises(MedSynthError, match="was made by another recipe"):
            row(**other)
    kept = tmp_path / "out" / "rows" / f"{recipe.name}.json"
    content = json.loads(kept.read_text())
    del content["facts"]
    kept.write_text(json.dumps(content))
    # As earlier experiments kept theirs.
    assert row().cost == {"method": recipe.name}


def rows() -> dict[str, Row]:
    def of(name: str, role: str, paired: float, log: int) -> Row:
        cost = {"method": name, "epochs": 4, "chosen_epoch": log, "steps": 10 * log, "training_minutes": 1.0}
        scores = {role: {"fid": 2.0, "ms_ssim_diversity": 0.3, "ms_ssim_diversity_real": 0.2}}
        return Row(
            {"": {**scores, "all": {"fid": 2.0, "ms_ssim_paired": paired}}}, cost, [{"epoch": n} for n in range(log)]
        )

    return {"skrgan-ct": of("skrgan-ct", "ct", 0.4, 4), "skrgan-pet": of("skrgan-pet", "pet", 0.6, 2)}


def test_models_of_single_modalities_are_one_method_with_what_each_has_for_itself():
    merged = merged_rivals(rows(), ("skrgan",))
    assert merged["skrgan"]["all"] == {"ms_ssim_paired": pytest.approx(0.5)}
    assert set(merged["skrgan"]) == {"ct", "pet", "all"}
    assert spent(rows()["skrgan-pet"])["ended_by"] == "validation"
    assert ends(rows(), "skrgan") == {
        "trained_epochs": "4 / 2",
        "chosen_epoch": "4 / 2",
        "steps": "40 / 20",
        "training_minutes": "1.0 / 1.0",
        "ended_by": "epochs / validation",
    }


def test_the_table_of_sarcomas_says_how_many_images_and_trainings(tmp_path):
    table = quality_table(rows(), tmp_path, {"images": 400, "test_images": 30})
    (row,) = table.rows
    assert (row["images"], row["test_images"], row["trainings"]) == (400, 30, 1)
    assert row["ms_ssim_diversity_real"] == 0.2 and row["ended_by"] == "epochs / validation"


def test_the_environment_names_what_images_were_measured_by():
    found = measures(experiment_recipe("multimodal-sts"))
    assert len(found["fid_extractor_sha256"]) == 64 and found["fid_extractor"] and found["ms_ssim_scales"] == 4
