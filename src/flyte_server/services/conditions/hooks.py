"""Webhooks: somebody outside is told, once, that a condition waits.

What is to be told is a row, written in the transaction that took the condition in; it goes when it was told, when the
condition has ended, or when nobody could be reached for long.  Nothing waits for it.
"""

import asyncio
import json
import logging
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import pyqwest

from flyte_server.clock import Clock
from flyte_server.domain import retry
from flyte_server.domain.errors import NotFound, Unavailable
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action
from flyte_server.engine.bus import HOOKS, Bus
from flyte_server.engine.engine import Engine
from flyte_server.services.conditions import questions
from flyte_server.services.conditions.links import LONGEST_SECONDS, ConditionLinks, Place
from flyte_server.services.directory import Directory
from flyte_server.store import actions, hooks
from flyte_server.store.database import Database
from flyte_server.store.hooks import Untold

_log = logging.getLogger(__name__)

_CALLBACK = "{callback_uri}"
_ANSWER_SECONDS = 10.0
_PAUSES = (2.0, 2.0, 3600.0)
"""Base, factor and cap (seconds) between two tries."""
_MOST_FAILURES = 30
"""About a day: a receiver that is away for longer has lost interest, and the condition can be found without it."""
_TICK_SECONDS = 60.0
_SUCCESSES = range(200, 300)
_UNREACHABLE = (OSError, ValueError, pyqwest.RemoteProtocolError, pyqwest.TooManyRedirects)


class NotTold(Exception):  # noqa: N818 - named by what happened
    """The receiver could not be reached, or did not want it."""


@dataclass(frozen=True, slots=True)
class _Message:
    url: str
    body: bytes


class Hooks:
    """Tells what is due, several receivers at once."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        bus: Bus,
        *,
        clock: Clock,
        directory: Directory,
        links: ConditionLinks,
    ) -> None:
        self._database = database
        self._engine = engine
        self._bus = bus
        self._clock = clock
        self._directory = directory
        self._links = links

    async def run(self) -> None:
        """Work until cancelled."""
        with self._bus.subscribe(HOOKS) as changes:
            while True:
                due = await self._database.read(hooks.due, self._clock.now_us())
                if due:
                    await self._tell_all(due)
                    continue
                next_at = await self._database.read(hooks.next_due_at)
                await changes.wait(self._pause_seconds(next_at))

    def _pause_seconds(self, next_at: int | None) -> float:
        if next_at is None:
            return _TICK_SECONDS
        return min(max((next_at - self._clock.now_us()) / 1_000_000, 0.01), _TICK_SECONDS)

    async def _tell_all(self, due: list[Untold]) -> None:
        # No redirects: the address that was checked is the one that is called.
        async with pyqwest.HTTPTransport(
            follow_redirects=False,
            timeout=_ANSWER_SECONDS,
            tls_include_system_certs=True,
            enable_otel=False,
        ) as transport:
            client = pyqwest.Client(transport)
            await asyncio.gather(*(self._tell(client, each) for each in due))

    async def _tell(self, client: pyqwest.Client, untold: Untold) -> None:
        try:
            message = await self._message(untold)
            if message is not None:
                await _post(client, message)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a damaged row keeps nobody else from being told
            await self._put_off(untold, error)
        else:
            await self._engine.told(untold.key)

    async def _put_off(self, untold: Untold, error: Exception) -> None:
        failures = untold.failures + 1
        if failures >= _MOST_FAILURES:
            _log.warning(
                "the webhook of condition %s is given up after %d tries (%s); the condition waits all the same",
                untold.key.name,
                failures,
                error,
            )
            await self._engine.told(untold.key)
            return
        _log.info("the webhook of condition %s is tried again: %s", untold.key.name, error)
        pause_us = retry.backoff_us(*_PAUSES, failures=failures)
        await self._engine.not_told(
            untold.key, failures=failures, due_at=self._clock.now_us() + pause_us
        )

    async def _message(self, untold: Untold) -> _Message | None:
        """What to tell; None when the condition has ended, or its run was removed."""
        key = untold.key
        action = await self._database.read(actions.load, key.run_id, key.name)
        if action is None or action.phase is not Phase.PAUSED:
            return None
        try:
            facts = await self._directory.by_id(key.run_id)
        except NotFound:
            return None
        run = facts.run
        place = Place(run.project, run.domain, run.name, action.name)
        callback = self._links.url(place, run.id, seconds=self._lasts_seconds(action))
        question = await self._database.read(questions.of, action)
        payload = (
            json.loads(untold.hook.payload) if untold.hook.payload else _default(place, action)
        )
        if not untold.hook.payload:
            payload["prompt"] = question.prompt
        return _Message(untold.hook.url, json.dumps(_filled(payload, callback)).encode())

    def _lasts_seconds(self, action: Action) -> float:
        if action.limit_at is None:
            return LONGEST_SECONDS
        return (action.limit_at - self._clock.now_us()) / 1_000_000


def _default(place: Place, action: Action) -> dict[str, Any]:
    return {
        "project": place.project,
        "domain": place.domain,
        "run": place.run,
        "action": place.action,
        "condition": action.task_name,
        "type": action.policy.answer_type,
        "callback_uri": _CALLBACK,
    }


def _filled(value: Any, callback: str) -> Any:
    """The payload with the link in every text that has a place for it."""
    if isinstance(value, str):
        return value.replace(_CALLBACK, callback)
    if isinstance(value, dict):
        return {key: _filled(each, callback) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, callback) for each in value]
    return value


async def _post(client: pyqwest.Client, message: _Message) -> None:
    """POST, and look at nothing but the status: what a receiver says is no business of ours.

    Raises:
        NotTold: with the reason.
    """
    _check_host(message.url)
    headers = {"content-type": "application/json", "user-agent": "flyte-conditions"}
    try:
        async with (
            asyncio.timeout(_ANSWER_SECONDS),
            client.stream("POST", message.url, headers, message.body) as response,
        ):
            status = response.status
    except _UNREACHABLE as error:
        raise NotTold(f"{type(error).__name__}: {error}"[:300]) from error
    if status not in _SUCCESSES:
        raise NotTold(f"it answered with status {status}")


def _check_host(url: str) -> None:
    """Refuse link-local addresses: clouds give credentials away there."""
    host = urlsplit(url).hostname or ""
    try:
        is_link_local = ip_address(host).is_link_local
    except ValueError:
        return  # a name
    if is_link_local:
        raise NotTold(f"{host} is a link-local address; webhooks do not go there")
