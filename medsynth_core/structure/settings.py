"""Settings of structure maps and background masks, with presets for kinds of images."""

from __future__ import annotations

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
    sigma2: float = 0.3
    beta: float = 0.05
    median: int = 5
    gamma: float | None = None
    grow: int = 2
    background_median: int = 5
    fill: bool = False
    window: tuple[float, float] | None = None
    clip: float = 0.0

    def __post_init__(self) -> None:
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
            low, high = self.window
            self._check("window", low < high and high - low < float("inf"), "two values, the lower one first")

    def _check(self, name: str, right: bool, wanted: str) -> None:
        if not right:
            raise MedSynthError(
                f"The setting '{name}' of the structure map is {getattr(self, name)}; choose {wanted}.", kind="settings"
            )

    def with_values(self, **values: Any) -> StructureSettings:
        """Return the settings with other values for those that are not None."""
        return replace(self, **{name: value for name, value in values.items() if value is not None})

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return asdict(self)


# The first three have the values of the author's code, but for thresholds that depend on the size and range of the
# images: α of X-rays is 0.009 there for 1500² pixels, of fundus photographs 0.014 for 512², with γ = 0.3; for lung CT
# they were set case by case. These are found in the image here. The others were chosen by eye on training cases.
PRESETS: dict[str, StructureSettings] = {
    "brain-mr": StructureSettings(
        sigma1=0.01, alpha=0.035, sigma2=0.01, beta=0.0, median=5, gamma=0.3, grow=10, background_median=5
    ),
    "x-ray": StructureSettings(sigma2=0.5, median=3, gamma=0.15, background_median=17),
    "fundus": StructureSettings(sigma2=0.5, median=5, grow=0, background_median=17, fill=True, clip=0.001),
    "lung-ct": StructureSettings(sigma2=0.5, median=3, gamma=0.4, fill=True, window=(-1000.0, 400.0)),
    "extremity-ct": StructureSettings(sigma1=1.0, sigma2=0.5, median=3, gamma=0.1, fill=True, window=(-200.0, 300.0)),
    "extremity-mr": StructureSettings(sigma1=1.0, sigma2=0.5, median=3, fill=True, clip=0.005),
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
