"""PatchGAN: a discriminator that classifies overlapping patches of an image (Isola et al., pix2pix)."""

from __future__ import annotations

from torch import Tensor, nn


class PatchGAN(nn.Module):
    """One logit per patch: (n, in_channels, h, w) → (n, 1, h/8 - 2, w/8 - 2), patches of 70×70 pixels.

    In three dimensions a padding of 2 makes slabs of 16 slices thick enough.

    Args:
        in_channels: channels of condition and image together.
        channels: output channels of the first layer.
        layers: strided layers; 3 give patches of 70 pixels.
        spatial_dims: 2 or 3.
        padding: padding of every layer.
    """

    def __init__(
        self, in_channels: int = 6, channels: int = 64, layers: int = 3, spatial_dims: int = 2, padding: int = 1
    ) -> None:
        # Imported here, because importing MONAI takes seconds and synthesis with other networks does not need it.
        from monai.networks.nets import PatchDiscriminator

        super().__init__()
        self.in_channels, self.spatial_dims = in_channels, spatial_dims
        self.net = PatchDiscriminator(
            spatial_dims=spatial_dims,
            channels=channels,
            in_channels=in_channels,
            num_layers_d=layers,
            padding=padding,
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return the patch logits; MONAI's discriminator also returns features, which are not used here."""
        return self.net(image)[-1]
