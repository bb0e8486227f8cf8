"""Mutations that the tests once missed, by name; each must change the file, and be noticed from now on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Named:
    """A replacement of a text that stands once in a file of the package."""

    name: str
    file: str
    before: str
    after: str


NAMED = (
    Named(
        "LeakyReLU with a slope of 0.1",
        "networks/cascade.py",
        "[] if first else [nn.LeakyReLU(0.2)]",
        "[] if first else [nn.LeakyReLU(0.1)]",
    ),
    Named(
        "LeakyReLU in the U-Net of Dong et al.",
        "networks/unet.py",
        "if normalise else [nn.ReLU()]",
        "if normalise else [nn.LeakyReLU(0.2)]",
    ),
    Named(
        "tanh as the gate of DSGGAN's skip connections",
        "networks/dsggan.py",
        "features * torch.sigmoid(self.gate(both))",
        "features * torch.tanh(self.gate(both))",
    ),
    Named(
        "residual twice as large",
        "networks/mlnet3d.py",
        "return image[:, :1] + made if self.residual",
        "return image[:, :1] + 2 * made if self.residual",
    ),
    Named(
        "dose head on all voxels",
        "networks/mlnet3d.py",
        "adaptive_avg_pool3d((image[:, :1] > 0)",
        "adaptive_avg_pool3d((image[:, :1] > -1e9)",
    ),
    Named(
        "CG-3DSRGAN's L1 on the refined image",
        "systems/cg3dsrgan.py",
        "losses = self.coarse(coarse, target)",
        "losses = self.coarse(refined, target)",
    ),
    Named(
        "DSGGAN's loss of the first stage on the second",
        "systems/dsggan.py",
        "self.structure(images[0], target)",
        "self.structure(images[-1], target)",
    ),
    Named(
        "CycleGAN's identity loss without its own weight",
        "systems/cyclegan.py",
        "weights.cycle * weights.identity * losses",
        "weights.cycle * losses",
    ),
    Named(
        "moving average without its warm-up",
        "training/ema.py",
        "min(self._decay, step / (step + _WARM_UP))",
        "self._decay",
    ),
    Named(
        "mirror along the wrong axis",
        "training/augmentation.py",
        "spatial_axis=1)",
        "spatial_axis=0)",
    ),
)
