"""ConditionService: the questions of a run with who answered them, and links that answer."""

from collections.abc import Mapping
from typing import Any

from flyte_server.domain import answering as rules
from flyte_server.domain.errors import Conflict
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action
from flyte_server.services.conditions import questions
from flyte_server.services.conditions.answering import Answering
from flyte_server.services.conditions.links import DEFAULT_SECONDS, ConditionLinks, Place
from flyte_server.services.directory import Directory
from flyte_server.services.own.frame import Method, Payload, Request
from flyte_server.services.wire import ids
from flyte_server.services.wire.ids import ActionName, RunName
from flyte_server.store.database import Database


class ConditionService:
    """Tells of conditions what the public protocol has no words for."""

    name = "ConditionService"

    def __init__(
        self, answering: Answering, links: ConditionLinks, directory: Directory, database: Database
    ) -> None:
        self._answering = answering
        self._links = links
        self._directory = directory
        self._database = database

    def methods(self) -> Mapping[str, Method]:
        return {"List": self.list, "Link": self.link}

    async def list(self, request: Request) -> Payload:
        """`{project, domain, run, parent?} -> {conditions: [{action, name, parent, type, phase, prompt, markdown,
        description, asked_at, until?, ended_at?, answer?}]}`.

        `answer` is `{value, by, name, channel, at}`, where `channel` is one of `cli`, `api`, `link`.  Moments are
        microseconds since the epoch, as text; a value of type int is text too.

        Raises:
            NotFound: there is no such run.
        """
        facts = await self._directory.by_name(_run(request))
        found = await self._answering.listing(facts, request.text("parent", ""))
        return {"conditions": [await self._shown(action) for action in found]}

    async def link(self, request: Request) -> Payload:
        """`{project, domain, run, condition, seconds?} -> {url}`: whoever has it can answer, for so long.

        `condition` is the name of its action, or the one that the user gave it; `seconds` are at most 30 days.

        Raises:
            NotFound: there is no such run or condition.
            Conflict: it waits for no answer any more.
        """
        run = _run(request)
        condition = request.text("condition")
        facts, action = await self._answering.find(ActionName(run, condition))
        if action.phase is not Phase.PAUSED:
            raise Conflict(rules.too_late(action))
        place = Place(run.project, run.domain, run.name, action.name)
        seconds = request.number("seconds", int(DEFAULT_SECONDS))
        return {"url": self._links.url(place, facts.run.id, seconds=seconds)}

    async def _shown(self, action: Action) -> dict[str, Any]:
        question = await self._database.read(questions.of, action)
        given = action.answer
        return {
            "action": action.name,
            "name": action.task_name,
            "parent": action.parent,
            "type": action.policy.answer_type,
            "phase": action.phase.value,
            "prompt": question.prompt,
            "markdown": question.is_markdown,
            "description": question.description,
            "asked_at": str(action.created_at),
            "until": None if action.limit_at is None else str(action.limit_at),
            "ended_at": None if action.ended_at is None else str(action.ended_at),
            "answer": None
            if given is None
            else {
                "value": str(given.value) if type(given.value) is int else given.value,
                "by": given.by,
                "name": given.by_name,
                "channel": given.channel,
                "at": str(given.at),
            },
        }


def _run(request: Request) -> RunName:
    return RunName(
        ids.name(request.text("project"), where="project"),
        ids.name(request.text("domain"), where="domain"),
        ids.name(request.text("run"), where="run"),
    )
