"""Kinds of tasks that a plugin brings: one with work of its own, one around the functions of an environment."""

import os
from dataclasses import dataclass
from typing import Any

import flyte
from flyte.extend import AsyncFunctionTaskTemplate, RuntimeTaskTemplate, TaskPluginRegistry
from flyte.models import NativeInterface


class Shout(RuntimeTaskTemplate[..., Any, Any]):
    async def execute(self, text: str) -> str:
        return (
            f"{text.upper()} ({os.environ.get('ACTION_NAME', 'here')[:2]}, {flyte.ctx().task_name})"
        )


inputs = {"text": (str, NativeInterface.no_default)}
shout = Shout(name="plugged.shout", interface=NativeInterface.from_types(inputs, {"o0": str}))


@dataclass(frozen=True)
class Cluster:
    workers: int


class ClusterTask(AsyncFunctionTaskTemplate[..., Any, Any]):
    plugin_config: Cluster

    async def pre(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {"cluster": list(range(self.plugin_config.workers))}

    async def post(self, return_vals: Any) -> int | None:
        if isinstance(return_vals, int):
            return return_vals + len(flyte.ctx().data["cluster"])
        return None


TaskPluginRegistry.register(Cluster, ClusterTask)

env = flyte.TaskEnvironment.from_task("plugged", shout)
clustered = flyte.TaskEnvironment("clustered", plugin_config=Cluster(workers=3), depends_on=[env])


@clustered.task
def plain(n: int) -> int:
    return n * len(flyte.ctx().data["cluster"])


@clustered.task
async def calls(n: int) -> tuple[int, str]:
    return await plain.aio(n), await shout(text="quiet")


@clustered.task
def calls_from_a_plain_function(n: int) -> int:
    return plain(n) + 100
