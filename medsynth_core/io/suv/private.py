"""Private DICOM elements of GE, Philips and Siemens."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from medsynth_core.io.suv.tags import as_number, plain

_FIRST_BLOCK = 0x10
_BLOCKS = range(_FIRST_BLOCK, 0x20)


@dataclass(frozen=True)
class PrivateElement:
    """A vendor's private element; its tag depends on the block that its private creator has reserved."""

    name: str
    group: int
    element: int
    creator: str

    def __str__(self) -> str:
        return f"{self.name} ({self.group:04X},10{self.element:02X})"

    def tags(self) -> list[tuple[int, int]]:
        """Return all tags that may be needed to read this element: private creators, and the element in each block."""
        creators = [(self.group, block) for block in _BLOCKS]
        return creators + [(self.group, block << 8 | self.element) for block in _BLOCKS]

    def text(self, dataset: Dataset) -> str:
        """Return the element as text, even if its VR is unknown; "" if it is missing.

        The element is read from the block of its private creator. Some programs drop the creator; then the first block
        is used, as the vendors do.
        """
        creators = {block: self._plain(dataset, block) for block in _BLOCKS}
        own = [block for block, creator in creators.items() if creator == self.creator]
        if not own and not creators[_FIRST_BLOCK]:
            own = [_FIRST_BLOCK]
        found = (self._plain(dataset, block << 8 | self.element) for block in own)
        return next((content for content in found if content), "")

    def number(self, dataset: Dataset) -> float:
        """Return the element as a number; 0 if it is missing.

        Raises:
            MedSynthError: the element is not a number.
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
GE_INJECTION_TIME = PrivateElement("GE Administration DateTime", 0x0009, 0x3B, "GEMS_PETD_01")
SIEMENS_DECAY_TIME = PrivateElement("Siemens Decay Correction DateTime", 0x0071, 0x22, "SIEMENS MED PT")

PRIVATE_TAGS = sorted(
    {
        tag
        for element in (
            PHILIPS_SUV_FACTOR,
            PHILIPS_ACTIVITY_FACTOR,
            GE_SCAN_TIME,
            GE_INJECTION_TIME,
            SIEMENS_DECAY_TIME,
        )
        for tag in element.tags()
    }
)
