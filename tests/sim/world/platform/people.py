"""People who answer conditions: soon, late, twice, at the same time as others, with a value of the wrong type."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from tests.sim.world.journal import Journal
from tests.sim.world.loop import Being
from tests.sim.world.planes import Plane
from tests.sim.world.programs import Program, Question, Reply

from flyte_server.domain import errors
from flyte_server.domain.phases import Kind
from flyte_server.domain.records import Action

_PAUSE_SECONDS = 0.7


class World(Protocol):
    """What people see of the world."""

    journal: Journal
    users: Being

    def program(self, run: str) -> Program: ...
    async def ask(self, work: Callable[[Plane], Awaitable[Any]]) -> Any: ...
    async def abort(self, run: str, at: float, action: str) -> None: ...


class People:
    """Whoever is asked; they begin when they see that a condition waits, and again if a power cut took it back."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._attended: set[tuple[str, str]] = set()

    def see(self, run: str, action: Action) -> None:
        """An action, as a listing shows it."""
        place = (run, action.name)
        if action.kind is not Kind.CONDITION or action.phase.terminal or place in self._attended:
            return
        self._attended.add(place)
        question = self._world.program(run).question(action.name)
        self._world.users.do(self._attend(run, question))

    async def _attend(self, run: str, question: Question) -> None:
        deeds = [self._reply(run, question, reply) for reply in question.replies]
        if question.aborted_after is not None:
            deeds.append(self._world.abort(run, question.aborted_after, question.name))
        await asyncio.gather(*deeds)
        self._attended.discard((run, question.name))

    async def _reply(self, run: str, question: Question, reply: Reply) -> None:
        world = self._world
        await asyncio.sleep(reply.after)
        while True:
            try:
                await world.ask(lambda plane: plane.answer(run, question.name, reply.value))
            except (errors.Conflict, errors.Invalid, errors.NotFound) as refusal:
                world.journal.deed(f"answer refused: {type(refusal).__name__}", question.name)
                return
            except Exception as error:  # noqa: BLE001 - a person asks again, whatever it was
                world.journal.note("answer failed", question.name, type(error).__name__)
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                world.journal.accepted.append((run, question.name, reply.value))
                world.journal.deed("answer", f"{run}/{question.name}")
                return
