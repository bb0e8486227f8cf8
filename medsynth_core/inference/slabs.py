"""Runs a 3-D network over a volume, slab by slab."""

from __future__ import annotations

import itertools
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from medsynth_core.errors import MedSynthError
from medsynth_core.inference.memory import NO_MEMORY, slab_budget
from medsynth_core.inference.windows import Windows
from medsynth_core.preparation.contract import Contract
from medsynth_core.progress import Progress

# A window is never made smaller than this in the plane: a network sees too little there.
SMALLEST_WINDOW = 64
# Part of a window's side that neighbours share in the plane.
SHARED = 4
MOST_AT_ONCE = 8
# Part of the budget that the whole result may take on the device; the windows need the rest.
STITCHING_SHARE = 0.25


class SlabPredictor:
    """A 3-D network ready to run: slabs over the whole plane where the memory allows, windows in the plane elsewhere.

    Neighbouring slabs share slices, where they are blended; a network that states how far it looks (``halo``) counts
    only where it has seen everything, so that its answer is that of one pass over the whole volume. Slabs without
    anything in them are left out: the answer there is what the contract calls empty.

    When the device's memory runs out, fewer windows are computed at once, then smaller ones; in the end the CPU
    takes over. All are logged, and begin anew, so that every voxel of a result is made in the same way.

    Args:
        network: in evaluation mode afterwards; has ``spatial_dims`` of 3 and ``memory_per_voxel``.
        contract: has a slab.
        device: where to start.
        batch_size: windows at once; None chooses by the device.
        budget: bytes that the windows computed at once may take; None chooses by the device.

    Raises:
        MedSynthError: a batch size below one.
    """

    def __init__(
        self,
        network: nn.Module,
        contract: Contract,
        device: torch.device,
        batch_size: int | None = None,
        budget: int | None = None,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise MedSynthError(f"The batch size is {batch_size}; it must be at least 1.")
        assert contract.slab is not None
        self.network, self.contract, self.device, self.slab = network.eval(), contract, device, contract.slab
        self.budget = budget or slab_budget(device)
        self.probabilities: np.ndarray | None = None
        """Of each class that the network tells apart, after a call; None if it tells none."""
        self.window_side: int | None = None
        """Side (voxels) of the windows in the plane, after a call; None where slabs reached over the whole plane."""
        self._wanted = batch_size
        self.batch_size = batch_size or 1
        self._side = 0

    def __call__(self, voxels: np.ndarray, progress: Progress | None = None) -> np.ndarray:
        """Return the network's answer (k, j, i), float32, for prepared ``voxels`` of the same shape.

        Raises:
            Cancelled: asked to stop, between two windows.
            MedSynthError: not even the CPU has the memory for one window.
        """
        progress = progress or Progress()
        source = torch.from_numpy(np.ascontiguousarray(voxels, dtype=np.float32))
        slices = len(source)
        if slices < self.slab.slices:
            # As in training: the network has never seen fewer.
            source = pad(source, (0, 0, 0, 0, 0, self.slab.slices - slices), value=self.contract.empty[0])
        self._plan(tuple(source.shape))
        if self._side < max(source.shape[1:]):
            progress.log(f"Slices are computed in windows of {self._side}² voxels, as a whole one needs more memory.")
        while True:
            try:
                made = self._pass(source, progress)[:slices]
                self.window_side = self._side if self._side < max(source.shape[1:]) else None
                return made
            except (torch.OutOfMemoryError, MemoryError) as error:
                self._make_smaller(progress, error)
            except RuntimeError as error:
                # The CPU's allocator and the libraries of the GPU have no exception of their own.
                if not any(sign in str(error) for sign in NO_MEMORY):
                    raise
                self._make_smaller(progress, error)

    def _plan(self, shape: tuple[int, ...]) -> None:
        """Choose the largest windows, and as many at once, as the budget holds."""
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
        # Slabs too thin for the network's reach are blended.
        slab = Windows(shape[0], self.slab.slices, self.slab.overlap, halo if 2 * halo <= self.slab.overlap else 0)
        shared = max(self._side // SHARED, 2 * halo)
        plane = [Windows(side, self._side, shared, halo if 2 * shared <= self._side else 0) for side in shape[1:]]
        return slab, plane[0], plane[1]

    @torch.inference_mode()
    def _pass(self, source: Tensor, progress: Progress) -> np.ndarray:
        axes = self._axes(tuple(source.shape))
        corners = list(itertools.product(*(axis.starts for axis in axes)))
        sizes = [min(axis.size, axis.length) for axis in axes]
        empty = self.contract.empty[0]

        def window(corner: tuple[int, ...]) -> tuple[slice, ...]:
            return tuple(slice(start, start + size) for start, size in zip(corner, sizes, strict=True))

        used = [corner for corner in corners if bool((source[window(corner)] != empty).any())]
        total = torch.zeros(source.shape, device=self._stitching(source.nbytes))
        seen: list[Tensor] = []
        self.network.to(self.device)
        for first in range(0, len(used), self.batch_size):
            progress(first / len(used), f"Slab {first + 1} of {len(used)}")
            some = used[first : first + self.batch_size]
            made, logits = self._predict(torch.stack([source[window(corner)] for corner in some])[:, None])
            for corner, answer in zip(some, made[:, 0].to(total.device), strict=True):
                total[window(corner)] += self._weighted(answer, corner, axes)
            if logits is not None:
                seen.append(logits.float().softmax(dim=1).cpu())
        for corner in set(corners) - set(used):
            # Nothing in, nothing out; weighted as an answer, for its neighbours reach into it.
            nothing = torch.full(sizes, self.contract.empty[1], device=total.device)
            total[window(corner)] += self._weighted(nothing, corner, axes)
        for dim, axis in enumerate(axes):
            total /= _along(axis.total(), dim, total.device)
        self.probabilities = torch.cat(seen).mean(dim=0).numpy() if seen else None
        progress(1.0, f"{len(used)} slabs done")
        return total.cpu().numpy()

    def _weighted(self, answer: Tensor, corner: tuple[int, ...], axes: tuple[Windows, ...]) -> Tensor:
        """Return a window's answer (d, h, w) as much as it counts where it lies."""
        for dim, (axis, start) in enumerate(zip(axes, corner, strict=True)):
            answer *= _along(axis.weight(start), dim, answer.device)
        return answer

    def _stitching(self, size: int) -> torch.device:
        """Return where a result of ``size`` bytes is put together: on the device where it has room, else here."""
        return self.device if size <= STITCHING_SHARE * self.budget else torch.device("cpu")

    def _predict(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the answer (n, 1, d, h, w) for windows, and the logits of the classes if there are any."""
        image = image.to(self.device)
        network = cast(Any, self.network)
        made, logits = network.with_class(image) if hasattr(network, "with_class") else (network(image), None)
        if self.contract.flip_average:
            made = (made + network(image.flip(-1)).flip(-1)) / 2
        return made.float(), logits

    def _make_smaller(self, progress: Progress, error: BaseException) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if self.batch_size > 1:
            self.batch_size //= 2
            progress.log(f"Memory of {self.device} ran out: beginning again with {self.batch_size} windows at once.")
        elif self._side > SMALLEST_WINDOW:
            self._side = max(self._side // 2, SMALLEST_WINDOW)
            progress.log(f"Memory of {self.device} ran out: beginning again with windows of {self._side}² voxels.")
        elif self.device.type != "cpu":
            progress.log(f"Memory of {self.device} does not hold one window: beginning again on the CPU.")
            self.device = torch.device("cpu")
            self.network.to(self.device)
        else:
            raise MedSynthError(
                "The computer's memory does not hold one window of this volume with its result; close other programs "
                "or crop the volume.",
                kind="device",
            ) from error


def _along(values: np.ndarray, dim: int, device: torch.device) -> Tensor:
    """Return values of one axis of a volume (k, j, i) so that they multiply it."""
    return torch.from_numpy(values).to(device).reshape([-1 if other == dim else 1 for other in range(3)])
