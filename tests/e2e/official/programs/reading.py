"""The official package outside of tasks reads what a task has written, with storage settings of its own."""

import asyncio
import json
import sys

import flyte
import flyte.io
import flyte.remote
import flyte.storage


async def content(file: flyte.io.File) -> str:
    async with file.open("rb") as opened:
        return bytes(await opened.read()).decode()


if __name__ == "__main__":
    endpoint, run, told = sys.argv[1:]
    settings = json.loads(told)
    flyte.init(
        endpoint=endpoint,
        insecure=True,
        project="flytesnacks",
        domain="development",
        storage=flyte.storage.S3(
            endpoint=settings["endpoint"],
            access_key_id=settings["access_key_id"],
            secret_access_key=settings["secret_access_key"],
            region=settings["region"],
        ),
    )
    file = flyte.remote.Run.get(name=run).outputs()[0]
    print(json.dumps({"content": asyncio.run(content(file))}))
