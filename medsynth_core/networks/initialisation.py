"""Initial weights of networks."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

# Standard deviation of the weights in pix2pix (Isola et al. 2017) and CycleGAN (Zhu et al. 2017).
SPREAD = 0.02


def initialise_normal(network: nn.Module) -> None:
    """Draw all weights anew as pix2pix and CycleGAN do, from torch's random numbers.

    Weights of convolutions and linear layers come from N(0, 0.02²), those of normalisations from N(1, 0.02²) as in the
    authors' code (the publications state only the first); biases are 0. The last layer of a residual network, whose
    weights are all 0 so that the network starts as the identity, stays as it is.
    """
    for layer in network.modules():
        norm = isinstance(layer, _NormBase)
        if not norm and not isinstance(layer, (_ConvNd, nn.Linear)):
            continue
        weight, bias = layer.weight, layer.bias
        if not isinstance(weight, Tensor) or not weight.any():
            continue
        nn.init.normal_(weight, 1.0 if norm else 0.0, SPREAD)
        if isinstance(bias, Tensor):
            nn.init.zeros_(bias)
