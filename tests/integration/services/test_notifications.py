"""What runs tell at their end, to receivers on real sockets."""

import json
from pathlib import Path
from typing import Any

import pyqwest
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.notification import definition_pb2
from flyteidl2.task import run_pb2
from flyteidl2.workflow import run_service_pb2
from tests.fakes import messages, receivers
from tests.integration.services.conftest import Plane, serving
from tests.integration.services.test_triggers import deploy, deployed_task, runs_of, soon
from tests.support import eventually

from flyte._wire.notifications.messages import tell
from flyte.models import ActionPhase
from flyte.notify import Email, NamedDelivery, Notification, Slack, Teams, Webhook
from flyte_server.domain.records import Failure
from flyte_server.engine.bus import RUNS
from flyte_server.mail import Smtp
from flyte_server.settings import Settings

FAILED, SUCCEEDED = ActionPhase.FAILED, ActionPhase.SUCCEEDED
AWKWARD = 'it said "no"\n<b>{{.Run.Name}}</b>'


def spec(*wished: Notification) -> run_pb2.RunSpec:
    made = run_pb2.RunSpec()
    tell(made, wished)
    return made


async def started(plane: Plane, *wished: Notification, name: str = "r1") -> None:
    await plane.runs.create_run(messages.create(name, run_spec=spec(*wished)))
    await eventually(lambda: plane.executor.held)


async def states(plane: Plane, run: str = "r1") -> list[dict[str, Any]]:
    asked = {"project": "p", "domain": "development", "run": run}
    async with pyqwest.HTTPTransport() as transport:
        response = await pyqwest.Client(transport).post(
            f"{plane.endpoint}/flyte_standalone.v1.NoticeService/List",
            {"content-type": "application/json"},
            json.dumps(asked).encode(),
        )
    return json.loads(response.text()).get("notices", [])


async def settled(plane: Plane, *wanted: str) -> list[dict[str, Any]]:
    async def found() -> list[dict[str, Any]] | None:
        now = await states(plane)
        return now if [each["state"] for each in now] == list(wanted) else None

    return await eventually(found)


async def refusal(plane: Plane, run_spec: run_pb2.RunSpec) -> str:
    with pytest.raises(ConnectError) as caught:
        await plane.runs.create_run(messages.create(run_spec=run_spec))
    assert caught.value.code is Code.INVALID_ARGUMENT
    return caught.value.message


def rule(**delivery: Any) -> run_pb2.RunSpec:
    template = definition_pb2.DeliveryConfigTemplate(**delivery)
    wished = run_pb2.InlineRule(on_phases=["ACTION_PHASE_SUCCEEDED"], delivery_template=template)
    return run_pb2.RunSpec(notification_rules=run_pb2.InlineRuleList(rules=[wished]))


async def test_a_failed_run_tells_what_was_asked_and_nothing_else(plane: Plane) -> None:
    async with receivers.web() as receiver:
        at = receiver.url
        await started(
            plane,
            Webhook(on_phase=FAILED, url=f"{at}/a?b=c", method="PUT", headers={"X-Mine": "1"}),
            Webhook(on_phase=SUCCEEDED, url=f"{at}/never"),
            Slack(on_phase=(FAILED, SUCCEEDED), webhook_url=f"{at}/slack", message="{{ .Error }}!"),
            Teams(on_phase=FAILED, webhook_url=f"{at}/teams"),
        )
        assert [each["state"] for each in await states(plane)] == ["waiting"] * 4
        assert not receiver.told
        await plane.executor.fail("a0", Failure("ValueError", AWKWARD, recoverable=False))
        shown = await settled(plane, "sent", "unwanted", "sent", "sent")
    told = {each.path: each for each in receiver.told}
    assert set(told) == {"/a?b=c", "/slack", "/teams"}
    hook = told["/a?b=c"]
    assert (hook.method, hook.headers["x-mine"]) == ("PUT", "1")
    assert json.loads(hook.body) == {
        "run": "r1",
        "project": "p",
        "domain": "development",
        "phase": "FAILED",
        "error": f"ValueError: {AWKWARD}",
    }
    assert json.loads(told["/slack"].body) == {"text": f"ValueError: {AWKWARD}!"}
    assert json.loads(told["/teams"].body)["title"] == "Run r1 FAILED"
    keys = {each.headers["idempotency-key"] for each in receiver.told}
    assert len(keys) == 3
    assert shown[0]["to"] == f"PUT {at}/…"
    assert shown[0]["ended_at"]


async def test_a_receiver_that_fails_is_told_again_with_the_same_key(plane: Plane) -> None:
    async with receivers.web(500, 302) as receiver:
        await started(plane, Webhook(on_phase=SUCCEEDED, url=receiver.url))
        await plane.executor.succeed("a0")
        await eventually(lambda: receiver.told)

        async def put_off() -> bool:
            return (await states(plane))[0]["failures"] == 1

        await eventually(put_off)
        waiting = (await states(plane))[0]
        assert (waiting["state"], waiting["error"]) == ("waiting", "it answered with status 500")
        assert waiting["next_at"]
        await settled_after_retries(plane)
    assert [each.path for each in receiver.told] == ["/", "/", "/"]  # a redirect is not followed
    assert len({each.headers["idempotency-key"] for each in receiver.told}) == 1


async def settled_after_retries(plane: Plane) -> None:
    async def sent() -> bool:
        return (await states(plane))[0]["state"] == "sent"

    await eventually(sent, timeout_seconds=20)


async def test_a_control_plane_that_was_away_tells_when_it_is_back(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", port=0, auth="none")
    async with receivers.web(0) as receiver:
        async with serving(settings) as plane:
            await started(plane, Webhook(on_phase=SUCCEEDED, url=receiver.url))
            await plane.executor.succeed("a0")
            await eventually(lambda: receiver.told)
        async with serving(settings) as again:
            await settled_after_retries(again)
            assert len(receiver.told) == 2
            again.app.parts.bus.wake(RUNS)
            assert (await states(again))[0]["state"] == "sent"
    assert len(receiver.told) == 2


async def test_emails_are_handed_to_the_smtp_server(tmp_path: Path) -> None:
    async with receivers.smtp("gone@example.com") as server:
        smtp = Smtp("127.0.0.1", server.port, "flyte@example.com")
        async with serving(
            Settings(home=tmp_path / "home", port=0, auth="none", smtp=smtp)
        ) as plane:
            await started(
                plane,
                Email(
                    on_phase=FAILED,
                    recipients=("ada@example.com", "gone@example.com"),
                    cc=("bob@example.com",),
                    bcc=("eve@example.com",),
                    subject="{{.Run.Name}}: {{.Error}}",
                    html_body="<p>{{.Error}}</p>",
                ),
                Email(on_phase=FAILED, recipients=("solo@example.com",)),
            )
            await plane.executor.fail("a0", Failure("ValueError", AWKWARD, recoverable=False))
            shown = await settled(plane, "sent", "sent")
    assert shown[0]["error"] == "refused: gone@example.com"
    (recipients, mail), (others, plain) = sorted(server.received, key=lambda each: each[0])
    assert recipients == ["ada@example.com", "bob@example.com", "eve@example.com"]
    assert mail["subject"] == 'r1: ValueError: it said "no" <b>{{.Run.Name}}</b>'
    assert (mail["from"], mail["cc"], mail["bcc"]) == ("flyte@example.com", "bob@example.com", None)
    page = mail.get_body(("html",))
    assert page is not None
    assert "&lt;b&gt;" in page.get_content()
    assert others == ["solo@example.com"]
    text = plain.get_body(("plain",))
    assert text is not None
    assert "Phase: FAILED" in text.get_content()


async def test_an_email_without_a_server_says_so(plane: Plane) -> None:
    await started(plane, Email(on_phase=SUCCEEDED, recipients=("ada@example.com",)))
    await plane.executor.succeed("a0")

    async def said() -> str | None:
        return (await states(plane))[0]["error"]

    assert "FLYTE_SERVER_SMTP_URL" in await eventually(said)
    assert (await states(plane))[0]["to"] == "ada@example.com"


async def test_the_machine_itself_and_its_networks_are_closed_where_others_can_connect(
    tmp_path: Path,
) -> None:
    settings = Settings(home=tmp_path / "home", port=0, auth="none", notifies_private=False)
    async with receivers.web() as receiver, serving(settings) as plane:
        port = receiver.url.rpartition(":")[2]
        await started(
            plane,
            Webhook(on_phase=SUCCEEDED, url=receiver.url),
            Webhook(on_phase=SUCCEEDED, url=f"http://localhost:{port}/"),
            Webhook(on_phase=SUCCEEDED, url=f"http://[::ffff:127.0.0.1]:{port}/"),
            Webhook(on_phase=SUCCEEDED, url="http://169.254.169.254/latest/meta-data"),
        )
        await plane.executor.succeed("a0")

        async def errors() -> list[Any] | None:
            found = [each.get("error") for each in await states(plane)]
            return found if all(found) else None

        said = await eventually(errors)
        assert all("FLYTE_SERVER_NOTIFY_PRIVATE" in each for each in said[:3])
        assert "where notifications never go" in said[3]
        assert not receiver.told


async def test_a_run_of_a_trigger_tells_its_end(plane: Plane) -> None:
    await deployed_task(plane)
    async with receivers.web() as receiver:
        automation, _ = soon()
        wished = spec(Webhook(on_phase=SUCCEEDED, url=receiver.url))
        await deploy(plane, automation, run_spec=wished)

        async def ticked() -> bool:
            return bool(await runs_of(plane)) and bool(plane.executor.held)

        await eventually(ticked)
        await plane.executor.succeed("a0")
        await eventually(lambda: receiver.told)
    assert json.loads(receiver.told[0].body)["phase"] == "SUCCEEDED"
    with pytest.raises(ConnectError, match="not known"):
        await deploy(plane, run_spec=run_pb2.RunSpec(notification_rule_name="oncall"))


async def test_a_run_that_is_refused_tells_nothing_and_one_that_is_removed_leaves_nothing(
    plane: Plane,
) -> None:
    await started(plane, Webhook(on_phase=FAILED, url="http://127.0.0.1:9/"))
    with pytest.raises(ConnectError):
        await plane.runs.create_run(
            messages.create(run_spec=spec(Webhook(on_phase=FAILED, url="http://127.0.0.1:9/")))
        )
    assert len(await states(plane)) == 1
    await plane.runs.abort_run(run_service_pb2.AbortRunRequest(run_id=messages.run_id()))
    await settled(plane, "unwanted")
    await plane.app.parts.retention.delete("p", "development", "r1")

    async def left() -> bool:
        def count(connection: Any) -> int:
            return connection.execute("SELECT count(*) FROM notices").fetchone()[0]

        return await plane.app.parts.database.read(count) == 0

    await eventually(left)


@pytest.mark.parametrize(
    ("run_spec", "said"),
    [
        (run_pb2.RunSpec(notification_rule_name="oncall"), "rule 'oncall' is not known"),
        (spec(NamedDelivery(on_phase=FAILED, name="pager")), "delivery 'pager' is not known"),
        (spec(*[Webhook(on_phase=FAILED, url="http://h/")] * 21), "20 at most"),
        (spec(Webhook(on_phase=FAILED, url="http://u:p@h/")), "no address"),
        (spec(Webhook(on_phase=FAILED, url="http://h/ä")), "escaped"),
        (spec(Webhook(on_phase=FAILED, url="http://h/", method="CONNECT")), "by CONNECT"),
        (spec(Webhook(on_phase=FAILED, url="http://h/", headers={"Host": "x"})), "'Host'"),
        (spec(Webhook(on_phase=FAILED, url="http://h/", headers={"a": "b\r\nc: d"})), "'a'"),
        (spec(Webhook(on_phase=FAILED, url="http://h/", body={"a": "{{.Took}}"})), ".Took"),
        (spec(Webhook(on_phase=FAILED, url="http://h/", body={"a": "x" * 70_000})), "65536"),
        (spec(Email(on_phase=FAILED, recipients=("a@b\r\nBcc: c@d",))), "no address"),
        (spec(Email(on_phase=FAILED, recipients=("a@",))), "no address"),
        (rule(webhook={"url": "ftp://h/"}), "no address"),
        (rule(), "no receiver"),
        (rule(email={"inline": {"subject": "s"}}), "no recipient"),
        (rule(email={"to": [{"address": "a@b.c"}]}), "provider"),
        (
            run_pb2.RunSpec(
                notification_rules={"rules": [{"on_phases": [4], "delivery_config_name": ""}]}
            ),
            "not known",
        ),
    ],
)
async def test_what_could_never_be_sent_is_refused(
    plane: Plane, run_spec: run_pb2.RunSpec, said: str
) -> None:
    assert said in await refusal(plane, run_spec)
    assert not plane.executor.held
