"""Everything about one run or action, gathered from rows and files."""

from typing import TypeVar

from flyteidl2.task import common_pb2, run_pb2
from flyteidl2.workflow import run_definition_pb2
from google.protobuf.message import DecodeError, Message

from flyte_server.blobs import LocalBlobs, seals
from flyte_server.domain.errors import Conflict, NotFound
from flyte_server.domain.phases import Kind, Phase
from flyte_server.domain.records import Action
from flyte_server.services.directory import Directory, RunFacts
from flyte_server.services.wire import actions as wire_actions
from flyte_server.services.wire import conditions
from flyte_server.services.wire.actions import Views
from flyte_server.store import actions
from flyte_server.store.catalogue import specs
from flyte_server.store.database import Database

M = TypeVar("M", bound=Message)

_WITH_OUTPUTS = frozenset({Phase.SUCCEEDED, Phase.RECOVERED})


class Details:
    """Reads what GetRunDetails, GetActionDetails, GetActionData and their streams answer."""

    def __init__(
        self, database: Database, directory: Directory, blobs: LocalBlobs, views: Views
    ) -> None:
        self._database = database
        self._directory = directory
        self._blobs = blobs
        self._views = views

    async def action(self, facts: RunFacts, action: Action) -> run_definition_pb2.ActionDetails:
        """Spec, state and attempts of an action."""
        attempts = await self._database.read(actions.attempts, action.run_id, action.name)
        digest = action.spec_digest
        spec = await self._database.read(specs.load, digest) if digest else b""
        return self._views.details(facts.run, action, spec=spec, attempts=attempts)

    async def run(self, facts: RunFacts, root: Action) -> run_definition_pb2.RunDetails:
        """The run's spec and its root action."""
        return run_definition_pb2.RunDetails(
            run_spec=run_pb2.RunSpec.FromString(facts.run.spec),
            action=await self.action(facts, root),
        )

    async def data(self, action: Action) -> tuple[common_pb2.Inputs, common_pb2.Outputs]:
        """The values an action got and gave; empty where it has none (yet)."""
        content = await self._content(action.input_uri)
        inputs = _parsed(common_pb2.Inputs, content, action.input_uri)
        if action.phase not in _WITH_OUTPUTS:
            return inputs, common_pb2.Outputs()
        if action.answer is not None:
            return inputs, conditions.outputs(action.answer)
        uri = wire_actions.outputs_file(action)
        return inputs, _parsed(common_pb2.Outputs, await self._content(uri), uri)

    async def _content(self, uri: str) -> bytes:
        """A file's content; a file that is missing has none: a task without values need not write
        it."""
        try:
            return await self._blobs.read(uri) if uri else b""
        except NotFound:
            return b""


def _parsed(kind: type[M], content: bytes, uri: str) -> M:
    """The message in a file.

    Raises:
        Conflict: the file is damaged.
    """
    damage = seals.damage(content)
    if damage is None:
        try:
            return kind.FromString(seals.message(content))
        except DecodeError as error:
            damage = f"is damaged: its {len(content)} bytes are no {kind.__name__} ({error})"
    raise Conflict(f"{uri} {damage}; look at its disk, and run the task again")


def outputs_uri(action: Action) -> str:
    """Where the action's outputs are, once it has some."""
    has_file = action.phase in _WITH_OUTPUTS and action.kind is not Kind.CONDITION
    return wire_actions.outputs_file(action) if has_file else ""
