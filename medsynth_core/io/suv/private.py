"""Private elements of GE and Philips."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from medsynth_core.io.suv.tags import as_number, plain

_FIRST_BLOCK = 0x10
_BLOCKS = range(_FIRST_BLOCK, 0x20)


@dataclass(frozen=True)
class PrivateElement:
    """An element of a vendor's: where it lies depends on the block that its creator has reserved."""

    name: str
    group: int
    element: int
    creator: str

    def __str__(self) -> str:
        return f"{self.name} ({self.group:04X},10{self.element:02X})"

    def tags(self) -> list[tuple[int, int]]:
        """Return every tag that reading this element may need: creators, and the element in their blocks."""
        creators = [(self.group, block) for block in _BLOCKS]
        return creators + [(self.group, block << 8 | self.element) for block in _BLOCKS]

    def text(self, dataset: Dataset) -> str:
        """Return the element as text, also where its VR is unknown; "" where it is missing.

        It is looked for in the block of its creator. Programs that send or change series lose creators, so without
        one the block is taken that the vendor always uses, the first.
        """
        creators = {block: self._plain(dataset, block) for block in _BLOCKS}
        own = [block for block, creator in creators.items() if creator == self.creator]
        if not own and not creators[_FIRST_BLOCK]:
            own = [_FIRST_BLOCK]
        found = (self._plain(dataset, block << 8 | self.element) for block in own)
        return next((content for content in found if content), "")

    def number(self, dataset: Dataset) -> float:
        """Return the element as a number, 0 where it is missing.

        Raises:
            MedSynthError: it is no number.
        """
        return as_number(self.text(dataset), str(self))

    def _plain(self, dataset: Dataset, element: int) -> str:
        tag = (self.group, element)
        return plain(dataset[tag].value) if tag in dataset else ""


PHILIPS_SUV_FACTOR = PrivateElement("Philips SUV Scale Factor", 0x7053, 0x00, "Philips PET Private Group")
PHILIPS_ACTIVITY_FACTOR = PrivateElement(
    "Philips Activity Concentration Scale Factor", 0x7053, 0x09, "Philips PET Private Group"
)
GE_SCAN_TIME = PrivateElement("GE Scan DateTime", 0x0009, 0x0D, "GEMS_PETD_01")

PRIVATE_TAGS = sorted(
    {tag for element in (PHILIPS_SUV_FACTOR, PHILIPS_ACTIVITY_FACTOR, GE_SCAN_TIME) for tag in element.tags()}
)
