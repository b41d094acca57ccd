"""Being asked to end: SIGTERM as an exception that code can clean up after."""

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Ending:
    """Whether somebody has asked for the end."""

    asked: bool = False


def _nothing() -> None:
    """Called where nobody else is."""


@contextmanager
def sigterm_interrupts(first: Callable[[], object] = _nothing) -> Generator[Ending]:
    """While the block runs, SIGTERM does what Ctrl-C does.

    The main coroutine of `asyncio.run` is cancelled; other code of the main thread gets a KeyboardInterrupt.  So
    `finally` and `except asyncio.CancelledError` clean up, and `except Exception` does not swallow it.  Processes that
    the block forks end of SIGTERM as they would without us.

    Args:
        first: is called where the signal finds the main thread, before anything is interrupted.

    Example:
        with sigterm_interrupts() as ending:
            asyncio.run(main())
    """
    ending = Ending()
    if threading.current_thread() is not threading.main_thread():
        yield ending  # signals belong to the main thread
        return
    pid = os.getpid()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if os.getpid() != pid:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        ending.asked = True
        first()
        on_ctrl_c = signal.getsignal(signal.SIGINT)  # asyncio.run has one of its own
        if not callable(on_ctrl_c):
            raise KeyboardInterrupt
        on_ctrl_c(signal.SIGINT, frame)

    before = signal.signal(signal.SIGTERM, interrupt)
    ctrl_c = signal.getsignal(signal.SIGINT)
    unheard = not callable(ctrl_c)
    if unheard:
        # Started in the background of a shell, say: asyncio.run takes over from Python's own handler only.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield ending
    finally:
        if unheard and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL if ctrl_c is None else ctrl_c)
        if signal.getsignal(signal.SIGTERM) is interrupt:
            signal.signal(signal.SIGTERM, before)
