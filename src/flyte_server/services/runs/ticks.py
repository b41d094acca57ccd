"""The runs of ticks, as commands of the engine."""

from dataclasses import replace

from flyteidl2.common import identifier_pb2

from flyte_server.domain.commands import NewRun
from flyte_server.domain.schedules.records import Trigger
from flyte_server.services.runs.creation import Creation
from flyte_server.services.runs.triggered import Triggered, started_by
from flyte_server.services.wire import ids


class TickRuns:
    """Makes runs of ticks; implements `engine.ticking.loop.Commands`.

    They are made as every other run, so they obey the same settings and are refused for the same reasons.
    """

    def __init__(self, creation: Creation, triggered: Triggered) -> None:
        self._creation = creation
        self._triggered = triggered

    async def run_of(self, trigger: Trigger, moment: int, name: str) -> NewRun:
        """The run of a tick; who deployed the trigger is who has created it."""
        request = await self._triggered.request(trigger, moment)
        request.run_id.CopyFrom(
            identifier_pb2.RunIdentifier(
                org=ids.ORG, project=trigger.project, domain=trigger.domain, name=name
            )
        )
        command = await self._creation.command(request)
        return replace(command, created_by=trigger.deployed_by, trigger=started_by(trigger, moment))
