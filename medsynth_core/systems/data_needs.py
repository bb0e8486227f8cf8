"""The data that a training needs: the images of a case, and whether they must be paired."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth_core.io.pictures import Channel


@dataclass(frozen=True)
class Role:
    """A column of a manifest that contains images.

    Attributes:
        name: column name (``ct``, ``pet``, ``mr_t1``, …).
        modality: DICOM modality of the images; ``""`` for any.
        unit: unit of the voxels; ``""`` for any.
        pictures: whether the files may be pictures (PNG, JPEG, TIFF, BMP).
        colours: whether they are pictures in colour.
        channel: what of a colour picture is used; None refuses colours unless ``colours`` is set.
    """

    name: str
    modality: str = ""
    unit: str = ""
    pictures: bool = False
    colours: bool = False
    channel: Channel | None = None


def check_classes(names: tuple[str, ...]) -> None:
    """Check the names of classes in a recipe.

    Raises:
        ValueError: one is listed twice, is empty, or has spaces at its ends.
    """
    if len(set(names)) < len(names) or not all(name.strip() == name != "" for name in names):
        raise ValueError("classes: list each class once, by a name without spaces at its ends")


@dataclass(frozen=True)
class DataNeeds:
    """The images that a training reads.

    Attributes:
        roles: columns, each once; the other images are compared with those of the first.
        paired: whether each case needs an image of every role. If not, training cases need only one of them, while
            validation and test cases must still be pairs.
        optional: roles that may be missing in a case.
        simulated: whether the network's inputs are simulated from the first image (low-dose PET).
        patches: whether batches hold patches of volumes instead of slices.
        sides: names of roles that an unpaired training can use only together, usually the inputs and the outputs. A
            training case needs every role of at least one side, except optional ones, and must not have only part of
            any. Empty if every image can be used alone.
        classes: classes of the cases, in the order of their numbers; each case needs one of them. Empty if the training
            uses none.
        by_modality: whether slices of each modality are drawn by themselves, with what belongs to them.
    """

    roles: tuple[Role, ...]
    paired: bool = True
    optional: tuple[str, ...] = ()
    simulated: bool = False
    patches: bool = False
    sides: tuple[tuple[str, ...], ...] = ()
    by_modality: bool = False
    classes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(role.name for role in self.roles)
