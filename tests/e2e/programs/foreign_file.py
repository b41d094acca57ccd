"""Takes files that other runtimes have made."""

import flyte
from flyte.io import File

env = flyte.TaskEnvironment(name="foreign_file")


@env.task
async def length(file: File) -> int:
    async with file.open("rb") as opened:
        return len(await opened.read())
