"""Curves of trainings: panels, positions and labels."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from skimage.io import imread

from medsynth_core.errors import MedSynthError
from medsynth_core.experiments.figures.training_curves import Curve, draw_curves, write_curves

Row = dict[str, Any]


def log(epochs: int = 12, offset: float = 0.0, best: int = 9) -> list[Row]:
    """Return rows of a log, validated at every third epoch; its MAE is lowest at ``best``."""
    rows = []
    for epoch in range(1, epochs + 1):
        values = {
            "ssim_2d_wang11": 0.8 + offset + epoch / 100,
            "psnr": 25 + epoch / 10,
            "mae": 0.1 + abs(epoch - best) / 100,
        }
        validated = epoch % 3 == 0
        rows.append({"epoch": epoch, **{f"val_{name}": v if validated else "" for name, v in values.items()}})
    return rows


def lines(axes: Axes, label: str) -> list[Any]:
    return [line for line in axes.lines if line.get_label() == label]


def test_three_panels_show_the_validated_epochs_of_every_run() -> None:
    figure = draw_curves({"U-Net": log(), "3 stages": log(offset=0.05)}, unit="SUVbw")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [
        "SSIM of slices (Gaussian 11 × 11)\n(higher is better)",
        "PSNR\n(dB, higher is better)",
        "MAE\n(SUVbw, lower is better)",
    ]
    assert [axes.get_xlabel() for axes in figure.axes] == ["Epoch"] * 3
    ssim, psnr, mae = figure.axes
    assert lines(ssim, "U-Net")[0].get_xdata().tolist() == [3, 6, 9, 12]
    assert lines(ssim, "3 stages")[0].get_ydata() == pytest.approx([0.88, 0.91, 0.94, 0.97])
    assert lines(psnr, "U-Net")[0].get_ydata() == pytest.approx([25.3, 25.6, 25.9, 26.2])
    assert lines(mae, "U-Net")[0].get_ydata() == pytest.approx([0.16, 0.13, 0.10, 0.13])


def test_a_dot_marks_the_chosen_epoch_in_every_panel() -> None:
    figure = draw_curves({"U-Net": log(best=9)})
    dots = [lines(axes, "_chosen")[0].get_xydata().tolist()[0] for axes in figure.axes]
    assert [x for x, _ in dots] == [9, 9, 9]
    assert [y for _, y in dots] == pytest.approx([0.89, 25.9, 0.10])
    assert figure.legends[0].get_texts()[-1].get_text() == "chosen epoch (lowest MAE)"
    by_psnr = draw_curves({"U-Net": log(best=9)}, choose_by="psnr")
    assert lines(by_psnr.axes[0], "_chosen")[0].get_xdata().tolist() == [12]
    assert by_psnr.legends[0].get_texts()[-1].get_text() == "chosen epoch (highest PSNR)"
    rows = [{**row, "val_nrmse_minmax": {3: 0.02, 6: 0.01}.get(row["epoch"], "")} for row in log(best=9)]
    assert len(draw_curves({"U-Net": rows}).axes) == 3
    by_another = draw_curves({"U-Net": rows}, choose_by="nrmse_minmax")  # which then has a panel too
    assert lines(by_another.axes[2], "_chosen")[0].get_xdata().tolist() == [6] and len(by_another.axes) == 4


def test_logs_of_earlier_versions_are_drawn_by_today_s_names_and_units() -> None:
    earlier = [
        {"val_ssim" if key == "val_ssim_2d_wang11" else key: value for key, value in row.items()}
        | {"val_nrmse": {3: 2.0, 6: 1.0}.get(row["epoch"], "")}
        for row in log()
    ]
    figure = draw_curves({"old": earlier, "new": log()}, choose_by="nrmse")
    ssim, *_, nrmse = figure.axes
    assert lines(ssim, "old")[0].get_ydata() == pytest.approx(lines(ssim, "new")[0].get_ydata())
    assert nrmse.get_title() == "NRMSE (min-max)\n(lower is better)"
    assert lines(nrmse, "old")[0].get_ydata() == pytest.approx([0.02, 0.01])
    assert lines(nrmse, "_chosen")[0].get_xdata().tolist() == [6]


def test_ten_runs_are_told_apart_and_named_once_outside_the_panels() -> None:
    names = [f"{number} stages" for number in range(1, 11)]
    figure = draw_curves({name: log(offset=n / 100) for n, name in enumerate(names)})
    assert [text.get_text() for text in figure.legends[0].get_texts()][:-1] == names
    styles = {(line.get_color(), line.get_linestyle()) for name in names for line in lines(figure.axes[0], name)}
    assert len(styles) == 10
    figure.canvas.draw()
    legend = figure.legends[0].get_window_extent()
    assert all(not legend.overlaps(axes.get_tightbbox()) for axes in figure.axes)
    width, height = figure.canvas.get_width_height(physical=True)
    assert 0 <= legend.x0 < legend.x1 <= width
    assert 0 <= legend.y0 < legend.y1 <= height


def test_long_names_take_fewer_columns_and_stay_in_the_figure() -> None:
    figure = draw_curves({f"a cascade of {n} compact stages with {n} losses": log() for n in range(7)})
    figure.canvas.draw()
    legend = figure.legends[0].get_window_extent()
    assert legend.x1 <= 2000
    assert all(not legend.overlaps(axes.get_tightbbox()) for axes in figure.axes)


def test_text_gaps_and_infinite_values_of_a_log_are_read(tmp_path: Path) -> None:
    rows = log()
    rows[2]["val_psnr"] = math.inf
    rows[5]["val_psnr"] = "nan"
    with (tmp_path / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with (tmp_path / "metrics.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert Curve.of(read, "psnr").epochs == [9, 12]
    assert Curve.of(read, "mae") == Curve.of(rows, "mae")
    assert Curve.of(read, "mae").best("mae") == 9


def test_a_metric_that_no_run_recorded_has_no_panel() -> None:
    old = [{key: value for key, value in row.items() if key != "val_ssim_2d_wang11"} for row in log()]
    assert [axes.get_title()[:4] for axes in draw_curves({"old": old}).axes] == ["PSNR", "MAE\n"]
    both = draw_curves({"old": old, "new": log()})
    assert len(both.axes) == 3
    assert len(lines(both.axes[0], "old")[0].get_xdata()) == 0


def test_the_axes_ignore_the_first_epochs_and_say_so() -> None:
    rows = [{"epoch": e, "val_mae": 0.1 + 50 * math.exp(-e)} for e in range(1, 101)]
    figure = draw_curves({"U-Net": rows})
    assert figure.axes[0].get_ylim()[1] < 0.2
    assert "may lie outside" in figure.texts[-1].get_text()
    assert "may lie outside" not in draw_curves({"U-Net": log()}).texts[-1].get_text()


def test_long_trainings_show_a_running_median_over_their_faint_values() -> None:
    values = [0.5 + (0.3 if epoch == 20 else 0) for epoch in range(60)]
    figure = draw_curves({"U-Net": [{"epoch": e, "val_ssim": v} for e, v in enumerate(values)]}, choose_by="ssim")
    axes = figure.axes[0]
    assert lines(axes, "_values")[0].get_ydata() == pytest.approx(values)
    assert np.ptp(lines(axes, "U-Net")[0].get_ydata()) == 0
    assert lines(axes, "_chosen")[0].get_xydata().tolist() == [[20, pytest.approx(0.8)]]
    assert "running median" in figure.texts[-1].get_text()


def test_a_single_epoch_can_be_seen() -> None:
    figure = draw_curves({"U-Net": [{"epoch": 1, "val_mae": 0.5}]}, choose_by="ssim")
    assert lines(figure.axes[0], "U-Net")[0].get_marker() == "."


def test_nothing_to_draw_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MedSynthError, match="at least one run"):
        write_curves({}, tmp_path / "curves.png")
    with pytest.raises(MedSynthError, match="'new' has no validated epoch"):
        write_curves({"old": log(), "new": [{"epoch": 1, "val_mae": ""}]}, tmp_path / "curves.png")
    assert list(tmp_path.iterdir()) == []


def test_the_png_is_as_wide_as_the_other_figures(tmp_path: Path) -> None:
    path = write_curves({"U-Net": log(), "$x_1$ and 100 %": log(offset=0.1)}, tmp_path / "curves.png")
    image = imread(path)
    assert image.shape[1] == 2000
    assert (image[..., :3].min(axis=-1) < 100).mean() > 0.01
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]
