"""A metric is one file and one line; everything that is said about it comes from the registry."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.report import evaluate
from medsynth_core.io.reading import read_volume
from medsynth_core.metrics.conditions import compared, validated
from medsynth_core.metrics.metric import DIRECTIONS, Comparison
from medsynth_core.metrics.registry import METRICS, better, cell, compute, describe, heading, signed, text
from medsynth_core.volume import Volume

PACKAGE = Path(__file__).parents[3] / "medsynth_core"
EVALUATED = [
    *("mae", "mse", "rmse", "nrmse_minmax", "edge_mae", "psnr", "ssim", "ms_ssim"),
    *("ssim_2d_wang11", "ssim_2d_skimage7", "checkerboard"),
]
IN_LESION = ["suvmax_error", "suvmean_error", "suvpeak_error", "tlg_error"]
LPS = np.diag([-1.0, -1.0, 2.0, 1.0])

TOY = '''"""The share of voxels that are exactly right."""

import numpy as np

from medsynth_core.metrics.metric import Metric

TOY = Metric("exact_share", "voxels that are exact", "%", "higher", lambda c: 100 * np.mean(c.reference == c.synthetic))
'''
USES = """
import sys
from medsynth_core.evaluation.report import evaluate
from medsynth_core.experiments.figures.training_curves import draw_curves
from medsynth_core.experiments.scoring.result_table import ResultTable
from medsynth_core.io.reading import read_volume
from medsynth_core.metrics.registry import better, signed
from medsynth_core.models.card import read_metadata
from medsynth_core.models.markdown import card_text

sample, package = sys.argv[1:]
pet = read_volume(sample + "/pet.nii.gz", modality="PT", unit="SUVbw")
report = evaluate(pet.replace(voxels=pet.voxels + 1), pet)
assert report.metrics["exact_share"] == 0 and report.described()["exact_share"]["direction"] == "higher is better"
metadata = read_metadata(package)
row = {"method": "m", "exact_share_mean": 12.5, "exact_share_sd": 2.0}
card = metadata.medsynth.model_copy(update={"metrics": {"val": {"exact_share": 12.5}}, "comparison": (row,)})
words = card_text(metadata.model_copy(update={"medsynth": card}))
assert "| voxels that are exact, whole slices (%, higher is better) |" in words
assert "| voxels that are exact, full frame (%, higher is better) |" in words and "12.5 ± 2.00" in words
table = ResultTable({"m": {"a": {"exact_share": 1.0}}}, ("exact_share",), "m", None)
assert table.columns[1] == "voxels that are exact, full frame (%, higher is better)"
figure = draw_curves({"run": [{"epoch": e, "val_exact_share": e % 3} for e in range(1, 9)]}, choose_by="exact_share")
assert [axes.get_title() for axes in figure.axes] == ["voxels that are exact\\n(%, higher is better)"]
assert "highest voxels that are exact" in figure.legends[0].get_texts()[-1].get_text()
assert signed("exact_share", 3.0) < signed("exact_share", 2.0) and better("exact_share", 3.0, 2.0)
"""


@pytest.fixture(scope="module")
def with_a_toy_metric(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return an environment in which the package has one metric more: a file, and a line of the registry."""
    folder = tmp_path_factory.mktemp("source")
    package = shutil.copytree(PACKAGE, folder / "medsynth_core", ignore=shutil.ignore_patterns("__pycache__"))
    (package / "metrics" / "toy.py").write_text(TOY, encoding="utf-8")
    registry = package / "metrics" / "registry.py"
    lines = registry.read_text(encoding="utf-8")
    assert lines.count("pixel, ssim\n") == lines.count("    dose.DOSE_ACCURACY,\n") == 1
    lines = lines.replace("pixel, ssim\n", "pixel, ssim, toy\n").replace("    dose.DOSE", "    toy.TOY,\n    dose.DOSE")
    registry.write_text(lines, encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}


def run(environment: dict[str, str], *arguments: object) -> str:
    command = [sys.executable, *map(str, arguments)]
    # From the folder of the copy, so that the checkout is not what is imported.
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, cwd=environment["PYTHONPATH"]
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_new_metric_is_in_evaluate_tables_cards_and_curves(
    with_a_toy_metric: dict[str, str], sample_case: Path, tmp_path: Path
) -> None:
    model = PACKAGE.parent / "Resources" / "Models" / "ct-to-pet"
    run(with_a_toy_metric, "-c", USES, sample_case, model)
    pet = sample_case / "pet.nii.gz"
    command = ("-m", "medsynth_core", "evaluate", pet, pet, "--unit", "SUVbw")
    told = json.loads(run(with_a_toy_metric, *command, "--json"))
    assert told["metrics"]["exact_share"] == 100
    assert told["described"]["exact_share"] == {
        "title": "voxels that are exact",
        "unit": "%",
        "region": "full frame",
        "direction": "higher is better",
    }
    (line,) = (line for line in run(with_a_toy_metric, *command).splitlines() if "exact_share" in line)
    words = [cell.strip() for cell in line.strip("│").split("│")]
    assert words == ["exact_share", "voxels that are exact", "100", "%", "full frame", "higher is better"]


def test_every_metric_is_described_in_full() -> None:
    assert [name for name, metric in METRICS.items() if metric.evaluated] == EVALUATED + IN_LESION
    titles = [metric.title for metric in METRICS.values()]
    assert len(set(titles)) == len(titles)
    for name, metric in METRICS.items():
        assert metric.name == name and metric.title and metric.undefined
        assert metric.direction in DIRECTIONS and metric.region in ("region", "frame", "lesion")
        assert metric.unit in ("image", "image²", "dB", "%", "1", "grey levels")
        assert metric.number(1.0)
        assert "size of" not in metric.title


def test_the_registry_is_read_without_scipy_scikit_image_and_torch() -> None:
    """The Slicer modules read it before these are installed."""
    blocked = "import sys; sys.modules.update(dict.fromkeys(('scipy', 'skimage', 'torch')))"
    command = f"{blocked}; from medsynth_core.metrics.registry import METRICS; print(len(METRICS))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(METRICS)


def test_lower_is_better_once_signed() -> None:
    assert signed("mae", 0.3) == 0.3 and signed("psnr", 31.0) == -31.0
    assert signed("suvmax_error", -12.0) == signed("suvmax_error", 12.0) == 12.0
    assert signed("activity_ratio", 0.9) == pytest.approx(signed("activity_ratio", 1.1))
    assert signed("psnr", math.nan) == math.inf
    assert better("psnr", 31.0, 30.0) and better("mae", 1.0, 2.0) and better("suvmean_error", -1.0, 2.0)
    assert not better("mae", math.nan, 2.0) and better("mae", 2.0, math.nan)


def test_values_are_written_with_their_unit() -> None:
    assert text("mae", 0.4731, "SUVbw") == "0.473 SUVbw"
    assert text("mse", 194.46, "HU") == "194 HU²"
    assert text("psnr", 31.416) == "31.42 dB"
    assert text("suvmax_error", -12.04) == "−12.0 %"
    assert text("ssim", 0.9, "HU") == "0.900" and text("mae", 0.25, "1") == "0.250"
    assert cell("psnr", 27.7536, 1.1618) == "27.75 ± 1.16" and cell("suvmax_error", 3.0, 2.0) == "+3.0 ± 2.0"
    assert cell("mae", None) == cell("mae", "") == "–" and cell("mae", "0.5", "") == "0.500"


def test_heads_say_region_unit_and_direction() -> None:
    assert heading("psnr", "SUVbw", "full frame") == "PSNR, full frame (dB, higher is better)"
    assert heading("suvmax_error_size") == "absolute lesion SUVmax error (%, lower is better)"
    assert heading("unknown") == "unknown"
    pet, low_dose, mr = compared("CT", "PT", "SUVbw"), compared("PT", "PT", "SUVbw"), compared("CT", "MR", "1")
    assert pet.head("mae") == "MAE in the body (SUVbw, lower is better)"
    assert pet.head("ssim") == "SSIM (3-D), full frame (higher is better)"
    assert low_dose.head("activity_ratio").startswith("activity ratio to the reference in the body (nearest to 1")
    assert mr.head("psnr") == "PSNR in the body where the MR was imaged (dB, higher is better)"
    assert mr.head("ssim_255") == "SSIM of slices in grey levels (Dong et al. 2020), full frame (higher is better)"
    assert "20 SUVbw" in pet.said() and "full dose" in low_dose.said()
    assert "range 4 HU" in validated("HU", 4.0).said() and "real image" in validated("HU", None).said()


def phantom() -> Comparison:
    """Return a comparison of a body with a lesion, whose synthetic image is a tenth too low."""
    random = np.random.default_rng(0)
    reference = np.zeros((34, 40, 44))
    reference[4:30, 6:34, 6:38] = random.gamma(4.0, 0.25, (26, 28, 32))
    lesion = np.zeros(reference.shape, dtype=bool)
    lesion[14:20, 16:22, 16:22] = True
    reference[lesion] += 5
    mask = reference > 0
    return Comparison(reference, 0.9 * reference, mask, 0.0, 20.0, True, lesion, LPS)


def test_metrics_of_a_comparison_are_those_of_a_report() -> None:
    comparison = phantom()
    volumes = [Volume(v, LPS, "PT", "SUVbw") for v in (comparison.synthetic, comparison.reference)]
    mask, lesion = (Volume(v.astype(np.uint8), LPS) for v in (comparison.mask, comparison.lesion))
    names = [*EVALUATED, *IN_LESION]
    reported = evaluate(*volumes, mask=mask, lesion=lesion).metrics
    assert list(reported) == names
    assert compute(names, comparison) == pytest.approx(reported, nan_ok=True)


def test_metrics_of_experiments_are_what_their_names_say() -> None:
    comparison = phantom()
    found = compute(METRICS, comparison)
    for name in IN_LESION:
        assert found[name] == pytest.approx(-10) and found[f"{name}_size"] == pytest.approx(10)
    inside = comparison.reference[comparison.lesion]
    assert found["lesion_mae"] == pytest.approx(0.1 * inside.mean())
    assert found["activity_ratio"] == pytest.approx(0.9)
    grey = comparison.reference * 255 / comparison.reference.max()
    assert found["mae_255"] == pytest.approx(0.1 * grey[grey > 0].mean())
    assert 0 < found["ssim_255"] < 1
    assert math.isnan(found["dose_accuracy"])  # nothing that voxels tell


def test_without_a_lesion_its_metrics_are_not_defined() -> None:
    bare = replace(phantom(), lesion=None)
    assert all(math.isnan(value) for value in compute([*IN_LESION, "lesion_mae"], bare).values())


def test_a_name_that_is_no_metric_is_refused_with_those_there_are() -> None:
    for call in (lambda: describe("ssmi"), lambda: signed("nrmse", 1.0), lambda: compute(["x"], phantom())):
        with pytest.raises(MedSynthError, match=r"There is no metric '\w+'; choose one of mae, mse"):
            call()


def test_the_real_sample_has_every_metric(sample_case: Path) -> None:
    pet = read_volume(sample_case / "pet.nii.gz", modality="PT", unit="SUVbw")
    lesion = read_volume(sample_case / "lesion.nii.gz")
    report = evaluate(pet.replace(voxels=pet.voxels * 0.8), pet, lesion=lesion)
    # Its slices are too small for a checkerboard to be told.
    assert list(report.metrics) == [name for name in EVALUATED + IN_LESION if name != "checkerboard"]
    assert any(note.startswith("checkerboard is left out: an axial slice") for note in report.settings["notes"])
    assert report.metrics["suvmax_error"] == pytest.approx(-20, abs=1e-4)
    described = report.described()
    assert {key: said["unit"] for key, said in described.items() if said["unit"]} == {
        **dict.fromkeys(("mae", "rmse", "edge_mae"), "SUVbw"),
        "mse": "SUVbw²",
        "psnr": "dB",
        **dict.fromkeys(IN_LESION, "%"),
    }
