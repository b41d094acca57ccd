"""The smallest useful script: tasks, a call of one by another, and many at once.

flyte run examples/hello.py main --names '["Ada", "Grace"]'
"""

import asyncio

import flyte

env = flyte.TaskEnvironment(name="hello")


@env.task
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@env.task
async def main(names: list[str] = ["world"]) -> str:  # noqa: B006 - a default input; it is never changed
    greetings = await asyncio.gather(*(greet(name) for name in names))
    return " ".join(greetings)


if __name__ == "__main__":
    flyte.init_from_config()
    print(flyte.run(main, names=["Ada", "Grace"]).outputs())
