"""Execution of a training: one process on one device, or several processes through Accelerate."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from medsynth_core.compute.device import choose_device, computes_bfloat16
from medsynth_core.errors import MedSynthError
from medsynth_core.systems.settings import SystemSettings

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Engine:
    """One process on one device.

    Attributes:
        device: device of the networks.
        precision: that in which networks compute: that of the recipe, or ``float32`` instead of ``bfloat16`` on a
            device that would only emulate it.
        rank: number of this process, from 0.
        world: number of processes that train together.
    """

    rank = 0
    world = 1

    def __init__(self, device: torch.device, settings: SystemSettings) -> None:
        self.device = device
        self._emulated = settings.precision == "bfloat16" and not computes_bfloat16(device)
        self.precision = "float32" if self._emulated else settings.precision
        self._dtype = DTYPES.get(self.precision)
        if self._dtype is torch.float16 and device.type != "cuda":
            raise MedSynthError(
                f"The recipe '{settings.name}' uses precision float16, which only CUDA devices support; set precision "
                "to bfloat16 or float32.",
                kind="device",
            )
        # Half-precision gradients underflow unless the loss is scaled.
        self._scaler = torch.amp.GradScaler(device.type, enabled=self._dtype is torch.float16)

    def notes(self) -> list[str]:
        """Return sentences for the user about how this device computes."""
        if not self._emulated:
            return []
        return [
            f"The device '{self.device}' has no instructions for bfloat16, which the recipe asks for, and would "
            "emulate it slowly; the training computes in float32."
        ]

    def prepare(self, network: nn.Module) -> nn.Module:
        """Return the network on the device."""
        return network.to(self.device)

    def autocast(self) -> AbstractContextManager[Any]:
        """Return a context in which networks compute in `precision`."""
        return torch.autocast(self.device.type, dtype=self._dtype, enabled=self._dtype is not None)

    def backward(self, loss: Tensor) -> None:
        """Accumulate the gradients of ``loss`` in the parameters."""
        self._scaler.scale(loss).backward()

    def descend(self, optimiser: torch.optim.Optimizer, network: nn.Module, clip_norm: float) -> None:
        """Take an optimiser step with the gradients of a network, averaged over processes and clipped."""
        # Averaged first, so that an overflow in one process makes all of them skip the step.
        self._average_gradients(network)
        self._scaler.unscale_(optimiser)
        if clip_norm:
            nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
        self._scaler.step(optimiser)
        self._scaler.update()

    def _average_gradients(self, network: nn.Module) -> None:
        """Do nothing: a single process has nothing to average."""

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over processes."""
        return values

    def gather(self, items: list[Any]) -> list[Any]:
        """Return the items of all processes, those of the first one first."""
        return items

    def average_buffers(self, network: nn.Module) -> None:
        """Give every process the mean of the running statistics of batch normalisations."""

    def wait(self) -> None:
        """Wait until every process has reached this point."""

    def state(self) -> dict[str, Any]:
        """Return the complete state, for a checkpoint."""
        return self._scaler.state_dict()

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore a `state`."""
        self._scaler.load_state_dict(state)


class AccelerateEngine(Engine):
    """Several processes, on one machine or many, started by ``accelerate launch`` or ``torchrun``.

    Every process has the same networks and a part of each batch; gradients are averaged in one message per network
    before each optimiser step. Wrappers that average during the backward pass do not support the alternating updates
    of several networks in adversarial training.
    """

    def __init__(self, settings: SystemSettings, device: str) -> None:
        try:
            from accelerate import Accelerator
        except ImportError as error:
            raise MedSynthError(
                "Training in several processes requires the package accelerate; install it with: "
                "pip install 'medsynth-core[scale]'.",
                kind="device",
            ) from error
        # Accelerate supports several processes on a CPU only with cpu=True.
        self._accelerator = Accelerator(cpu=choose_device(device).type == "cpu")
        device_of_process = self._accelerator.device
        # Accelerate numbers CPU devices by process, which not all of torch supports.
        super().__init__(torch.device("cpu") if device_of_process.type == "cpu" else device_of_process, settings)
        self.rank, self.world = self._accelerator.process_index, self._accelerator.num_processes
        if self.world != int(os.environ["WORLD_SIZE"]):
            raise MedSynthError(
                f"Several processes cannot train together on the device '{self.device}' of this computer; start only "
                "one, or use --device cpu.",
                kind="device",
            )
        if settings.batch_size % self.world:
            raise MedSynthError(
                f"A batch of {settings.batch_size} slices cannot be divided evenly between {self.world} processes; "
                "change the recipe's batch_size, which is the total over all processes."
            )

    def prepare(self, network: nn.Module) -> nn.Module:
        """Return the network on the device; on GPUs, batch normalisation is synchronised between processes."""
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
        """Wait until every process has reached this point."""
        self._accelerator.wait_for_everyone()


def is_first_process() -> bool:
    """Return whether this is the only process of a training, or the first of several, which alone reports."""
    return not _are_several() or int(os.environ.get("RANK") or 0) == 0


def _are_several() -> bool:
    """Return whether a launcher started several processes."""
    return int(os.environ.get("WORLD_SIZE") or 1) > 1


def choose_engine(settings: SystemSettings, device: str) -> Engine:
    """Return the engine of this process: with several processes if a launcher started them, otherwise with one.

    Raises:
        MedSynthError: there is no such device, or the recipe cannot run on it or be divided between the processes.
    """
    if _are_several():
        return AccelerateEngine(settings, device)
    return Engine(choose_device(device), settings)
