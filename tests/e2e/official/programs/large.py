"""The official package reads large outputs of our SDK, and sends and gets large values of its own."""

import json
import sys

import flyte
import flyte.remote

env = flyte.TaskEnvironment(name="large")


@env.task
async def turned(text: str) -> str:
    return text[::-1]


if __name__ == "__main__":
    endpoint, ours = sys.argv[1:]
    flyte.init(endpoint=endpoint, insecure=True, project="flytesnacks", domain="development")
    text, numbers = flyte.remote.Run.get(name=ours).outputs()
    own = flyte.run(turned, "täglich " * 1_000_000)
    own.wait()
    print(
        json.dumps(
            {
                "text": text == "x" * 5_000_000,
                "numbers": numbers == list(range(500_000)),
                "own": own.outputs()[0] == " hcilgät" * 1_000_000,
            }
        )
    )
