"""Multi-stage cascade of U-Nets for CT→PET (Deng, Nagamune and Takada), and its single stage.

One class covers the wide stage (which is also pix2pix's U-Net for 256² images), the compact stage, and smaller stages
of the same shape. A stage halves the image size in each encoder with 4×4 convolutions and doubles it in each decoder;
encoder outputs are concatenated to decoder outputs of the same size. A block has a bias exactly when it has no batch
normalisation, as the published parameter counts require.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

WIDE = (64, 128, 256, 512, 512, 512, 512, 512)
COMPACT = (16, 24, 42, 81, 114, 162, 162, 960)

Upsample = Literal["transposed", "resize"]
Activation = Literal["post", "pre", "linear"]
# The publication has ten; a model card with a million must not fill the memory.
MOST_STAGES = 100
# Number of decoders next to the bottleneck with dropout.
DROPOUT_BLOCKS = 3


def _double(inputs: int, outputs: int, upsample: Upsample, bias: bool) -> nn.Module:
    """Return a layer that doubles height and width."""
    if upsample == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias))


class Stage(nn.Module):
    """One U-Net of the cascade: (n, in_channels, h, w) → (n, out_channels, h, w).

    Args:
        in_channels: channels of the input image.
        out_channels: channels of the output image.
        channels: output channels of each encoder, from the outermost to the innermost.
        stem: channels of an additional 3×3 convolution at full resolution, with its own skip connection;
            0, as published, for none.
        dropout: dropout probability in the three decoders next to the bottleneck.
        upsample: ``transposed`` convolutions as published, or ``resize`` (nearest neighbour, then 3×3
            convolution), which causes no checkerboard artefacts.
        visual_activation: position of the last block's tanh: ``post``, after the convolution (values in
            -1…1), ``pre``, before it (the literal reading of the publication's equation 5), or ``linear``,
            none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int],
        *,
        stem: int,
        dropout: float,
        upsample: Upsample,
        visual_activation: Activation,
    ) -> None:
        super().__init__()
        for value, known in ((upsample, get_args(Upsample)), (visual_activation, get_args(Activation))):
            if value not in known:
                raise ValueError(f"'{value}' is not one of {', '.join(known)}")
        self.stem = nn.Conv2d(in_channels, stem, 3, padding=1) if stem else None
        self.encoders = nn.ModuleList()
        inputs = stem or in_channels
        for index, outputs in enumerate(channels):
            # No activation before the first convolution, so that the image keeps its sign.
            first, normed = index == 0 and not stem, 0 < index < len(channels) - 1
            block: list[nn.Module] = [] if first else [nn.LeakyReLU(0.2)]
            block.append(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=not normed))
            self.encoders.append(nn.Sequential(*block, *([nn.BatchNorm2d(outputs)] if normed else [])))
            inputs = outputs
        self.decoders = nn.ModuleList()
        for index, outputs in enumerate((channels[-1], *reversed(channels[:-2]))):
            block = [nn.ReLU(), _double(inputs, outputs, upsample, bias=False), nn.BatchNorm2d(outputs)]
            if dropout and index < DROPOUT_BLOCKS:
                block.append(nn.Dropout(dropout))
            self.decoders.append(nn.Sequential(*block))
            inputs = outputs + channels[-2 - index]
        self.visual = nn.Sequential(
            nn.Tanh() if visual_activation == "pre" else nn.ReLU(),
            _double(inputs, stem or out_channels, upsample, bias=True),
        )
        self.full = nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(2 * stem, out_channels, 3, padding=1)) if stem else None
        self.last = nn.Tanh() if visual_activation == "post" else nn.Identity()

    def forward(self, image: Tensor) -> Tensor:
        """Return the stage's output (n, out_channels, h, w) for a batch of images (n, in_channels, h, w)."""
        fine = self.stem(image) if self.stem is not None else image
        features, skips = fine, []
        for encoder in self.encoders:
            features = encoder(features)
            skips.append(features)
        for decoder, skip in zip(self.decoders, reversed(skips[:-1]), strict=True):
            features = torch.cat([decoder(features), skip], dim=1)
        features = self.visual(features)
        if self.full is not None:
            features = self.full(torch.cat([features, fine], dim=1))
        return self.last(features)


class Cascade(nn.Module):
    """Cascade of stages: each takes the output of the previous one.

    Height and width must be multiples of `multiple_of`.

    Args:
        channels: output channels of each encoder of a stage.
        stages: number of stages.
        in_channels: channels of the network's input.
        out_channels: channels of every stage's output.
        see_input: concatenate the network's input to the input of later stages (not as published).
        stem: as in `Stage`.
        dropout: as in `Stage`.
        upsample: as in `Stage`.
        visual_activation: as in `Stage`.
    """

    def __init__(
        self,
        channels: Sequence[int],
        *,
        stages: int = 1,
        in_channels: int = 3,
        out_channels: int = 3,
        see_input: bool = False,
        stem: int = 0,
        dropout: float = 0.5,
        upsample: Upsample = "transposed",
        visual_activation: Activation = "post",
    ) -> None:
        super().__init__()
        if not 1 <= stages <= MOST_STAGES or len(channels) < 3:
            raise ValueError(f"a cascade needs 1 to {MOST_STAGES} stages, and a stage at least three encoders")
        self.see_input = see_input
        self.in_channels, self.out_channels = in_channels, out_channels
        self.multiple_of = 2 ** len(channels)
        later = out_channels + (in_channels if see_input else 0)
        self.stages = nn.ModuleList(
            Stage(
                later if index else in_channels,
                out_channels,
                channels,
                stem=stem,
                dropout=dropout,
                upsample=upsample,
                visual_activation=visual_activation,
            )
            for index in range(stages)
        )

    def images(self, image: Tensor) -> list[Tensor]:
        """Return the outputs (n, out_channels, h, w) of all stages, in order."""
        first, *later = self.stages
        made = [first(image)]
        for stage in later:
            made.append(stage(torch.cat([made[-1], image], dim=1) if self.see_input else made[-1]))
        return made

    def forward(self, image: Tensor) -> Tensor:
        """Return the last stage's output (n, out_channels, h, w) for a batch (n, in_channels, h, w)."""
        return self.images(image)[-1]
