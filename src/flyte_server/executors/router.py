"""One executor made of two: attempts of reusable environments go to replicas, all others get processes of their own."""

import asyncio
from collections.abc import Collection

from flyte_server.domain.records import AttemptKey
from flyte_server.engine.ports import LaunchSpec
from flyte_server.executors.process.executor import ProcessExecutor
from flyte_server.executors.replicas.executor import ReplicaExecutor


class Router:
    """Implements `engine.ports.Executor`.

    Args:
        processes: takes what the replicas do not take, and looks for what nobody holds.
        replicas: takes attempts with a pool, where their interpreter has replicas.
    """

    def __init__(self, processes: ProcessExecutor, replicas: ReplicaExecutor) -> None:
        self._processes = processes
        self._replicas = replicas

    async def start(self) -> None:
        """Find what survived an earlier control plane."""
        await asyncio.gather(self._processes.start(), self._replicas.start())

    async def launch(self, spec: LaunchSpec) -> None:
        """Take over an attempt."""
        if await self._replicas.takes(spec):
            await self._replicas.launch(spec)
        else:
            await self._processes.launch(spec)

    async def kill(self, attempt: AttemptKey, grace_seconds: float) -> None:
        """End an attempt; one that nobody holds is reported `Lost` once, by the processes."""
        if self._replicas.holds(attempt):
            await self._replicas.kill(attempt, grace_seconds)
        else:
            await self._processes.kill(attempt, grace_seconds)

    async def alive(self) -> Collection[AttemptKey]:
        """What either holds."""
        return (*await self._processes.alive(), *await self._replicas.alive())

    async def settled(self) -> bool:
        """Whether all workers of an earlier control plane have said what they hold."""
        return await self._processes.settled() and await self._replicas.settled()

    async def beating(self) -> Collection[str]:
        """Hosts and replicas that are alive."""
        return (*await self._processes.beating(), *await self._replicas.beating())

    async def close(self) -> None:
        """Let go of both without ending what runs."""
        await asyncio.gather(self._processes.close(), self._replicas.close())
