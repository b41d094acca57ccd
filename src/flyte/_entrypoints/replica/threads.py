"""Plain functions on threads, which can be interrupted."""

import ctypes
import threading
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Any

_raise_in = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.py_object)(
    ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
)
_raise_nothing_in = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)(
    ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
)


@dataclass(frozen=True, slots=True)
class Returned:
    """What a function gave: a value or an exception.

    Never raised across the threads: a future that is given a StopIteration would not end.
    """

    value: Any = None
    error: BaseException | None = None

    def unwrap(self) -> Any:
        """The value; an exception is raised."""
        if self.error is not None:
            raise self.error
        return self.value


class Interruptible:
    """A call that gets a KeyboardInterrupt where it is when somebody wants its end, as Ctrl-C would give it.

    It comes between two steps of Python's interpreter: a function that waits in C code hears of it afterwards.

    Args:
        call: what to call.
        context: the context variables around it.
    """

    def __init__(self, call: Callable[[], Any], context: Context) -> None:
        self._call = call
        self._context = context
        self._guard = threading.Lock()
        self._thread: int | None = None
        self._interrupted = False

    def __call__(self) -> Returned:
        """Call it on this thread."""
        try:
            with self._guard:
                if self._interrupted:
                    return Returned(error=KeyboardInterrupt())
                self._thread = threading.get_ident()
            try:
                return Returned(self._context.run(self._call))
            finally:
                self._let_go()
        except BaseException as error:  # noqa: BLE001 - handed to whoever asked for the call
            return Returned(error=error)

    def interrupt(self) -> None:
        """Interrupt it once, now or as soon as it begins; one that has ended is left alone."""
        with self._guard:
            if self._interrupted:
                return
            self._interrupted = True
            if self._thread is not None:
                _raise_in(self._thread, KeyboardInterrupt)

    def _let_go(self) -> None:
        """From here on the thread is another's: an interrupt that has not arrived must not arrive any more."""
        try:
            self._disarm()
        except KeyboardInterrupt:
            self._disarm()  # it arrived just now, and there is no second one

    def _disarm(self) -> None:
        with self._guard:
            thread, self._thread = self._thread, None
            if thread is not None:
                _raise_nothing_in(thread, None)
