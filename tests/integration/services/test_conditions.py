"""Conditions over real HTTP: asked by a parent, answered by RPC and by signed link, told to webhooks."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyqwest
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions import actions_service_pb2
from flyteidl2.common import list_pb2, phase_pb2
from flyteidl2.core import literals_pb2, types_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2
from google.protobuf.duration_pb2 import Duration
from tests.fakes import messages
from tests.fakes.clock import ManualClock
from tests.integration.services.conftest import Plane, serving
from tests.integration.services.test_actions import Parent, listening
from tests.integration.services.test_recovery import relation
from tests.support import eventually

from flyte_server.domain.events import Parked
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Failure
from flyte_server.services.conditions.links import ConditionLinks, Place
from flyte_server.settings import Settings
from flyte_server.store import actions, hooks
from flyte_server.store.rows import Connection

PAUSED = phase_pb2.ACTION_PHASE_PAUSED
PROMPT = "<script>alert(1)</script> & **go**?"


@pytest.fixture
async def parent(plane: Plane) -> Parent:
    await plane.runs.create_run(messages.create())
    await eventually(lambda: plane.executor.held)
    return Parent(plane)


def condition(
    name: str = "c1",
    kind: "types_pb2.SimpleType" = types_pb2.BOOLEAN,
    run: str = "r1",
    parent: str = "a0",
    **fields: Any,
) -> actions_service_pb2.EnqueueRequest:
    """What a parent asks; the condition is named like its action, with `the-` before it."""
    fields.setdefault("prompt", PROMPT)
    asked = run_definition_pb2.ConditionAction(
        name=f"the-{name}", type=types_pb2.LiteralType(simple=kind), **fields
    )
    return actions_service_pb2.EnqueueRequest(
        action=actions_service_pb2.Action(
            action_id=messages.action_id(name, run), parent_action_name=parent, condition=asked
        )
    )


def answer(name: str = "c1", **payload: Any) -> run_service_pb2.SignalEventRequest:
    return run_service_pb2.SignalEventRequest(
        action_id=messages.action_id(name), payload=run_service_pb2.EventPayload(**payload)
    )


async def refused(call: Any) -> ConnectError:
    with pytest.raises(ConnectError) as caught:
        await call
    return caught.value


async def details(plane: Plane, name: str = "c1") -> run_definition_pb2.ActionDetails:
    request = run_service_pb2.GetActionDetailsRequest(action_id=messages.action_id(name))
    return (await plane.runs.get_action_details(request)).details


async def test_a_parent_gets_the_value_and_everybody_sees_who_answered(parent: Parent) -> None:
    plane = parent.plane
    async with listening(parent):
        await plane.actions.enqueue(condition())
        await eventually(lambda: parent.heard["c1"].phase == PAUSED)
        await plane.runs.signal_event(answer(bool_value=True), headers={"x-flyte-channel": "cli"})
        await eventually(lambda: parent.heard["c1"].phase == messages.SUCCEEDED)
        assert parent.heard["c1"].value.scalar.primitive.boolean is True
        assert not parent.heard["c1"].output_uri
    told = await details(plane)
    assert told.condition.prompt == PROMPT
    assert told.metadata.action_type == run_definition_pb2.ACTION_TYPE_CONDITION
    assert told.metadata.condition.name == "the-c1"
    assert told.signal_info.signalled_by.user.id.subject
    assert told.signal_info.output.scalar.primitive.boolean is True
    shown = (await own(plane, "List"))["conditions"][0]
    assert shown["answer"]["channel"] == "cli"
    assert shown["answer"]["value"] is True


@pytest.mark.parametrize(
    ("kind", "payload", "field_name", "value"),
    [
        (types_pb2.BOOLEAN, {"bool_value": False}, "boolean", False),
        (types_pb2.INTEGER, {"int_value": -(2**62)}, "integer", -(2**62)),
        (types_pb2.FLOAT, {"float_value": 0.25}, "float_value", 0.25),
        (types_pb2.STRING, {"string_value": ""}, "string_value", ""),
    ],
)
async def test_every_type_comes_back_as_it_was_sent(
    parent: Parent,
    kind: "types_pb2.SimpleType",
    payload: dict[str, Any],
    field_name: str,
    value: object,
) -> None:
    await parent.plane.actions.enqueue(condition(kind=kind))
    await parent.plane.runs.signal_event(answer(**payload))
    primitive = (await details(parent.plane)).signal_info.output.scalar.primitive
    assert primitive.WhichOneof("value") == field_name
    assert getattr(primitive, field_name) == value


async def test_the_first_answer_counts_and_the_second_hears_of_it(parent: Parent) -> None:
    plane = parent.plane
    await plane.actions.enqueue(condition())
    taken = await asyncio.gather(
        *(plane.runs.signal_event(answer(bool_value=bool(n % 2))) for n in range(6)),
        return_exceptions=True,
    )
    late = [each for each in taken if isinstance(each, ConnectError)]
    assert len(late) == 5
    assert {each.code for each in late} == {Code.FAILED_PRECONDITION}
    assert "answered already" in late[0].message
    value = (await details(plane)).signal_info.output.scalar.primitive.boolean
    assert f"{value!r} by" in late[0].message


async def test_what_cannot_be_an_answer_is_refused_and_changes_nothing(parent: Parent) -> None:
    plane = parent.plane
    await plane.actions.enqueue(condition(kind=types_pb2.INTEGER))
    wrong = await refused(plane.runs.signal_event(answer(string_value="3")))
    assert wrong.code is Code.INVALID_ARGUMENT
    assert "of type int" in wrong.message
    assert "of type str" in wrong.message
    assert (await refused(plane.runs.signal_event(answer()))).code is Code.INVALID_ARGUMENT
    unknown = await refused(plane.runs.signal_event(answer("none", int_value=1)))
    assert unknown.code is Code.NOT_FOUND
    task = await refused(plane.runs.signal_event(answer("a0", int_value=1)))
    assert task.code is Code.NOT_FOUND
    assert (await details(plane)).status.phase == PAUSED


async def test_a_task_may_answer_and_by_the_name_that_the_user_gave(parent: Parent) -> None:
    plane = parent.plane
    await plane.actions.enqueue(condition())
    literal = literals_pb2.Literal()
    literal.scalar.primitive.boolean = True
    request = actions_service_pb2.SignalRequest(
        action_id=messages.action_id("the-c1"), parent_action_name="a0", value=literal
    )
    await plane.actions.signal(request)
    assert (await details(plane)).status.phase == messages.SUCCEEDED
    request.value.Clear()
    assert (await refused(plane.actions.signal(request))).code is Code.INVALID_ARGUMENT


async def test_a_parent_that_asks_again_changes_nothing(parent: Parent) -> None:
    plane = parent.plane
    await plane.actions.enqueue(condition())
    await plane.runs.signal_event(answer(bool_value=True))
    again = await refused(plane.actions.enqueue(condition()))
    assert again.code is Code.ALREADY_EXISTS
    assert (await details(plane)).status.phase == messages.SUCCEEDED


async def test_nobody_answers_in_time(parent: Parent) -> None:
    async with listening(parent):
        await parent.plane.actions.enqueue(condition(timeout=Duration(nanos=200_000_000)))
        await eventually(lambda: parent.heard["c1"].phase == phase_pb2.ACTION_PHASE_TIMED_OUT)
        assert "Nobody answered" in parent.heard["c1"].error.message
    late = await refused(parent.plane.runs.signal_event(answer(bool_value=True)))
    assert "timed out" in late.message


async def test_an_abort_of_the_run_ends_its_conditions(parent: Parent) -> None:
    plane = parent.plane
    await plane.actions.enqueue(condition())
    await plane.runs.abort_run(run_service_pb2.AbortRunRequest(run_id=messages.run_id()))
    assert (await details(plane)).status.phase == messages.ABORTED
    late = await refused(plane.runs.signal_event(answer(bool_value=True)))
    assert late.code is Code.FAILED_PRECONDITION


async def test_a_condition_does_not_outlive_its_parent(parent: Parent) -> None:
    plane = parent.plane
    await plane.actions.enqueue(condition())
    await plane.executor.succeed("a0")
    await eventually_phase(plane, "c1", Phase.ABORTED)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (condition(kind=types_pb2.DATETIME), "choose one of bool"),
        (condition(timeout=Duration(seconds=-1)), "timeout of -1"),
        (condition(prompt="x" * 70_000), "longer than"),
        (
            condition(webhook=run_definition_pb2.ConditionWebhook(url="file:///etc/passwd")),
            "no address",
        ),
        (
            condition(webhook=run_definition_pb2.ConditionWebhook(url="http://u:p@h/")),
            "no address",
        ),
        (condition(webhook=run_definition_pb2.ConditionWebhook(url="http://h:x/")), "no address"),
        (condition("../c"), "characters"),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    parent: Parent, request_: actions_service_pb2.EnqueueRequest, said: str
) -> None:
    wrong = await refused(parent.plane.actions.enqueue(request_))
    assert wrong.code is Code.INVALID_ARGUMENT
    assert said in wrong.message


async def test_lists_find_conditions_by_their_type(parent: Parent) -> None:
    plane = parent.plane
    await plane.actions.enqueue(condition())
    for value in ("3", "ACTION_TYPE_CONDITION", "condition"):
        wanted = list_pb2.Filter(
            function=list_pb2.Filter.EQUAL, field="action_type", values=[value]
        )
        found = await plane.runs.list_actions(
            run_service_pb2.ListActionsRequest(
                run_id=messages.run_id(), request=list_pb2.ListRequest(limit=10, filters=[wanted])
            )
        )
        assert [each.id.name for each in found.actions] == ["c1"]


async def test_a_recovered_run_takes_the_answers_over(parent: Parent) -> None:
    plane = parent.plane
    await plane.actions.enqueue(condition("c1", types_pb2.INTEGER))
    await plane.actions.enqueue(condition("c2"))
    await plane.runs.signal_event(answer(int_value=5))
    await plane.executor.fail("a0", Failure("ValueError", "no", recoverable=False))
    await eventually_phase(plane, "c2", Phase.ABORTED)
    await plane.runs.create_run(messages.create("r2", run_spec=relation("r1")))
    await parent.started("a0")
    await plane.actions.enqueue(condition("c1", types_pb2.INTEGER, run="r2"))
    await plane.actions.enqueue(condition("c2", run="r2"))
    found = run_service_pb2.GetActionDetailsRequest(action_id=messages.action_id("c1", "r2"))
    told = (await plane.runs.get_action_details(found)).details
    assert told.status.phase == phase_pb2.ACTION_PHASE_RECOVERED
    assert told.signal_info.output.scalar.primitive.integer == 5
    found.action_id.name = "c2"
    told = (await plane.runs.get_action_details(found)).details
    assert told.status.phase == PAUSED


async def test_an_answer_of_another_type_is_not_taken_over(parent: Parent) -> None:
    """The code was corrected in between: the condition asks for a text now."""
    plane = parent.plane
    await plane.actions.enqueue(condition("c1", types_pb2.INTEGER))
    await plane.runs.signal_event(answer(int_value=5))
    await plane.executor.fail("a0", Failure("ValueError", "no", recoverable=False))
    await eventually_phase(plane, "a0", Phase.FAILED)
    await plane.runs.create_run(messages.create("r2", run_spec=relation("r1")))
    await parent.started("a0")
    await plane.actions.enqueue(
        condition("c1", types_pb2.STRING, run="r2", timeout=Duration(seconds=60))
    )
    found = run_service_pb2.GetActionDetailsRequest(action_id=messages.action_id("c1", "r2"))
    assert (await plane.runs.get_action_details(found)).details.status.phase == PAUSED


# --- parked parents


async def test_a_parked_parent_goes_on_when_one_of_its_conditions_ends(parent: Parent) -> None:
    plane = parent.plane
    await plane.actions.enqueue(condition("c1"))
    await plane.actions.enqueue(condition("c2"))
    await park(plane, "c1", "c2")
    await eventually_phase(plane, "a0", Phase.PAUSED)
    assert not plane.executor.held
    await plane.runs.signal_event(answer("c2", bool_value=True))
    await parent.started("a0")
    again = next(iter(plane.executor.held))
    assert again.number == 2
    await plane.executor.succeed("a0")
    await eventually_phase(plane, "a0", Phase.SUCCEEDED)


async def test_an_answer_that_comes_while_it_is_parked_is_not_missed(parent: Parent) -> None:
    """The process has decided to go; before the control plane hears of its end, somebody answers."""
    plane = parent.plane
    await plane.actions.enqueue(condition("c1"))
    await plane.actions.enqueue(condition("c2"))
    await plane.runs.signal_event(answer("c1", bool_value=True))
    await park(plane, "c1", "c2")
    await parent.started("a0")


async def test_an_abort_reaches_a_parked_parent(parent: Parent) -> None:
    plane = parent.plane
    await plane.actions.enqueue(condition("c1"))
    await park(plane, "c1")
    await plane.runs.abort_run(run_service_pb2.AbortRunRequest(run_id=messages.run_id()))
    await eventually_phase(plane, "a0", Phase.ABORTED)
    await eventually_phase(plane, "c1", Phase.ABORTED)


async def park(plane: Plane, *names: str) -> None:
    """The process of a0 gives itself back."""
    key, _ = plane.executor.held.popitem()
    await plane.executor.report(Parked(key, key.number, names))


async def eventually_phase(plane: Plane, name: str, phase: Phase) -> None:
    async def is_there() -> bool:
        action = await plane.app.parts.database.read(actions.load, 1, name)
        return action is not None and action.phase is phase

    await eventually(is_there)


# --- links


@dataclass
class Browser:
    """Opens pages of the control plane."""

    client: pyqwest.Client

    async def get(self, url: str) -> tuple[int, str, Mapping[str, str]]:
        response = await self.client.get(url)
        return response.status, response.text(), dict(response.headers.items())

    async def post(
        self, url: str, body: str, kind: str = "application/x-www-form-urlencoded"
    ) -> tuple[int, str]:
        response = await self.client.post(url, {"content-type": kind}, body.encode())
        return response.status, response.text()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with pyqwest.HTTPTransport() as transport:
        yield Browser(pyqwest.Client(transport))


async def own(plane: Plane, method: str, **fields: Any) -> Any:
    asked = {"project": "p", "domain": "development", "run": "r1", **fields}
    async with pyqwest.HTTPTransport() as transport:
        response = await pyqwest.Client(transport).post(
            f"{plane.endpoint}/flyte_standalone.v1.ConditionService/{method}",
            {"content-type": "application/json"},
            json.dumps(asked).encode(),
        )
    return json.loads(response.text())


async def test_a_link_shows_the_question_and_only_a_post_answers(
    parent: Parent, browser: Browser
) -> None:
    plane = parent.plane
    await plane.actions.enqueue(condition())
    link = (await own(plane, "Link", condition="the-c1"))["url"]
    assert (await browser.get(link))[0] == 200
    status, page, headers = await browser.get(link)
    assert status == 200
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; **go**?" in page
    assert "<script" not in page
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert (await details(plane)).status.phase == PAUSED

    status, said = await browser.post(link, "value=perhaps")
    assert (status, "no bool" in said) == (400, True)
    status, _ = await browser.post(link, "value=true&name=Ada%3Cb%3E")
    assert status == 200
    shown = (await own(plane, "List"))["conditions"][0]["answer"]
    assert (shown["value"], shown["name"], shown["channel"]) == (True, "Ada<b>", "link")

    status, said = await browser.post(link, "value=false")
    assert (status, "answered already" in said, "<b>" in said) == (409, True, False)
    assert (await browser.get(link))[0] == 409
    assert "answered already" in str(await own(plane, "Link", condition="c1"))


async def test_a_link_that_was_altered_or_is_over_answers_nothing(
    parent: Parent, browser: Browser
) -> None:
    plane = parent.plane
    await plane.actions.enqueue(condition("c1"))
    await plane.actions.enqueue(condition("c2"))
    link = (await own(plane, "Link", condition="c1"))["url"]
    expires = re.search(r"expires=(\d+)", link)
    assert expires
    forged = [
        link.replace("/c1?", "/c2?"),
        link.replace("/c1?", "/the-c1?"),
        link.replace("/c1?", "/none?"),
        link.replace("/r1/", "/r2/"),
        link.replace(expires[1], str(int(expires[1]) + 1)),
        link.replace("signature=", "signature=0"),
        link.partition("&signature")[0],
        link.partition("?")[0],
        link.partition("/answer/")[0] + "/answer/x",
        link.partition("/answer/")[0] + "/answer/../../c1",
    ]
    for each in forged:
        assert (await browser.post(each, "value=true"))[0] in {403, 404}, each
        assert (await browser.get(each))[0] in {403, 404}, each
    key = plane.settings.signing_key.read_bytes()
    earlier = ConditionLinks(key, ManualClock(), plane.endpoint)
    old = earlier.url(Place("p", "development", "r1", "c1"), run_id=1)
    status, said = await browser.post(old, "value=true")
    assert (status, "expired" in said) == (403, True)
    for name in ("c1", "c2"):
        assert (await details(plane, name)).status.phase == PAUSED


async def test_a_machine_answers_a_link_with_json(parent: Parent, browser: Browser) -> None:
    plane = parent.plane
    await plane.actions.enqueue(condition(kind=types_pb2.INTEGER))
    link = (await own(plane, "Link", condition="c1"))["url"]
    for body in ("{", "[]", "[" * 50_000, '{"other": 1}', '{"value": 1.5}', '{"value": [1]}'):
        assert (await browser.post(link, body, "application/json"))[0] == 400, body[:20]
    assert (await browser.post(link, "value=" + "1" * 70_000))[0] == 400
    assert await browser.post(link, '{"value": 7}', "application/json") == (
        200,
        '{"message": "Thank you, the answer is kept."}',
    )
    assert (await details(plane)).signal_info.output.scalar.primitive.integer == 7


# --- webhooks


@dataclass
class Receiver:
    """Somebody who is told; answers each request with the next of its statuses, then with 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list[int])
    told: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(length[1]) if length else 0)
        self.told.append((head.split()[1], json.loads(body or b"null")))
        status = self.statuses.pop(0) if self.statuses else 200
        location = f"location: {self.url}/elsewhere\r\n" if status == 302 else ""
        writer.write(
            f"HTTP/1.1 {status} X\r\n{location}content-length: 0\r\nconnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving(*statuses: int) -> AsyncGenerator[Receiver]:
    receiver = Receiver(statuses=list(statuses))
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield receiver


async def test_a_webhook_gets_the_link_in_its_own_words_and_can_answer_with_it(
    parent: Parent, browser: Browser
) -> None:
    async with receiving() as receiver:
        webhook = run_definition_pb2.ConditionWebhook(url=f"{receiver.url}/hook")
        webhook.payload.update({"text": "go? {callback_uri}", "more": [{"n": 1}], "x": None})
        await parent.plane.actions.enqueue(condition(webhook=webhook))
        await eventually(lambda: receiver.told)
        path, body = receiver.told[0]
        assert path == "/hook"
        assert body["more"] == [{"n": 1}]
        link = body["text"].removeprefix("go? ")
        assert (await browser.post(link, '{"value": true}', "application/json"))[0] == 200
    assert (await details(parent.plane)).status.phase == messages.SUCCEEDED


async def test_a_webhook_is_tried_again_and_follows_no_redirect(parent: Parent) -> None:
    async with receiving(503, 302) as receiver:
        webhook = run_definition_pb2.ConditionWebhook(url=f"{receiver.url}/hook")
        await parent.plane.actions.enqueue(condition(webhook=webhook))
        await eventually(lambda: len(receiver.told) == 3, timeout_seconds=20)
        assert {path for path, _ in receiver.told} == {"/hook"}
        assert receiver.told[0][1]["condition"] == "the-c1"
        assert receiver.told[0][1]["callback_uri"].startswith(parent.plane.endpoint)
        await eventually(lambda: nobody_left(parent.plane))
        assert len(receiver.told) == 3


async def nobody_left(plane: Plane) -> bool:
    return await plane.app.parts.database.read(hooks.next_due_at) is None


async def test_a_receiver_that_is_away_keeps_nobody_waiting(parent: Parent) -> None:
    plane = parent.plane
    webhook = run_definition_pb2.ConditionWebhook(url="http://127.0.0.1:9/hook")
    await plane.actions.enqueue(condition(webhook=webhook))
    await plane.runs.signal_event(answer(bool_value=True))
    assert (await details(plane)).status.phase == messages.SUCCEEDED
    # A condition that has ended is not told any more, when its turn comes again.
    await eventually(lambda: nobody_left(plane))


def _damaged_and_due(connection: Connection, name: str) -> None:
    connection.execute("UPDATE actions SET policy = 'x' WHERE name = ?", (name,))
    connection.execute("UPDATE hooks SET due_at = 0 WHERE action = ?", (name,))


async def test_a_damaged_condition_keeps_no_other_from_being_told(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", port=0, auth="none")
    async with receiving() as receiver:
        webhook = run_definition_pb2.ConditionWebhook(url=f"{receiver.url}/hook")
        away = run_definition_pb2.ConditionWebhook(url="http://127.0.0.1:9/hook")
        async with serving(settings) as plane:
            await plane.runs.create_run(messages.create())
            await eventually(lambda: plane.executor.held)
            await plane.actions.enqueue(condition("c1", webhook=away))
            await eventually(lambda: nobody_due(plane))
            await plane.app.parts.database.write(_damaged_and_due, "c1")
            await plane.actions.enqueue(condition("c2", webhook=webhook))
            await eventually(lambda: receiver.told)


async def nobody_due(plane: Plane) -> bool:
    return not await plane.app.parts.database.read(hooks.due, plane.app.parts.clock.now_us())


async def test_a_home_keeps_conditions_across_control_planes(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", port=0, auth="none")
    async with serving(settings) as plane:
        await plane.runs.create_run(messages.create())
        await eventually(lambda: plane.executor.held)
        await plane.actions.enqueue(condition(timeout=Duration(seconds=600)))
        link = (await own(plane, "Link", condition="c1"))["url"]
        port = int(plane.endpoint.rpartition(":")[2])
    async with serving(replace(settings, port=port)) as plane, pyqwest.HTTPTransport() as transport:
        assert (await details(plane)).status.phase == PAUSED
        assert (await Browser(pyqwest.Client(transport)).post(link, "value=true"))[0] == 200
        assert (await details(plane)).status.phase == messages.SUCCEEDED
