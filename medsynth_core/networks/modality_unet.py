"""The U-Net of Qu's multi-modal synthesis: generator, modality translator, mask network and lesion segmenter."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from medsynth_core.networks.blocks import doubled, normalised


class ModalityUNet(nn.Module):
    """U-Net with four levels: (n, in_channels, h, w) → (n, out_channels, h, w) in 0…1.

    Height and width are multiples of 8, and one of them is at least 16.

    The modality is stated as one map for each, 1 for the wanted one and 0 for others, at the lowest level.

    Args:
        in_channels: channels of structure map and label, or of the image.
        out_channels: channels of the output.
        modalities: modalities to choose from; 0 for a network with a single output.
        channels: channels of the first level.
        dropout: share of the input's pixels that are left out in training.
        output_norm: normalise the output over each image before the sigmoid, as published. All images, of whatever
            modality and however much of them is background, then have the same mean and spread before the sigmoid.
        modality_scales: also scale and shift the channels on the way up by weights of each modality (as in conditional
            instance normalisation, Dumoulin et al. 2017). A convolution followed by normalisation removes a constant
            map except at the edges of the image, so that as published only the edges tell the modality.
    """

    multiple_of, spatial_dims = 8, 2
    output_range = (0.0, 1.0)

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        modalities: int = 0,
        channels: int = 64,
        dropout: float = 0.0,
        output_norm: bool = True,
        modality_scales: bool = False,
    ) -> None:
        if modality_scales and not modalities:
            raise ValueError("modality_scales needs several modalities")
        super().__init__()
        self.in_channels, self.out_channels, self.chosen = in_channels, out_channels, modalities
        n = channels
        self.dropout = nn.Dropout(dropout)
        self.levels = nn.ModuleList(
            nn.Sequential(normalised(inputs, outputs), normalised(outputs, outputs))
            for inputs, outputs in ((in_channels, n), (n, 2 * n), (2 * n, 4 * n))
        )
        # The lowest level begins with a convolution that is neither normalised nor activated, as in the author's code.
        self.smaller = nn.ModuleList(
            [normalised(n, n, stride=2), normalised(2 * n, 2 * n, stride=2), nn.Conv2d(4 * n, 4 * n, 3, 2, padding=1)]
        )
        self.lowest = normalised(4 * n + modalities, 4 * n)
        self.larger = nn.ModuleList([doubled(4 * n, 4 * n), doubled(2 * n, 2 * n), doubled(n, n)])
        self.joined = nn.ModuleList(
            nn.Sequential(normalised(inputs, outputs), normalised(outputs, outputs))
            for inputs, outputs in ((8 * n, 2 * n), (4 * n, n), (2 * n, n))
        )
        widths = (4 * n, 2 * n, n, n) if modality_scales else ()
        self.scales = nn.ModuleList(_ModalityScale(modalities, width) for width in widths)
        norm = nn.InstanceNorm2d(out_channels, affine=True) if output_norm else nn.Identity()
        self.last = nn.Sequential(nn.Conv2d(n, out_channels, 3, padding=1), norm, nn.Sigmoid())

    def forward(self, image: Tensor, modality: Tensor | None = None) -> Tensor:
        """Return the outputs for a batch.

        Args:
            image: (n, in_channels, h, w).
            modality: numbers of the wanted modalities, from 0; needed if there are several. (n) for one of each image;
                (n, m) for m of them, which costs less than m times one, because they share the way down.

        Returns:
            (n, out_channels, h, w), or (n, m, out_channels, h, w) for m modalities.

        Raises:
            ValueError: the modality is missing.
        """
        features, skips = self._encoded(self.dropout(image))
        if not self.chosen:
            return self._decoded(features, skips, None)
        if modality is None:
            raise ValueError("this network needs the number of the wanted modality for each image")
        if modality.ndim == 1:
            return self._decoded(features, skips, modality)
        return torch.stack([self._decoded(features, skips, one) for one in modality.unbind(1)], dim=1)

    def _encoded(self, features: Tensor) -> tuple[Tensor, list[Tensor]]:
        skips = []
        for level, smaller in zip(self.levels, self.smaller, strict=True):
            features = level(features)
            skips.append(features)
            features = smaller(features)
        return features, skips

    def _told(self, features: Tensor, modality: Tensor) -> Tensor:
        """Return features with a map for each modality, 1 for the wanted one."""
        maps = functional.one_hot(modality, self.chosen).to(features.dtype)
        return torch.cat([features, maps[:, :, None, None].expand(-1, -1, *features.shape[-2:])], dim=1)

    def _decoded(self, features: Tensor, skips: list[Tensor], modality: Tensor | None) -> Tensor:
        if modality is not None:
            features = self._told(features, modality)
        features = self._scaled(0, self.lowest(features), modality)
        levels = zip(self.larger, self.joined, reversed(skips), strict=True)
        for number, (larger, joined, skip) in enumerate(levels, start=1):
            features = self._scaled(number, joined(torch.cat([skip, larger(features)], dim=1)), modality)
        return self.last(features)

    def _scaled(self, level: int, features: Tensor, modality: Tensor | None) -> Tensor:
        return self.scales[level](features, modality) if len(self.scales) else features

    def reference_inputs(self) -> tuple[Tensor, ...]:
        """Return an image of 256² and, with modalities, the number of one, for counting operations."""
        image = torch.empty(1, self.in_channels, 256, 256)
        return (image, torch.zeros(1, dtype=torch.long)) if self.chosen else (image,)


class _ModalityScale(nn.Module):
    """Scale and offset of each channel by modality; without training, features stay as they are."""

    def __init__(self, modalities: int, channels: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(modalities, 2, channels))

    def forward(self, features: Tensor, modality: Tensor) -> Tensor:
        scale, offset = self.weights[modality][..., None, None].unbind(1)
        return features * (1 + scale) + offset
