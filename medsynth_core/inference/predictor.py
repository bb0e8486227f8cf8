"""Runs a 2-D network over the slices of a volume."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from medsynth_core.errors import MedSynthError
from medsynth_core.inference.device import default_batch_size
from medsynth_core.inference.memory import NO_MEMORY
from medsynth_core.preparation.contract import Contract
from medsynth_core.preparation.slices import neighbours
from medsynth_core.progress import Progress


class Predictor:
    """A network ready to run: slices in batches, on a device that may turn out to be too small.

    A network with several output channels shows neighbouring slices too (or the same slice again, as the
    contract says); every slice is the mean of the answers that show it.

    When memory runs out the batch is halved; when a single slice does not fit, the rest runs on the CPU. Both
    are logged.

    Args:
        network: in evaluation mode afterwards; has ``in_channels`` and ``multiple_of``.
        contract: how slices become input channels, and whether the mirror image is predicted too.
        device: where to start.
        batch_size: slices at once; None chooses by the device.

    Raises:
        MedSynthError: a batch size below one.
    """

    def __init__(
        self, network: nn.Module, contract: Contract, device: torch.device, batch_size: int | None = None
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise MedSynthError(f"The batch size is {batch_size}; it must be at least 1.")
        # The annotation of torch does not know this way to call it.
        self.network: nn.Module = network.eval().to(memory_format=_layout(network))  # type: ignore[call-overload]
        self.contract = contract
        self.device = device
        self.batch_size = batch_size or default_batch_size(device)

    def __call__(self, voxels: np.ndarray, progress: Progress | None = None) -> np.ndarray:
        """Return the network's answer (k, j, i), float32, for prepared ``voxels`` of the same shape.

        Raises:
            Cancelled: asked to stop, between two batches.
            MedSynthError: not even the CPU has the memory for one slice.
        """
        progress = progress or Progress()
        source = torch.from_numpy(np.ascontiguousarray(voxels, dtype=np.float32))
        total = torch.zeros(voxels.shape, dtype=torch.float32)
        count, start = len(source), 0
        while start < count:
            progress(start / count, f"Slice {start + 1} of {count}")
            stop = min(start + self.batch_size, count)
            batch = self._run(source, start, stop, progress)
            if batch is not None:
                self._add(batch, start, total)
                start = stop
        progress(1.0, f"{count} slices done")
        return (total / self._answers(count)[:, None, None]).numpy()

    def _offsets(self) -> list[int]:
        """Return which slice, counted from the one asked for, each output channel shows."""
        channels = cast(int, self.network.out_channels)
        neighbours = self.contract.slices == "neighbours"
        return [channel - channels // 2 if neighbours else 0 for channel in range(channels)]

    def _add(self, batch: Tensor, start: int, total: Tensor) -> None:
        """Add the answers (n, out_channels, h, w) for slices from ``start`` on to the slices that they show."""
        for channel, offset in enumerate(self._offsets()):
            first, last = max(start + offset, 0), min(start + len(batch) + offset, len(total))
            if first < last:
                total[first:last] += batch[first - start - offset : last - start - offset, channel]

    def _answers(self, count: int) -> Tensor:
        """Return how many answers each of ``count`` slices gets."""
        index = torch.arange(count)
        shown = [(index - offset >= 0) & (index - offset < count) for offset in self._offsets()]
        return torch.stack(shown).sum(dim=0)

    def _run(self, source: Tensor, start: int, stop: int, progress: Progress) -> Tensor | None:
        """Predict slices ``start`` to ``stop``; None after memory ran out and the plan was changed."""
        index = torch.arange(start, stop)
        try:
            image = neighbours(source, index, cast(int, self.network.in_channels), self.contract.slices)
            # Here, because a device that is full may not even hold the network.
            self.network.to(self.device)
            return self._predict(image.to(self.device)).cpu()
        except (torch.OutOfMemoryError, MemoryError) as error:
            self._make_smaller(progress, error)
        except RuntimeError as error:
            # The CPU's allocator and the libraries of the GPU have no exception of their own.
            if not any(sign in str(error) for sign in NO_MEMORY):
                raise
            self._make_smaller(progress, error)
        return None

    @torch.inference_mode()
    def _predict(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        multiple = cast(int, self.network.multiple_of)
        bottom, right = -height % multiple, -width % multiple
        padded = pad(image, (0, right, 0, bottom), value=self.contract.empty[0])
        answer = self.network(padded)
        if self.contract.flip_average:
            answer = (answer + self.network(padded.flip(-1)).flip(-1)) / 2
        return answer[..., :height, :width]

    def _make_smaller(self, progress: Progress, error: BaseException) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if self.batch_size > 1:
            self.batch_size //= 2
            progress.log(f"Memory of {self.device} ran out: going on with {self.batch_size} slices at once.")
        elif self.device.type != "cpu":
            progress.log(f"Memory of {self.device} does not hold one slice: going on on the CPU.")
            self.device = torch.device("cpu")
            self.network.to(self.device)
            self.batch_size = default_batch_size(self.device)
        else:
            raise MedSynthError(
                "The computer's memory does not hold one slice of this volume; close other programs or crop "
                "the volume.",
                kind="device",
            ) from error


def _layout(network: nn.Module) -> torch.memory_format:
    """Return the order of a network's numbers in memory in which it runs faster.

    On CPUs convolutions gain by having the channels last, and transposed ones lose more than that. A rule and no
    measurement at run time, so that a volume has the same result every time.
    """
    transposed = any(isinstance(layer, nn.ConvTranspose2d) for layer in network.modules())
    return torch.contiguous_format if transposed else torch.channels_last
