"""Inference of 2-D networks, slice by slice."""

from __future__ import annotations

from functools import partial
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from medsynth_core.compute.ladder import Ladder
from medsynth_core.errors import MedSynthError
from medsynth_core.inference.backends import Backend, TorchBackend
from medsynth_core.preparation.contract import Side, SynthesisContract
from medsynth_core.preparation.frame import frame_side, placed, whole_slices
from medsynth_core.preparation.slices import neighbours
from medsynth_core.progress import Progress


class Predictor:
    """Runs a 2-D network over the slices of a volume, in batches.

    The output channels of a network contain neighbouring slices (or, depending on the contract, the same slice
    repeatedly); the result in each slice is the mean of all predictions of it.

    If the device runs out of memory, the batch size is halved; if a single slice does not fit, the remaining slices
    are computed on the CPU. Both are logged.

    Args:
        network: network with ``in_channels`` and ``multiple_of``; switched to evaluation mode.
        contract: defines how slices become input channels, and whether flipped input is predicted too.
        device: initial device.
        batch_size: slices per batch; None chooses by the backend and the device.
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
        backend: Backend | None = None,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise MedSynthError(f"The batch size is {batch_size}; it must be at least 1.")
        # torch's type annotations lack this overload.
        self.network: nn.Module = network.eval().to(memory_format=_layout(network))  # type: ignore[call-overload]
        self.contract = contract
        self.device = device
        self.backend = backend or TorchBackend(self.network)
        self.batch_size = batch_size or self.backend.batch_size(device)

    def __call__(
        self, voxels: np.ndarray, progress: Progress | None = None, boxes: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the network's output, float32, for prepared inputs.

        Args:
            voxels: (inputs, k, j, i), or (k, j, i) for a model with one input and one output.
            progress: receives the progress.
            boxes: (k, 4) int: rows and columns of each slice that the network sees, in the middle of its frame
                (`medsynth_core.preparation.frame`); None for whole slices.

        Returns:
            (outputs, k, j, i), or (k, j, i) if ``voxels`` has three dimensions; empty beyond the boxes.

        Raises:
            Cancelled: a stop was requested; checked between batches.
            MedSynthError: one slice does not fit into memory even on the CPU.
        """
        if voxels.ndim == 3:
            return self(voxels[None], progress, boxes)[0]
        progress = progress or Progress()
        source = torch.from_numpy(np.ascontiguousarray(voxels, dtype=np.float32))
        boxes = whole_slices(voxels.shape[1:]) if boxes is None else boxes
        made = _Mean(self.contract, voxels.shape[1:])
        ladder = Ladder(
            [self._halve_batch, self._move_to_cpu],
            lambda: (
                "The computer's memory is too small for one slice of this volume; close other programs or crop the "
                "volume."
            ),
        )
        count, wanted = source.shape[1], [k for k, box in enumerate(boxes) if box.any()]
        while wanted:
            progress(wanted[0] / count, f"Slice {wanted[0] + 1} of {count}")
            answer = ladder.run(partial(self._run, source, boxes, wanted), progress.log)
            for k, image in zip(wanted, answer, strict=False):
                made.add(image, k, boxes[k], self._offsets())
            wanted = wanted[len(answer) :]
        progress(1.0, f"{count} slices done")
        return made.volumes()

    def _offsets(self) -> list[int]:
        """Return the offset of each output channel's slice from the central slice."""
        channels = cast(int, self.network.out_channels) // len(self.contract.outputs)
        neighbours = self.contract.slices == "neighbours"
        return [channel - channels // 2 if neighbours else 0 for channel in range(channels)]

    def _run(self, source: Tensor, boxes: np.ndarray, wanted: list[int]) -> Tensor:
        """Predict the first of the wanted slices whose frames have the same size: (n, out_channels, rows, columns)."""
        frames = [self._frame(boxes[k]) for k in wanted[: self.batch_size]]
        batch = wanted[: next((n for n, frame in enumerate(frames) if frame != frames[0]), len(frames))]
        channels = cast(int, self.network.in_channels) // len(source)
        # Inside the memory ladder, because a full device may not even have room for the network.
        self.network.to(self.device)
        images = [
            self._framed(neighbours(voxels, torch.tensor(batch), channels, self.contract.slices), batch, boxes, side)
            for voxels, side in zip(source, self.contract.inputs.values(), strict=True)
        ]
        image = images[0] if len(images) == 1 else torch.cat(images, dim=1)
        return self._predict(image.to(self.device)).cpu()

    def _frame(self, box: np.ndarray) -> tuple[int, int]:
        """Return the rows and columns of the frame of a box."""
        trained, multiple = self.contract.frame, cast(int, self.network.multiple_of)
        top, bottom, left, right = box.tolist()
        return frame_side(bottom - top, trained, multiple), frame_side(right - left, trained, multiple)

    def _framed(self, images: Tensor, batch: list[int], boxes: np.ndarray, side: Side) -> Tensor:
        """Return the boxes of slices (n, channels, j, i) in the middle of empty frames (n, channels, rows, columns)."""
        rows, columns = self._frame(boxes[batch[0]])
        framed = torch.full((*images.shape[:2], rows, columns), side.empty)
        for image, frame, k in zip(images, framed, batch, strict=True):
            inside, taken = placed(boxes[k], (rows, columns))
            frame[:, inside[0], inside[1]] = image[:, taken[0], taken[1]]
        return framed

    @torch.inference_mode()
    def _predict(self, image: Tensor) -> Tensor:
        answer, _ = self.backend(image)
        if self.contract.flip_average:
            answer = (answer + self.backend(image.flip(-1))[0].flip(-1)) / 2
        return answer

    def _halve_batch(self) -> str:
        if self.batch_size == 1:
            return ""
        self.batch_size //= 2
        return f"{self.device} ran out of memory: continuing with batches of {self.batch_size} slices."

    def _move_to_cpu(self) -> str:
        if self.device.type == "cpu":
            return ""
        message = f"The memory of {self.device} is too small for one slice: continuing on the CPU."
        self.device = torch.device("cpu")
        self.network.to(self.device)
        self.batch_size = self.backend.batch_size(self.device)
        return message


class _Mean:
    """Mean of all predictions of each voxel, for each output.

    Args:
        contract: describes the outputs.
        shape: (k, j, i) of the volumes.
    """

    def __init__(self, contract: SynthesisContract, shape: tuple[int, ...]) -> None:
        self._empty = [side.empty for side in contract.outputs.values()]
        self._sum = np.zeros((len(self._empty), *shape), dtype=np.float32)
        self._count = np.zeros(shape, dtype=np.uint8)

    def add(self, image: Tensor, k: int, box: np.ndarray, offsets: list[int]) -> None:
        """Add the prediction (channels, rows, columns) of slice ``k``; its channels are the slices at ``offsets``."""
        inside, taken = placed(box, (image.shape[1], image.shape[2]))
        parts = image[:, inside[0], inside[1]].numpy().reshape(len(self._empty), len(offsets), -1)
        for channel, offset in enumerate(offsets):
            if 0 <= k + offset < self._sum.shape[1]:
                there = self._sum[:, k + offset, taken[0], taken[1]]
                there += parts[:, channel].reshape(there.shape)
                self._count[k + offset, taken[0], taken[1]] += 1

    def volumes(self) -> np.ndarray:
        """Return the means, float32; the network value of air where there is no prediction."""
        for volume, empty in zip(self._sum, self._empty, strict=True):
            volume[self._count == 0] = empty
        return self._sum / np.maximum(self._count, 1)


def _layout(network: nn.Module) -> torch.memory_format:
    """Return the memory format in which a network runs faster.

    On CPUs, channels-last speeds up convolutions but slows down transposed ones by more. A fixed rule is used instead
    of a measurement at run time, so that results are reproducible.
    """
    transposed = any(isinstance(layer, nn.ConvTranspose2d) for layer in network.modules())
    return torch.contiguous_format if transposed else torch.channels_last
