"""OpenVINO, which runs networks faster on CPUs than PyTorch does; optional (``pip install 'medsynth-core[fast]'``).

Memory order and placement of the weights are OpenVINO's own choice. Batch and threads follow a rule: images go through
the network one by one, several at the same time in as many streams as PyTorch would use threads, at most eight. With
more threads than that, each stream has several. 3-D windows need so much memory that there is one at a time, with all
threads.

OpenVINO's threads must have ended before Python does, and before a process is forked: the child would wait for them
for ever. Therefore only one thread of Python at a time uses it, which holds `LOCK`.
"""

from __future__ import annotations

import atexit
import io
import os
import re
import sys
import threading
import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor, nn

from medsynth_core.errors import MedSynthError

# The environment variable that chooses what runs networks on the CPU: ``torch`` or ``openvino``.
VARIABLE = "MEDSYNTH_BACKEND"
# Oldest release whose converter and options are those used here.
OLDEST = 2025
MOST_STREAMS = 8
LOCK = threading.RLock()
# Seconds for which the end of Python waits for a batch that another thread computes.
_PATIENCE = 60
# Pinned threads of several processes would share the first cores and leave the others idle. Single precision, because
# newer CPUs would compute in bfloat16 by default.
_OPTIONS = {"ENABLE_CPU_PINNING": "NO", "INFERENCE_PRECISION_HINT": "f32"}


def cpu_backend() -> str:
    """Return what runs networks on the CPU: ``openvino`` where it is installed, unless `VARIABLE` is ``torch``.

    Raises:
        MedSynthError: the variable has another value, or OpenVINO is wanted and not installed.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "torch", "openvino"):
        raise MedSynthError(f"{VARIABLE} is '{wanted}'; set it to torch or openvino, or remove it.", kind="device")
    if wanted == "openvino" and not is_installed():
        raise MedSynthError(
            f"{VARIABLE} is openvino, but OpenVINO {OLDEST} or newer is not installed; install it with "
            "pip install 'medsynth-core[fast]', or remove the variable.",
            kind="device",
        )
    return wanted or ("openvino" if is_installed() else "torch")


def is_installed() -> bool:
    """Return whether a release of OpenVINO is installed that is new enough; does not import it."""
    return int(re.match(r"\d*", installed_version())[0] or 0) >= OLDEST  # type: ignore[index]


def installed_version() -> str:
    """Return the version of OpenVINO; "" if it is not installed."""
    try:
        return version("openvino")
    except PackageNotFoundError:
        return ""


def streams(spatial_dims: int) -> int:
    """Return how many images go through a network at the same time."""
    return 1 if spatial_dims == 3 else min(torch.get_num_threads(), MOST_STREAMS)


def convert(network: nn.Module, examples: tuple[Tensor, ...]) -> Any:
    """Return a network as an OpenVINO model for one image at a time, of the size of the examples.

    Args:
        network: in evaluation mode, on the CPU.
        examples: its inputs; they decide the size, not the values.

    Raises:
        Exception: it cannot be converted; PyTorch and OpenVINO raise errors of many classes.
    """
    openvino = _imported()
    # Outside of inference mode, in which PyTorch cannot record what a network does.
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        copies = tuple(example.clone() for example in examples)
        model = openvino.convert_model(network, example_input=copies if len(copies) > 1 else copies[0])
    model.reshape({place: list(example.shape) for place, example in enumerate(examples)})
    return model


def with_any_size(model: Any) -> Any:
    """Return the model of a 2-D network, changed so that images may have any height and width."""
    model.reshape({0: [*list(model.input(0).partial_shape)[:2], -1, -1]})
    return model


class Compiled:
    """A network compiled for this CPU.

    Args:
        compiled: OpenVINO's compiled model.
        number: how many images go through it at the same time.
    """

    def __init__(self, compiled: Any, number: int) -> None:
        self._compiled = compiled
        self._requests = [compiled.create_infer_request() for _ in range(number)]
        _live.add(self)

    @classmethod
    def of(cls, model: Any, number: int) -> Compiled:
        """Compile a model; errors as those of OpenVINO, which are RuntimeErrors."""
        return cls(_core().compile_model(model, "CPU", _options(number)), number)

    @classmethod
    def read(cls, content: bytes, number: int) -> Compiled:
        """Return what `content` returned earlier on this CPU, by the same version; errors as for `of`."""
        return cls(_core().import_model(io.BytesIO(content), "CPU", _options(number)), number)

    @property
    def usable(self) -> bool:
        """Whether it was not released."""
        return self._compiled is not None

    def release(self) -> None:
        """Free memory and threads; it cannot be used any more."""
        self._requests, self._compiled = [], None

    def content(self) -> bytes:
        """Return the compiled network for `read`."""
        exported = self._compiled.export_model()
        return exported if isinstance(exported, bytes) else exported.getvalue()

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        """Return the outputs for a batch of images.

        Args:
            inputs: (n, …) each, on the CPU.

        Returns:
            The outputs of the network, (n, …) each.

        Raises:
            RuntimeError: OpenVINO could not compute them, for example for lack of memory.
        """
        count, width = len(inputs[0]), len(self._requests)
        made: list[list[np.ndarray]] = []
        try:
            for number in range(count):
                request = self._requests[number % width]
                if number >= width:
                    made.append(_finished(request))
                request.start_async({place: one.numpy() for place, one in enumerate(_one(inputs, number))})
            for number in range(max(count - width, 0), count):
                made.append(_finished(self._requests[number % width]))
        finally:
            self._wait()
        return [torch.from_numpy(np.concatenate(parts)) for parts in zip(*made, strict=True)]

    def _wait(self) -> None:
        """Leave no image under way, whatever ended the work on the batch."""
        for request in self._requests:
            with suppress(RuntimeError):
                request.wait()


def _one(inputs: Sequence[Tensor], number: int) -> list[Tensor]:
    return [each[number : number + 1].contiguous() for each in inputs]


def _finished(request: Any) -> list[np.ndarray]:
    """Return copies of the outputs of a request when it is done; the next image overwrites the originals."""
    request.wait()
    return [tensor.data.copy() for tensor in request.output_tensors]


def _options(number: int) -> dict[str, str]:
    threads = max(torch.get_num_threads(), number)
    return {**_OPTIONS, "NUM_STREAMS": str(number), "INFERENCE_NUM_THREADS": str(threads)}


@lru_cache(maxsize=1)
def _core() -> Any:
    return _imported().Core()


def _imported() -> ModuleType:
    """Import OpenVINO, whose converter would otherwise send statistics of its use to its makers."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino
    from openvino.tools.ovc import telemetry_stub

    # Another library may have imported it, with its telemetry, before.
    for name, module in list(sys.modules.items()):
        if name.startswith("openvino.tools.ovc") and hasattr(module, "tm"):
            module.tm = telemetry_stub  # type: ignore[attr-defined]
    return openvino


_live: WeakSet[Compiled] = WeakSet()


def _release() -> None:
    """End the threads of OpenVINO; the lock stays held, so that no other thread starts them again."""
    LOCK.acquire(timeout=_PATIENCE)
    for compiled in list(_live):
        compiled.release()
    _core.cache_clear()


atexit.register(_release)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_release, after_in_parent=LOCK.release, after_in_child=LOCK.release)
