"""Where and how a training computes: one process on one device, or several processes through Accelerate."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from medsynth_core.errors import MedSynthError
from medsynth_core.inference.device import choose_device
from medsynth_core.training.recipe import Recipe

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Engine:
    """One process on one device.

    Attributes:
        device: where the networks are.
        rank: number of this process, from 0.
        world: how many processes train together.
    """

    rank = 0
    world = 1

    def __init__(self, device: torch.device, recipe: Recipe) -> None:
        self.device = device
        self._dtype = DTYPES.get(recipe.precision)
        if self._dtype is torch.float16 and device.type != "cuda":
            raise MedSynthError(
                f"The recipe '{recipe.name}' computes in float16, which only CUDA devices do; set precision to "
                "bfloat16 or float32.",
                kind="device",
            )
        # The gradients of half-precision numbers vanish unless the loss is scaled up.
        self._scaler = torch.amp.GradScaler(device.type, enabled=self._dtype is torch.float16)

    def prepare(self, network: nn.Module) -> nn.Module:
        """Return the network on the device."""
        return network.to(self.device)

    def autocast(self) -> AbstractContextManager[Any]:
        """Return a context in which networks compute in the recipe's precision."""
        return torch.autocast(self.device.type, dtype=self._dtype, enabled=self._dtype is not None)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of ``loss`` to those that the parameters have."""
        self._scaler.scale(loss).backward()

    def descend(self, optimiser: torch.optim.Optimizer, network: nn.Module, clip_norm: float) -> None:
        """Take an optimiser's step along the gradients of a network, averaged over processes and clipped."""
        # Averaged first: what overflowed in one process must keep all of them from stepping.
        self._average_gradients(network)
        self._scaler.unscale_(optimiser)
        if clip_norm:
            nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
        self._scaler.step(optimiser)
        self._scaler.update()

    def _average_gradients(self, network: nn.Module) -> None:
        """One process has nothing to average."""

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over processes."""
        return values

    def gather(self, items: list[Any]) -> list[Any]:
        """Return the items of all processes, those of the first one first."""
        return items

    def average_buffers(self, network: nn.Module) -> None:
        """Give every process the mean of the running statistics of batch normalisations."""

    def wait(self) -> None:
        """Return when every process has come here."""

    def state(self) -> dict[str, Any]:
        """Return what another step depends on."""
        return self._scaler.state_dict()

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self._scaler.load_state_dict(state)


class AccelerateEngine(Engine):
    """Several processes, on one machine or many, started by ``accelerate launch`` or ``torchrun``.

    Every process has the same networks and a share of each batch; gradients are averaged in one message a network
    before each optimiser's step. A generative adversarial training has several networks that take turns, which
    wrappers that average during the backward pass do not expect.
    """

    def __init__(self, recipe: Recipe, device: str) -> None:
        try:
            from accelerate import Accelerator
        except ImportError as error:
            raise MedSynthError(
                "Training in several processes needs the package accelerate; install it with: "
                "pip install 'medsynth-core[scale]'.",
                kind="device",
            ) from error
        self._accelerator = Accelerator(cpu=device == "cpu")
        device_of_process = self._accelerator.device
        # Accelerate numbers the CPU for each process, which torch does not understand everywhere.
        super().__init__(torch.device("cpu") if device_of_process.type == "cpu" else device_of_process, recipe)
        self.rank, self.world = self._accelerator.process_index, self._accelerator.num_processes
        if recipe.batch_size % self.world:
            raise MedSynthError(
                f"A batch of {recipe.batch_size} slices cannot be shared evenly between {self.world} processes; change "
                "batch_size of the recipe, which counts the slices of all processes together."
            )

    def prepare(self, network: nn.Module) -> nn.Module:
        """Return the network on the device; batch normalisations of GPUs take their statistics over processes."""
        if self.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return network.to(self.device)

    def _average_gradients(self, network: nn.Module) -> None:
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        if not gradients:
            return
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over processes."""
        return self._accelerator.reduce(values.to(self.device), reduction="mean")

    def gather(self, items: list[Any]) -> list[Any]:
        """Return the items of all processes, those of the first one first."""
        from accelerate.utils import gather_object

        return gather_object(items)

    def average_buffers(self, network: nn.Module) -> None:
        """Give every process the mean of the running statistics of batch normalisations."""
        for buffer in network.buffers():
            if buffer.is_floating_point():
                buffer.copy_(self.mean(buffer))

    def wait(self) -> None:
        """Return when every process has come here."""
        self._accelerator.wait_for_everyone()


def choose_engine(recipe: Recipe, device: str) -> Engine:
    """Return the engine of this process: several processes if a launcher has started them, else one.

    Raises:
        MedSynthError: no such device, or the recipe cannot be computed on it or shared between the processes.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return AccelerateEngine(recipe, device)
    return Engine(choose_device(device), recipe)
