"""Stop requests from the operating system: Ctrl-C, and the signals of clusters, containers and closed terminals.

SIGTERM and SIGHUP end a Python process at once by default, without its ``finally`` blocks. Here they raise an exception
as Ctrl-C does, so that temporary files are removed, and they can be held back while a step must not be torn apart.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# SIGHUP does not exist on Windows.
_TERMINATING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
_received: list[int] = []
# A signal that arrives during an import is sent again after this many seconds.
_LATER = 0.05
_IMPORT = "<frozen importlib._bootstrap>"
# Those within which a command runs as a whole, as in ``python -c "import my_job"``.
_outer_imports = 0


class Terminated(SystemExit):
    """Raised in the main thread when the process receives SIGTERM or SIGHUP.

    It ends the process with the status that shells use for the signal (128 + its number: 143 for SIGTERM).
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


def raise_on_termination() -> None:
    """Let SIGTERM and SIGHUP raise `Terminated`, unless they are ignored (as under ``nohup``).

    These and Ctrl-C wait for the end of an import, because libraries such as PyTorch run Python from native code while
    they are imported, and an exception in there ends the process at once. What was received before is forgotten, so
    that a host can run another command after one that was stopped.
    """
    global _outer_imports
    _received.clear()
    _outer_imports = _imports(sys._getframe())
    for number in _TERMINATING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminate)
    # Another handler than Python's own is that of a host.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def check_terminated() -> None:
    """Raise `Terminated` again if the process received such a signal earlier.

    Python ignores exceptions in some places (finalizers, callbacks of libraries), and a signal may arrive there.
    """
    if _received:
        raise Terminated(_received[0])


def _terminate(number: int, frame: FrameType | None) -> None:
    if not _waits(number, frame):
        _received.append(number)
        raise Terminated(number)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if not _waits(number, frame):
        signal.default_int_handler(number, frame)


def _waits(number: int, frame: FrameType | None) -> bool:
    """Return whether a signal must not raise: during an import, after which it is sent again, and at Python's exit."""
    # The command is done then; an exception would only be printed by what libraries do at the exit.
    if not threading.main_thread().is_alive():
        return True
    if _imports(frame) <= _outer_imports:
        return False
    timer = threading.Timer(_LATER, _send, (number,))
    timer.daemon = True
    timer.start()
    return True


def _imports(frame: FrameType | None) -> int:
    """Return how many frames of Python's import a frame was called from."""
    count = 0
    while frame is not None:
        count += frame.f_code.co_filename == _IMPORT
        frame = frame.f_back
    return count


def _send(number: int) -> None:
    if hasattr(signal, "pthread_kill"):  # not on Windows
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        _thread.interrupt_main(signal.Signals(number))


class StopRequest:
    """The first signal that arrived in the block of `held_back` or `as_request`; 0 before."""

    def __init__(self) -> None:
        self.signal = 0

    def __bool__(self) -> bool:
        return self.signal != 0

    def carry_out(self) -> None:
        """Act on the signal as if it arrived now; does nothing if there was none."""
        if self.signal:
            signal.raise_signal(self.signal)


@contextmanager
def as_request() -> Iterator[StopRequest]:
    """Yield a `StopRequest` that notes the first signal (Ctrl-C, SIGTERM, SIGHUP) instead of stopping the block.

    A second signal has its usual effect at once. Outside the main thread, which alone receives signals, and for signals
    that are ignored, nothing is changed.
    """
    request = StopRequest()
    earlier: dict[int, object] = {}

    def note(number: int, frame: FrameType | None) -> None:
        request.signal = number
        _restore(earlier)

    with _handled_by(note, earlier):
        yield request


@contextmanager
def held_back() -> Iterator[None]:
    """Hold signals back until the end of a short block whose effects belong together."""
    request = StopRequest()

    def note(number: int, frame: FrameType | None) -> None:
        request.signal = request.signal or number

    try:
        with _handled_by(note, {}):
            yield
    finally:
        request.carry_out()


@contextmanager
def _handled_by(handler: object, earlier: dict[int, object]) -> Iterator[None]:
    """Handle signals by ``handler`` in the block; ``earlier`` receives the handlers to restore."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, *_TERMINATING):
            # None: a handler that was not set in Python, which could not be restored.
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                earlier[number] = signal.signal(number, handler)  # type: ignore[arg-type]
    try:
        yield
    finally:
        _restore(earlier)


def _restore(handlers: dict[int, object]) -> None:
    while handlers:
        number, handler = handlers.popitem()
        signal.signal(number, handler)  # type: ignore[arg-type]
