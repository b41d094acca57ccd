"""Tasks that write in every way there is."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import flyte

env = flyte.TaskEnvironment(name="speaking")


@env.task
def every_way() -> int:
    print("from print")
    print("to stderr", file=sys.stderr)
    logging.getLogger("mine").warning("from logging")
    subprocess.run(["sh", "-c", "echo from a child; echo a child complains >&2"], check=True)
    libc = ctypes.CDLL(None)
    libc.puts(b"from C")
    libc.fflush(None)
    flyte.logger.info("trained", extra={"loss": 0.1, "model": "ünï"})
    flyte.logger.debug("not shown")
    for percent in range(200):
        sys.stderr.write(f"\r{percent}%")
        sys.stderr.flush()
    sys.stderr.write("\rdone\n")
    os.write(1, b"\x00\xff binary \x80\n" + b"x" * 200_000 + b"\n")
    print("no line end", end="", flush=True)
    return 1


@env.task
def crash() -> int:
    os.write(1, b"the last words")
    ctypes.string_at(0)
    return 1


@env.task
def killed() -> int:
    os.write(2, b"before the kill\n")
    os.kill(os.getpid(), signal.SIGKILL)
    return 1


@env.task
def live(marks: str) -> int:
    print("early line", flush=True)
    print("a prompt: ", end="", flush=True)
    while not (Path(marks) / "go").exists():
        time.sleep(0.05)
    print("answered")
    return 1


@env.task
def closes() -> int:
    print("before", flush=True)
    os.close(1)
    os.close(2)
    return 7


@env.task
def leaves_a_daemon() -> int:
    print("the task", flush=True)
    subprocess.Popen(
        ["sh", "-c", "echo the daemon; trap '' TERM; while :; do sleep 0.1; done"],
        start_new_session=True,
    )
    time.sleep(0.3)
    return 3


@env.task
def floods(megabytes: int) -> int:
    line = b"y" * 99 + b"\n"
    for _ in range(megabytes * 10):
        os.write(1, line * 1000)
    os.write(1, b"the end of the flood\n")
    return megabytes


@env.task
def silent() -> int:
    return 0


@env.task
def waits(marks: str) -> int:
    (Path(marks) / "running").touch()
    while not (Path(marks) / "go").exists():
        time.sleep(0.05)
    return 1
