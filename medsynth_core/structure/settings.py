"""Settings of structure maps and background masks, with presets for kinds of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from medsynth_core.errors import MedSynthError

# Largest values that make sense: pixels of a standard deviation, a median filter and the growth of a mask.
MOST_SIGMA, MOST_MEDIAN, MOST_GROWTH = 10.0, 63, 256


@dataclass(frozen=True)
class StructureSettings:
    """Parameters of Algorithm 1 (structure map) and Algorithm 2 (background mask) of Qu's thesis.

    Images are scaled to 0…1 first, so that thresholds are shares of their range. None stands for a threshold that is
    found in the image.

    Attributes:
        sigma1: standard deviation (pixels) of the 3-tap Gaussian that smooths the edges.
        alpha: threshold (0…1) of the edges, above the mean of the stronger and below that of the weaker direction.
        sigma2: standard deviation (pixels) of the 3-tap Gaussian that widens the lines and closes their gaps.
        beta: threshold (0…1) of the widened lines.
        median: side (pixels, odd) of the median filter of the map.
        gamma: threshold (0…1) above which a pixel belongs to the organ.
        grow: pixels by which the mask is enlarged about the middle of the image.
        background_median: side (pixels, odd) of the median filter of the mask.
        fill: holes in the organ belong to it.
        window: the two values that become 0 and 1, in the unit of the image; None for its lowest and highest value.
        clip: share of the pixels (0 to 0.1) that are below or above these, where there is no window.

    Raises:
        MedSynthError: a value is outside its range.
    """

    sigma1: float = 0.4
    alpha: float | None = None
    sigma2: float = 0.5
    beta: float = 0.05
    median: int = 3
    gamma: float | None = None
    grow: int = 2
    background_median: int = 5
    fill: bool = False
    window: tuple[float, float] | None = None
    clip: float = 0.0

    def __post_init__(self) -> None:
        for name in ("sigma1", "sigma2", "alpha", "beta", "gamma", "clip"):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            self._check(name, number or (value is None and name in ("alpha", "gamma")), "a number")
        for name in ("median", "background_median", "grow"):
            value = getattr(self, name)
            self._check(name, isinstance(value, int) and not isinstance(value, bool), "a whole number")
        self._check("fill", isinstance(self.fill, bool), "true or false")
        for name in ("sigma1", "sigma2"):
            self._check(name, 0.0 <= getattr(self, name) <= MOST_SIGMA, f"0 to {MOST_SIGMA:g} pixels")
        for name in ("alpha", "beta", "gamma"):
            value = getattr(self, name)
            self._check(name, value is None or 0.0 <= value <= 1.0, "0 to 1")
        for name in ("median", "background_median"):
            side = getattr(self, name)
            self._check(name, side % 2 == 1 and 1 <= side <= MOST_MEDIAN, f"an odd number from 1 to {MOST_MEDIAN}")
        self._check("clip", 0.0 <= self.clip <= 0.1, "0 to 0.1")
        self._check("grow", 0 <= self.grow <= MOST_GROWTH, f"0 to {MOST_GROWTH} pixels")
        if self.window is not None:
            pair = len(self.window) == 2 and all(isinstance(end, int | float) for end in self.window)
            self._check("window", pair, "two values, the lower one first")
            low, high = self.window
            self._check("window", low < high and high - low < float("inf"), "two values, the lower one first")

    def _check(self, name: str, right: bool, wanted: str) -> None:
        if not right:
            raise MedSynthError(
                f"The setting '{name}' of the structure map is {getattr(self, name)}; choose {wanted}.", kind="settings"
            )

    def with_values(self, **values: Any) -> StructureSettings:
        """Return the settings with other values for those that are not None.

        Raises:
            MedSynthError: there is no such setting, or a value is outside its range.
        """
        for name in values:
            if name not in self.__dataclass_fields__:
                raise MedSynthError(
                    f"Structure maps have no setting '{name}'; choose one of {', '.join(self.__dataclass_fields__)}.",
                    kind="settings",
                )
        given = {name: value for name, value in values.items() if value is not None}
        if isinstance(given.get("window"), list):  # as JSON has it
            given["window"] = tuple(given["window"])
        return replace(self, **given)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return asdict(self)


# Brain MR and X-rays have the values of the author's code, but for the α of X-rays (0.009 for 1500² pixels), which
# depends on the size of the image and is found in it here. Fundus photographs have σ2 = 0.3, α = 0.014, γ = 0.3 and a
# growth of 10 pixels there, for 512²: with σ2 = 0.3 no line gets wider, so that the median of 5 × 5 removes thin
# vessels of larger photographs. For lung CT, thresholds were set case by case. The others were chosen by eye on
# training cases.
PRESETS: dict[str, StructureSettings] = {
    "brain-mr": StructureSettings(
        sigma1=0.01, alpha=0.035, sigma2=0.01, beta=0.0, median=5, gamma=0.3, grow=10, background_median=5
    ),
    "x-ray": StructureSettings(gamma=0.15, background_median=17),
    "fundus": StructureSettings(median=5, grow=0, background_median=17, fill=True, clip=0.001),
    "lung-ct": StructureSettings(gamma=0.4, fill=True, window=(-1000.0, 400.0)),
    "extremity-ct": StructureSettings(sigma1=1.0, gamma=0.1, fill=True, window=(-200.0, 300.0)),
    "extremity-mr": StructureSettings(sigma1=1.0, fill=True, clip=0.005),
}


def preset(name: str) -> StructureSettings:
    """Return the settings of a preset.

    Raises:
        MedSynthError: there is no such preset.
    """
    if name not in PRESETS:
        raise MedSynthError(
            f"There is no preset '{name}' for structure maps; choose one of {', '.join(PRESETS)}.", kind="settings"
        )
    return PRESETS[name]


def settings_for(name: str = "", values: Mapping[str, Any] | None = None) -> StructureSettings:
    """Return the settings of a preset, with other values for some of them.

    Args:
        name: name of the preset; "" for automatic thresholds.
        values: values by the name of the setting; None leaves the setting as it is.

    Raises:
        MedSynthError: there is no such preset or setting, or a value is outside its range.
    """
    return (preset(name) if name else StructureSettings()).with_values(**(values or {}))
