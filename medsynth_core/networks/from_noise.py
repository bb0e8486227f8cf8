"""Generator of several modalities from noise: Qu's generators of structure maps and of images in one network."""

from __future__ import annotations

from torch import Tensor, nn

from medsynth_core.networks.modality_unet import ModalityUNet
from medsynth_core.networks.structure_vae import WIDTH, StructureGenerator


class ModalitiesFromNoise(nn.Module):
    """Both steps of section 4.6 of Qu's thesis: `maps` of a code, and the image of a modality from a map.

    Calling the network is the second step, so that it is trained and used as `ModalityUNet` is.

    Args:
        size, latent, width, mask_channels, mask_dropout: of `maps`, as for `StructureGenerator`.
        in_channels, modalities, channels, dropout, out_channels, output_norm, modality_scales: of `contrasts`, as for
            `ModalityUNet`; an image in colour has three output channels.
    """

    multiple_of, spatial_dims = 8, 2
    output_range = ModalityUNet.output_range

    def __init__(
        self,
        size: int = 512,
        latent: int = 4096,
        width: int = WIDTH,
        mask_channels: int = 32,
        mask_dropout: float = 0.1,
        in_channels: int = 2,
        modalities: int = 4,
        channels: int = 64,
        dropout: float = 0.0,
        out_channels: int = 1,
        output_norm: bool = True,
        modality_scales: bool = False,
    ) -> None:
        super().__init__()
        self.maps = StructureGenerator(size, latent, width, mask_channels, mask_dropout)
        self.contrasts = ModalityUNet(
            in_channels, out_channels, modalities, channels, dropout, output_norm, modality_scales
        )
        self.size, self.latent, self.in_channels, self.chosen = size, latent, in_channels, modalities
        self.out_channels = out_channels

    def forward(self, image: Tensor, modality: Tensor | None = None) -> Tensor:
        """Return the images of modalities, as `ModalityUNet`: (n, in_channels, h, w) → (n, out_channels, h, w)."""
        return self.contrasts(image, modality)

    def reference_inputs(self) -> tuple[Tensor, ...]:
        """Return an input of 256² for counting operations: those of an image, without its map."""
        return self.contrasts.reference_inputs()
