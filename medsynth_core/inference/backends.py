"""What runs a network: PyTorch on any device, or OpenVINO on the CPU."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from medsynth_core.compute.device import default_batch_size
from medsynth_core.compute.hardware import processor_name
from medsynth_core.compute.openvino import LOCK, Compiled, convert, installed_version, streams, with_any_size
from medsynth_core.interruption import held_back
from medsynth_core.models.compiled_files import keep_compiled, read_compiled
from medsynth_core.version import __version__

# Greatest difference between the results of both, as a share of the range of PyTorch's.
TOLERANCE = 2e-5
LONGEST_REASON = 120

Answer = tuple[Tensor, Tensor | None]


class Backend(Protocol):
    """Runs a network."""

    @property
    def name(self) -> str:
        """``torch`` or ``openvino``: what computed in the end."""

    def __call__(self, image: Tensor) -> Answer:
        """Return the output, and the logits (n, classes) of a network that distinguishes doses, for (n, …) images."""

    def batch_size(self, device: torch.device) -> int:
        """Return the default number of slices per batch."""

    def note(self) -> str:
        """Return once, after it happened, why another backend than intended computes; otherwise ``""``."""


class TorchBackend:
    """Runs a network by PyTorch, on the device on which both the network and the images are."""

    name = "torch"

    def __init__(self, network: nn.Module) -> None:
        self._network = cast(Any, network)

    def __call__(self, image: Tensor) -> Answer:
        """Return the output and the logits."""
        if hasattr(self._network, "with_class"):
            return self._network.with_class(image)
        return self._network(image), None

    def batch_size(self, device: torch.device) -> int:
        """Return the default number of slices per batch."""
        return default_batch_size(device)

    def note(self) -> str:
        """Return ``""``."""
        return ""


class OpenVinoBackend:
    """Runs a network by OpenVINO on the CPU.

    A network is compiled when the first image comes, and compared with PyTorch on it; what was compiled is kept on the
    disk. 2-D networks are compiled for images of any size, 3-D networks for the size of their windows. If a network
    cannot be compiled, its results differ from PyTorch's, or OpenVINO fails later, PyTorch goes on.

    Args:
        network: in evaluation mode.
        built: text that differs between networks that would differ with the same weights: their names and options.
    """

    def __init__(self, network: nn.Module, built: str) -> None:
        self._network, self._built, self._torch = network, built, TorchBackend(network)
        self._dims = cast(int, getattr(network, "spatial_dims", 2))
        self._streams, self._process = streams(self._dims), os.getpid()
        self._compiled: dict[tuple[int, ...], Compiled] = {}
        self._refused, self._note = False, ""

    @property
    def name(self) -> str:
        """``openvino``, or ``torch`` once that took over, and in a process that was forked."""
        # There, the state of OpenVINO is that of threads that do not exist.
        return "torch" if self._refused or os.getpid() != self._process else "openvino"

    def batch_size(self, device: torch.device) -> int:
        """Return the default number of slices per batch: two for each stream."""
        return 2 * self._streams

    def note(self) -> str:
        """Return once why PyTorch took over; ``""`` if it did not."""
        note, self._note = self._note, ""
        return note

    def __call__(self, image: Tensor) -> Answer:
        """Return the output and the logits."""
        if self.name == "torch":
            return self._torch(image)
        try:
            with LOCK:
                return _answer(self._for(image)(image))
        # Whatever fails in OpenVINO, lack of memory included, PyTorch may still manage.
        except Exception as error:
            self._take_over(_reason(error))
        return self._torch(image)

    def _take_over(self, reason: str) -> None:
        """Drop what was compiled, with its memory."""
        self._refused = True
        self._compiled.clear()
        self._note = f"OpenVINO cannot run this network here ({reason}); PyTorch runs it, more slowly."

    def _for(self, image: Tensor) -> Compiled:
        """Return the network compiled for images like this."""
        size = tuple(image.shape[1:]) if self._dims == 3 else ()
        if size not in self._compiled or not self._compiled[size].usable:
            # One at a time: in memory, a compiled network is larger than its weights.
            self._compiled.clear()
            # An exception by a signal must not reach the Python code that OpenVINO calls.
            with held_back():
                self._compiled[size] = self._read(size) or self._made(size, image)
        return self._compiled[size]

    def _key(self, size: tuple[int, ...]) -> str:
        """Return the name of the file with the compiled network: by all that its content depends on."""
        versions = [installed_version(), __version__, torch.__version__]
        threads = [self._streams, torch.get_num_threads()]
        facts = [self._built, weights_digest(self._network), size, threads, processor_name(), versions]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def _read(self, size: tuple[int, ...]) -> Compiled | None:
        content = read_compiled(self._key(size))
        try:
            return None if content is None else Compiled.read(content, self._streams)
        except RuntimeError:
            return None

    def _made(self, size: tuple[int, ...], image: Tensor) -> Compiled:
        # An image of full contrast, because errors are hard to see in an empty one.
        seen = image[image.flatten(1).std(dim=1).argmax()][None]
        if self._dims == 3:
            model = convert(_Outputs(self._network), (seen,))
        else:
            # Recorded with another size than that of the comparison, which so finds a size that is fixed.
            more = cast(int, getattr(self._network, "multiple_of", 1))
            model = with_any_size(convert(_Outputs(self._network), (nn.functional.pad(seen, (0, more, 0, more)),)))
        compiled = Compiled.of(model, self._streams)
        with torch.no_grad():
            _check_equal(_answer(compiled(seen)), self._torch(seen))
        keep_compiled(self._key(size), compiled.content())
        return compiled


def weights_digest(network: nn.Module) -> str:
    """Return the SHA-256 of the weights that a network has now, with their names."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(f"{name} {list(value.shape)} {value.dtype}".encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


class _Outputs(nn.Module):
    """All outputs of a network: its image, and the logits where there are classes of doses."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.eval()

    def forward(self, image: Tensor) -> Any:
        made, logits = TorchBackend(self.network)(image)
        return made if logits is None else (made, logits)


def _answer(outputs: list[Tensor]) -> Answer:
    made, *logits = outputs
    return made, logits[0] if logits else None


def _check_equal(found: Answer, expected: Answer) -> None:
    """Compare the answers of OpenVINO and PyTorch.

    Raises:
        ValueError: they differ.
    """
    for one, other in zip(found, expected, strict=True):
        if one is None or other is None:
            continue
        difference = float((one - other).abs().max())
        # Of a single value, such as the logit of one class, the range is its size.
        span = float(other.max() - other.min()) or float(other.abs().max())
        # Written so that what is not a number fails.
        if not difference <= TOLERANCE * span:
            raise ValueError(f"its results differ from those of PyTorch by {difference:.1e} in a range of {span:.1e}")


def _reason(error: Exception) -> str:
    """Return the last line of a message that is not about OpenVINO's source code."""
    lines = [line.strip().rstrip(".:") for line in str(error).splitlines() if line.strip()]
    useful = [line for line in lines if not line.startswith("Exception from ")]
    return (useful or [type(error).__name__])[-1][:LONGEST_REASON]
