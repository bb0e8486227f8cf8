"""Inference of 3-D networks, slab by slab."""

from __future__ import annotations

import itertools
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from medsynth_core.compute.ladder import Ladder
from medsynth_core.compute.memory import slab_budget
from medsynth_core.errors import MedSynthError
from medsynth_core.inference.backends import Backend, TorchBackend
from medsynth_core.inference.windows import Windows
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.progress import Progress

# Smallest in-plane window size; smaller windows give a network too little context.
SMALLEST_WINDOW = 64
# Neighbouring windows overlap in the plane by 1/SHARED of their size.
SHARED = 4
MOST_AT_ONCE = 8
# Fraction of the budget that the whole result may take on the device; the windows need the rest.
STITCHING_SHARE = 0.25


class SlabPredictor:
    """Runs a 3-D network over a volume: in slabs of whole slices if memory allows, otherwise in smaller windows.

    Overlapping slabs are blended. If a network states its receptive field (``halo``), only voxels with complete
    context are used, so that the result equals one pass over the whole volume. Empty slabs are skipped: the result
    there is the contract's empty value.

    If the device runs out of memory, first fewer and then smaller windows are computed at once; finally the CPU is
    used. Each change is logged and restarts the volume, so that all voxels are computed in the same way.

    Args:
        network: network with ``spatial_dims`` of 3 and ``memory_per_voxel``; switched to evaluation mode.
        contract: contract with a slab.
        device: initial device.
        batch_size: windows per batch; None chooses by the device.
        budget: bytes available for the windows of a batch; None chooses by the device.
        backend: runs the network; None for PyTorch.

    Raises:
        MedSynthError: a batch size below one.
    """

    def __init__(
        self,
        network: nn.Module,
        contract: SynthesisContract,
        device: torch.device,
        batch_size: int | None = None,
        budget: int | None = None,
        backend: Backend | None = None,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise MedSynthError(f"The batch size is {batch_size}; it must be at least 1.")
        assert contract.slab is not None
        self.network, self.contract, self.device, self.slab = network.eval(), contract, device, contract.slab
        self.backend = backend or TorchBackend(self.network)
        self.budget = budget or slab_budget(device)
        self.probabilities: np.ndarray | None = None
        """Probability of each dose class, after a call; None if the network has no classes."""
        self.window_side: int | None = None
        """In-plane window size (voxels), after a call; None if slabs covered the whole plane."""
        self._wanted = batch_size
        self.batch_size = batch_size or 1
        self._side = 0

    def __call__(
        self, voxels: np.ndarray, progress: Progress | None = None, boxes: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the network's output, float32, for prepared inputs.

        Args:
            voxels: (inputs, k, j, i), or (k, j, i) for a model with one input and one output.
            progress: receives the progress.
            boxes: not used; as for `Predictor`, because slabs show whole slices.

        Returns:
            (outputs, k, j, i), or (k, j, i) if ``voxels`` has three dimensions.

        Raises:
            Cancelled: a stop was requested; checked between batches of windows.
            MedSynthError: one window does not fit into memory even on the CPU.
        """
        if voxels.ndim == 3:
            return self(voxels[None], progress)[0]
        progress = progress or Progress()
        source = torch.from_numpy(np.ascontiguousarray(voxels, dtype=np.float32))
        slices = source.shape[1]
        if slices < self.slab.slices:
            source = self._thickened(source)
        shape = tuple(source.shape[1:])
        self._plan(shape)
        if self._side < max(shape[1:]):
            progress.log(
                f"Slices are computed in windows of {self._side} × {self._side} voxels because whole slices need too "
                "much memory."
            )
        ladder = Ladder(
            [self._halve_batch, self._narrow_windows, self._move_to_cpu],
            lambda: (
                "The computer's memory is too small for one window of this volume and the result; close other "
                "programs or crop the volume."
            ),
        )
        made = ladder.run(lambda: self._pass(source, progress), progress.log)[:, :slices]
        self.window_side = self._side if self._side < max(shape[1:]) else None
        return made

    @property
    def _empty(self) -> Tensor:
        """Network value of empty space for each input, (inputs, 1, 1, 1)."""
        return torch.tensor([side.empty for side in self.contract.inputs.values()])[:, None, None, None]

    def _thickened(self, source: Tensor) -> Tensor:
        """Return inputs padded to the slices of a slab, the smallest number that the network was trained with."""
        missing = self.slab.slices - source.shape[1]
        return torch.cat([source, self._empty.expand(-1, missing, *source.shape[2:])], dim=1)

    def _plan(self, shape: tuple[int, ...]) -> None:
        """Choose the largest windows, and as many at once, as the budget allows."""
        per_voxel = cast(Any, self.network).memory_per_voxel()

        def window() -> int:
            return per_voxel * min(self.slab.slices, shape[0]) * min(self._side, shape[1]) * min(self._side, shape[2])

        self._side = max(shape[1:])
        while self._side > SMALLEST_WINDOW and window() > self.budget:
            self._side = max(self._side // 2, SMALLEST_WINDOW)
        if self._wanted is None and self.device.type != "cpu":
            self.batch_size = int(np.clip(self.budget // window(), 1, MOST_AT_ONCE))

    def _axes(self, shape: tuple[int, ...]) -> tuple[Windows, Windows, Windows]:
        halo = int(getattr(self.network, "halo", 0))
        # Slabs with an overlap too small for the halo are blended over their whole overlap.
        slab = Windows(shape[0], self.slab.slices, self.slab.overlap, halo if 2 * halo <= self.slab.overlap else 0)
        shared = max(self._side // SHARED, 2 * halo)
        plane = [Windows(side, self._side, shared, halo if 2 * shared <= self._side else 0) for side in shape[1:]]
        return slab, plane[0], plane[1]

    @torch.inference_mode()
    def _pass(self, source: Tensor, progress: Progress) -> np.ndarray:
        shape = tuple(source.shape[1:])
        axes = self._axes(shape)
        corners = list(itertools.product(*(axis.starts for axis in axes)))
        sizes = [min(axis.size, axis.length) for axis in axes]
        empty, outputs = self._empty, list(self.contract.outputs.values())

        def window(corner: tuple[int, ...]) -> tuple[slice, ...]:
            inside = (slice(start, start + size) for start, size in zip(corner, sizes, strict=True))
            return (slice(None), *inside)

        used = [corner for corner in corners if bool((source[window(corner)] != empty).any())]
        total = torch.zeros((len(outputs), *shape), device=self._stitching(source[0].nbytes * len(outputs)))
        seen: list[Tensor] = []
        self.network.to(self.device)
        for first in range(0, len(used), self.batch_size):
            progress(first / len(used), f"Slab {first + 1} of {len(used)}")
            some = used[first : first + self.batch_size]
            made, logits = self._predict(torch.stack([source[window(corner)] for corner in some]))
            for corner, answer in zip(some, made.to(total.device), strict=True):
                total[window(corner)] += self._weighted(answer, corner, axes)
            if logits is not None:
                seen.append(logits.float().softmax(dim=1).cpu())
        nothing = torch.tensor([side.empty for side in outputs], device=total.device)[:, None, None, None]
        for corner in set(corners) - set(used):
            # Empty windows stay empty; weighted like the others because neighbouring windows overlap them.
            answer = nothing.expand(-1, *sizes).clone()
            total[window(corner)] += self._weighted(answer, corner, axes)
        for dim, axis in enumerate(axes):
            total /= _along(axis.total(), dim, total.device)
        self.probabilities = torch.cat(seen).mean(dim=0).numpy() if seen else None
        progress(1.0, f"{len(used)} slabs done")
        return total.cpu().numpy()

    def _weighted(self, answer: Tensor, corner: tuple[int, ...], axes: tuple[Windows, ...]) -> Tensor:
        """Return a window's output (outputs, d, h, w) multiplied by the weights at its position."""
        for dim, (axis, start) in enumerate(zip(axes, corner, strict=True)):
            answer *= _along(axis.weight(start), dim, answer.device)
        return answer

    def _stitching(self, size: int) -> torch.device:
        """Return where a result of ``size`` bytes is assembled: on the device if it fits, otherwise on the CPU."""
        return self.device if size <= STITCHING_SHARE * self.budget else torch.device("cpu")

    def _predict(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the output (n, outputs, d, h, w) for windows, and the class logits if there are any."""
        image = image.to(self.device)
        made, logits = self.backend(image)
        if self.contract.flip_average:
            made = (made + self.backend(image.flip(-1))[0].flip(-1)) / 2
        return made.float(), logits

    def _halve_batch(self) -> str:
        if self.batch_size == 1:
            return ""
        self.batch_size //= 2
        return f"{self.device} ran out of memory: restarting with {self.batch_size} windows at once."

    def _narrow_windows(self) -> str:
        if self._side <= SMALLEST_WINDOW:
            return ""
        self._side = max(self._side // 2, SMALLEST_WINDOW)
        return f"{self.device} ran out of memory: restarting with windows of {self._side} × {self._side} voxels."

    def _move_to_cpu(self) -> str:
        if self.device.type == "cpu":
            return ""
        message = f"The memory of {self.device} is too small for one window: restarting on the CPU."
        self.device = torch.device("cpu")
        self.network.to(self.device)
        return message


def _along(values: np.ndarray, dim: int, device: torch.device) -> Tensor:
    """Return values along one axis, shaped to be multiplied with a volume (k, j, i)."""
    return torch.from_numpy(values).to(device).reshape([-1 if other == dim else 1 for other in range(3)])
