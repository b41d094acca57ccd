"""Output by every way that there is, and results that may be cached."""

import ctypes
import os
import subprocess
import sys

from marking import mark, until_there

import flyte

env = flyte.TaskEnvironment(name="talking", env_vars={"GREETING": "hello"})


@env.task
async def say(word: str = "hi") -> str:
    print(f"printed {word}")
    print(f"complained {word}", file=sys.stderr)
    os.write(1, f"written {word}\n".encode())
    subprocess.run(["echo", f"echoed {word}"], check=True)  # noqa: ASYNC221 - what users do
    libc = ctypes.CDLL(None)
    libc.puts(f"from C {word}".encode())
    libc.fflush(None)
    sys.stdout.write("without a line end")
    return word


@env.task(retries=1)
async def says_and_fails() -> None:
    print(f"this is attempt {flyte.ctx().attempt_number}")
    raise ValueError("said enough")


@env.task(cache="auto")
async def cached(marks: str, n: int) -> int:
    mark(marks, f"cached-{n}")
    return n + 1


@env.task
async def twice(marks: str) -> int:
    return await cached(marks, 1) + await cached(marks, 2)


@env.task
async def surroundings() -> dict[str, str]:
    return {name: os.environ.get(name, "") for name in ("GREETING", "FROM_RUN")}


@env.task
async def narrate(marks: str) -> None:
    print("once upon a time", flush=True)
    mark(marks, "began")
    await until_there(marks, "go")
    print("they lived happily ever after")
