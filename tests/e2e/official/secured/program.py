"""Logs in as it is told, runs a task with children over TLS, and prints what came out as JSON."""

import asyncio
import json
import pathlib
import sys

import flyte
import flyte.io

env = flyte.TaskEnvironment(name="secured")


@env.task
async def square(x: int) -> int:
    return x * x


@env.task
async def noted(text: str) -> flyte.io.File:
    return await flyte.io.File.from_local(made(text))


def made(text: str) -> str:
    path = pathlib.Path("note.txt").absolute()
    path.write_text(text)
    return str(path)


@env.task
async def main(n: int) -> int:
    file = await noted("kept in the bucket, over TLS")
    async with file.open("rb") as opened:
        assert bytes(await opened.read()) == b"kept in the bucket, over TLS"
    return sum(await asyncio.gather(*(square(i) for i in range(n))))


if __name__ == "__main__":
    how = json.loads(sys.argv[1])
    scope = {"project": "flytesnacks", "domain": "development"}
    if how:
        flyte.init(**scope, **how)
    else:  # FLYTE_API_KEY
        flyte.init_from_api_key(**scope)
    run = flyte.run(main, n=4)
    run.wait(quiet=True)
    print(json.dumps({"run": run.name, "phase": run.phase.value, "outputs": list(run.outputs())}))
