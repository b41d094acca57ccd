"""Tasks that treat their process badly."""

import asyncio
import io
import os
import shutil
import signal
import sys
import threading
import time

from marking import mark, mark_pid, until_there

import flyte

env = flyte.TaskEnvironment(name="misbehaving")


@env.task
def exits_without_outputs(code: int) -> int:
    os._exit(code)


@env.task
def exits_without_outputs_to_write() -> None:
    os._exit(0)


@env.task
def raises_system_exit(code: int) -> int:
    sys.exit(code)


@env.task
async def raises_keyboard_interrupt() -> int:
    raise KeyboardInterrupt


@env.task
def raises_keyboard_interrupt_plainly() -> int:
    raise KeyboardInterrupt


@env.task
def moves_away(folder: str) -> str:
    """Changes its working directory, and removes it."""
    os.makedirs(folder)  # noqa: PTH103 - what users do
    os.chdir(folder)
    shutil.rmtree(folder)
    return "done"


@env.task
def replaces_stdout() -> str:
    print("before")
    sys.stdout = io.StringIO()
    sys.stderr = None
    print("swallowed")
    return "done"


@env.task
def fails_with_replaced_stdout() -> str:
    sys.stdout = sys.stderr = io.StringIO()
    raise ValueError("unheard")


@env.task
def closes_descriptors() -> str:
    """As programs do that become daemons: all that is open is closed."""
    os.closerange(0, 4096)
    return "done"


@env.task
def closes_descriptors_and_crashes() -> str:
    os.closerange(3, 4096)
    os.abort()


@env.task
def has_own_handlers(marks: str) -> int:
    """Has handlers of its own for everything that asks it to end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, lambda *_: mark(marks, "heard"))
    mark_pid(marks, "deaf")
    while True:
        time.sleep(0.05)


@env.task
def leaves_threads() -> str:
    threading.Thread(target=_forever, daemon=True, name="endless").start()
    return "done"


def _forever() -> None:
    while True:
        time.sleep(1)


@env.task(timeout=5)
def leaves_threads_that_are_waited_for() -> str:
    threading.Thread(target=_forever, name="endless").start()
    return "done"


@env.task
def recurses() -> int:
    return _deeper(0)


def _deeper(n: int) -> int:
    return _deeper(n + 1) + 1


@env.task
def recurses_in_c() -> int:
    """Overflows the stack of C code, which Python does not see."""
    sys.setrecursionlimit(10**9)
    nested: list[object] = []
    for _ in range(5_000_000):
        nested = [nested]
    return hash(repr(nested)) + _c_deep(_Compared())


class _Compared:
    def __eq__(self, other: object) -> bool:
        return other == self

    __hash__ = None  # type: ignore[assignment]


def _c_deep(one: _Compared) -> int:
    return int(one == _Compared())


class UnspeakableError(Exception):
    """Its own text fails."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@env.task
def raises_unspeakable() -> int:
    raise UnspeakableError


@env.task
def raises_nonsense() -> int:
    raise ValueError(
        "\udcff\x00 next: child a → b (c) failed: x: y\n\nnext: nothing\n\nevidence: none"
    )


@env.task
def daemonizes(marks: str) -> str:
    """Starts a process as daemons are started: of its own session, with no parent."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            mark_pid(marks, "daemon")
            time.sleep(600)
        os._exit(0)
    while not os.path.exists(f"{marks}/daemon.pid"):  # noqa: PTH110 - what users do
        time.sleep(0.01)
    return "done"


@env.task
async def survives(marks: str) -> list[str]:
    """What comes after a misbehaving child is as ever."""
    return [
        await replaces_stdout.aio(),
        await leaves_threads.aio(),
        await closes_descriptors.aio(),
    ]


@env.task
async def waits(marks: str, n: int) -> int:
    mark_pid(marks, f"waits-{n}")
    await until_there(marks, "go")
    return n


@env.task
async def many(marks: str, n: int) -> list[int]:
    return list(await asyncio.gather(*(waits(marks, each) for each in range(n))))
