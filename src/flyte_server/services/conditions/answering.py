"""Answers to conditions, from whichever side they come."""

from flyte_server.clock import Clock
from flyte_server.domain.errors import Invalid, NotFound
from flyte_server.domain.phases import Kind
from flyte_server.domain.records import Action, Answer, AttemptKey
from flyte_server.engine.engine import Engine
from flyte_server.services.access.callers import Caller
from flyte_server.services.directory import Directory, RunFacts
from flyte_server.services.wire.ids import ActionName
from flyte_server.store import actions
from flyte_server.store.database import Database

CHANNEL_HEADER = "x-flyte-channel"
"""Says `cli` where a person typed the answer into our command line."""


class Answering:
    """Finds the condition that is meant, and hands the answer to the engine."""

    def __init__(
        self, engine: Engine, database: Database, directory: Directory, clock: Clock
    ) -> None:
        self._engine = engine
        self._database = database
        self._directory = directory
        self._clock = clock

    async def answer(
        self,
        name: ActionName,
        value: bool | float | str,
        *,
        caller: Caller,
        channel: str,
        parent: str = "",
        attempt: AttemptKey | None = None,
    ) -> None:
        """Answer a condition; returns when the answer is on the disk.

        Args:
            name: of its action, or of the condition as the user named it.
            value: of the condition's type.
            caller: who answers.
            channel: `cli`, `api` or `link`.
            parent: the action that asks, where several have a condition of that name.
            attempt: the attempt whose process asks for it, if one does.

        Raises:
            NotFound: there is no such run or condition.
            Invalid: several are meant, or the value is of another type.
            Conflict: it was answered already, or has ended otherwise.
        """
        _, action = await self.find(name, parent)
        answer = Answer(value, caller.subject, caller.name, channel, self._clock.now_us())
        await self._engine.answer(action.key, answer, caller=attempt)

    async def find(self, name: ActionName, parent: str = "") -> tuple[RunFacts, Action]:
        """The condition of a name, and its run.

        Raises:
            NotFound: there is no such run or condition.
            Invalid: several conditions have the name.
        """
        facts = await self._directory.by_name(name.run)
        by_action = await self._database.read(actions.load, facts.run.id, name.name)
        if by_action is not None and by_action.kind is Kind.CONDITION:
            return facts, by_action
        found = [each for each in await self.listing(facts, parent) if each.task_name == name.name]
        if not found:
            raise NotFound(
                f"Run {facts.run.name!r} has no condition {name.name!r}; list them with"
                f" 'flyte get condition {facts.run.name}'."
            )
        if len(found) > 1:
            known = ", ".join(f"{each.name} (asked by {each.parent})" for each in found[:5])
            raise Invalid(
                f"Run {facts.run.name!r} has {len(found)} conditions named {name.name!r}: {known}; name the one that"
                " you mean by its action."
            )
        return facts, found[0]

    async def listing(self, facts: RunFacts, parent: str = "") -> list[Action]:
        """The conditions of a run, in the order in which they were asked."""
        found = await self._database.read(actions.conditions, facts.run.id)
        return [each for each in found if not parent or each.parent == parent]


def channel_of(text: str | None) -> str:
    """From where an answer comes, as far as the client says."""
    return "cli" if text == "cli" else "api"
