"""ServerService: how this control plane is doing."""

from collections.abc import Mapping
from typing import Any

from flyte_server.engine.engine import Engine
from flyte_server.engine.pulse import Durations
from flyte_server.services.own.frame import Method, Payload, Request


class ServerService:
    """Tells how the store is doing."""

    name = "ServerService"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def methods(self) -> Mapping[str, Method]:
        return {"Pulse": self.pulse}

    async def pulse(self, request: Request) -> Payload:
        """`{} -> {plane, commits, answers, errors}`.

        `commits` and `answers` are `{count, p50_ms, p99_ms, max_ms}`: of transactions, and of what callers waited for
        theirs; count since the start, the rest of the last few thousand.  `errors` counts the store's failures by kind,
        such as `{locked: 1}`.
        """
        pulse = self._engine.pulse
        return {
            "plane": self._engine.plane,
            "commits": _milliseconds(pulse.commits.summary()),
            "answers": _milliseconds(pulse.answers.summary()),
            "errors": dict(pulse.errors),
        }


def _milliseconds(durations: Durations) -> dict[str, Any]:
    return {
        "count": durations.count,
        "p50_ms": round(durations.p50 * 1000, 3),
        "p99_ms": round(durations.p99 * 1000, 3),
        "max_ms": round(durations.longest * 1000, 3),
    }
