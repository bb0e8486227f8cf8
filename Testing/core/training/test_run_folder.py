"""The best epoch of a run is found by any registered metric, in logs of this version and of earlier ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from medsynth_core.io.table import write_rows
from medsynth_core.training.run_folder import RunFolder

TODAY = {
    "val_mae": (0.3, 0.2, 0.4),
    "val_psnr": (30.0, 29.0, 31.0),
    "val_ssim_2d_wang11": (0.9, 0.8, 0.7),
    "val_nrmse_minmax": (0.03, 0.01, 0.02),
    "val_tlg_error": (-5.0, 8.0, 6.0),
}
EARLIER = {"val_mae": TODAY["val_mae"], "val_ssim": (0.9, 0.8, 0.7), "val_nrmse": (3.0, 1.0, 2.0)}


def logged(folder: Path, columns: dict[str, tuple[float, ...]]) -> RunFolder:
    """Return a run whose second epoch of four was not validated."""
    rows = [
        {"epoch": epoch, **{name: values[index] for name, values in columns.items()}}
        for index, epoch in enumerate((1, 3, 4))
    ]
    write_rows([rows[0], {"epoch": 2}, *rows[1:]], folder / "metrics.csv")
    return RunFolder(folder)


@pytest.mark.parametrize(
    ("choose_by", "epoch"),
    [("mae", 3), ("psnr", 4), ("ssim_2d_wang11", 1), ("nrmse_minmax", 3), ("tlg_error", 1)],
)
def test_the_best_epoch_by_the_metric_s_direction(tmp_path: Path, choose_by: str, epoch: int) -> None:
    assert logged(tmp_path, TODAY).best_epoch(choose_by) == epoch


@pytest.mark.parametrize(("choose_by", "epoch"), [("mae", 3), ("ssim_2d_wang11", 1), ("nrmse_minmax", 3)])
def test_a_run_of_an_earlier_version_is_read_by_todays_names(tmp_path: Path, choose_by: str, epoch: int) -> None:
    assert logged(tmp_path, EARLIER).best_epoch(choose_by) == epoch
