"""MONAI's residual U-Net, the standard baseline for published systems."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class ResidualUNet(nn.Module):
    """MONAI's 2-D U-Net with residual units: (n, in_channels, h, w) → (n, out_channels, h, w)."""

    def __init__(
        self, in_channels: int = 1, out_channels: int = 1, channels: Sequence[int] = (24, 48, 96, 192, 256)
    ) -> None:
        # Imported here, because importing MONAI takes seconds and synthesis with other networks does not need it.
        from monai.networks.nets import UNet

        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.multiple_of = 2 ** (len(channels) - 1)
        self.net = UNet(2, in_channels, out_channels, channels, (2,) * (len(channels) - 1), num_res_units=2)

    def forward(self, image: Tensor) -> Tensor:
        """Return the output for a batch of images."""
        return self.net(image)
