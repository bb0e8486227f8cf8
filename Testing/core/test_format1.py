"""Recipes, run folders and packages of format 1 are still read."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import phantom_ct, write_manifest
from safetensors.numpy import load_file

from medsynth_core import synthesize, train
from medsynth_core.errors import MedSynthError
from medsynth_core.models.library import verify_model
from medsynth_core.models.markdown import card_text
from medsynth_core.recipes.recipe import read_recipe
from medsynth_core.training.publishing import publish_run
from medsynth_core.training.run_folder import RunFolder

FORMAT1 = Path(__file__).with_name("format1")
# Settings in which presets came closer to their publication since.
MENDED: dict[str, dict[str, Any]] = {
    "cyclegan": {"initialisation": "normal", "contract": {"matrix": (256, 256)}},
    "dsggan-reconstructed": {
        "initialisation": "normal",
        "augmentation": {"flip": False},
        "contract": {"matrix": (256, 256)},
    },
    "low-dose-pet": {},
    "pix2pix": {"initialisation": "normal", "contract": {"matrix": (256, 256)}},
}


@pytest.mark.parametrize("name", sorted(path.stem for path in (FORMAT1 / "recipes").glob("*.yaml")))
def test_a_recipe_of_format_1_says_what_the_preset_says_today_but_for_what_was_mended_in_it(name: str) -> None:
    earlier = FORMAT1 / "recipes" / f"{name}.yaml"
    assert "format:" not in earlier.read_text(encoding="utf-8")
    recipe = read_recipe(earlier)
    assert recipe.initialisation == "torch" and recipe.augmentation.flip
    augmentation = recipe.augmentation.model_copy(update=MENDED[name].get("augmentation", {}))
    contract = recipe.contract.model_copy(update=MENDED[name].get("contract", {}))
    # Presets state no licence of the user's data any more, and no text of the bundled model changed a weight.
    about = read_recipe(name).about
    mended = {**MENDED[name], "augmentation": augmentation, "contract": contract, "about": about}
    assert recipe.model_copy(update=mended) == read_recipe(name)


def test_a_recipe_with_every_key_of_format_1_spelled_out_is_read() -> None:
    recipe = read_recipe(FORMAT1 / "run" / "recipe.yaml")
    assert recipe.needs.names == ("ct", "pet") and recipe.choose_by == "ssim_2d_wang11"
    assert recipe.contract.input_role == "ct" and list(recipe.contract.outputs) == ["pet"]
    assert not hasattr(recipe, "coarse_epochs") and not hasattr(recipe.loss, "cycle")


def test_a_run_of_format_1_goes_on_where_it_stopped(tmp_path: Path) -> None:
    manifest, run = write_manifest(tmp_path), tmp_path / "run"
    shutil.copytree(FORMAT1 / "run", run)
    assert RunFolder(run).best_epoch("ssim_2d_wang11") in (1, 2)
    package = train(run / "recipe.yaml", manifest, run, resume=True, device="cpu")
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    # The package was made by an uninterrupted training with the same recipe.
    earlier, today = (load_file(folder / "models" / "model.safetensors") for folder in (FORMAT1 / "package", package))
    assert earlier.keys() == today.keys()
    assert all(np.allclose(earlier[name], today[name], atol=2e-3) for name in earlier)


def test_a_run_of_format_1_is_published(tmp_path: Path) -> None:
    manifest, run = write_manifest(tmp_path), tmp_path / "run"
    shutil.copytree(FORMAT1 / "run", run)
    published = publish_run(run, data=manifest, device="cpu")
    assert set(published.test["P3"]) == {"mae", "psnr", "ssim_2d_wang11", "nrmse_minmax"}


def test_a_package_of_format_1_is_verified_and_run() -> None:
    model = verify_model(FORMAT1 / "package")
    assert model.card.format == 1 and model.card.kind == "synthesis"
    assert model.contract.input.modality == "CT" and model.contract.output.unit == "SUVbw"
    ct = phantom_ct(seed=9)
    made = synthesize(ct, FORMAT1 / "package", device="cpu")
    assert made.unit == "SUVbw" and made.voxels.max() > 0.1
    assert "MAE" in card_text(model.metadata)


def test_the_error_curve_of_one_validation_case_is_not_believed_in_an_earlier_package_either() -> None:
    model = verify_model(FORMAT1 / "package")
    assert model.synthesis.error_curve and not model.synthesis.error_known
    with pytest.raises(MedSynthError, match="is not known, because it had 1 validation case and at least 3 are needed"):
        synthesize(phantom_ct(seed=9), model, device="cpu", uncertainty=True)
