"""Ten thousand children: the snapshot comes whole, and before a parent gives up waiting for it."""

import asyncio
from contextlib import aclosing
from time import monotonic

from flyteidl2.actions import actions_service_pb2
from tests.fakes import messages
from tests.integration.services.conftest import Plane
from tests.support import eventually

from flyte_server.domain.commands import NewTrace
from flyte_server.domain.phases import Phase

_CHILDREN = 10_000
_CLIENT_PATIENCE_SECONDS = 5.0


async def test_the_snapshot_of_ten_thousand_children_comes_in_time(plane: Plane) -> None:
    await plane.runs.create_run(messages.create())
    await eventually(lambda: plane.executor.held)
    run_id = plane.executor.attempt("a0").run_id
    engine = plane.app.parts.engine
    await asyncio.gather(
        *(
            engine.record_trace(
                run_id,
                NewTrace(
                    name=f"t{number}",
                    parent="a0",
                    function="step",
                    spec=b"",
                    phase=Phase.SUCCEEDED,
                    started_at=1,
                    ended_at=2,
                    output_uri=f"/data/t{number}/outputs.pb",
                ),
            )
            for number in range(_CHILDREN)
        )
    )
    before = monotonic()
    told: list[str] = []
    request = actions_service_pb2.WatchForUpdatesRequest(parent_action_id=messages.action_id())
    async with aclosing(plane.actions.watch_for_updates(request)) as stream:
        async for message in stream:
            if message.HasField("control_message"):
                break
            told.append(message.action_update.action_id.name)
    assert len(told) == len(set(told)) == _CHILDREN  # nothing else comes before the sentinel
    assert monotonic() - before < _CLIENT_PATIENCE_SECONDS
