"""A module whose import takes long, and holds the interpreter's lock all the time."""

import ctypes
import os

import flyte

ctypes.PyDLL(None).sleep(int(os.environ.get("IMPORT_SECONDS", "0")))

env = flyte.TaskEnvironment(name="slow-import")


@env.task
async def quick(x: int) -> int:
    return x + 1
