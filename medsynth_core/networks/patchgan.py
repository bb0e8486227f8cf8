"""PatchGAN: a discriminator that judges overlapping patches of an image (Isola et al., pix2pix)."""

from __future__ import annotations

from torch import Tensor, nn


class PatchGAN(nn.Module):
    """Logits, one a 70×70 patch: (n, in_channels, h, w) → (n, 1, h/8 - 2, w/8 - 2).

    Args:
        in_channels: channels of condition and image together.
        channels: output channels of the first layer.
        layers: strided layers; 3 give patches of 70 pixels.
    """

    def __init__(self, in_channels: int = 6, channels: int = 64, layers: int = 3) -> None:
        # Here, because MONAI takes seconds to import and synthesis with other networks does without.
        from monai.networks.nets import PatchDiscriminator

        super().__init__()
        self.in_channels = in_channels
        self.net = PatchDiscriminator(spatial_dims=2, channels=channels, in_channels=in_channels, num_layers_d=layers)

    def forward(self, image: Tensor) -> Tensor:
        """Return the patch logits; MONAI's discriminator also returns features, which are not used here."""
        return self.net(image)[-1]
