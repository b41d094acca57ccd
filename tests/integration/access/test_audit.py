"""The audit log: every change and every refusal, with who and about what, and never with a secret."""

from typing import Any

import pytest
from tests.integration.access.conftest import DOMAIN, OWN, PROJECT, RUNS, Locked, run_id

from flyte_server.auth.roles import Role
from flyte_server.clock import RealClock
from flyte_server.services.access.auditing import Audit
from flyte_server.services.access.callers import Caller
from flyte_server.services.access.places import Place
from flyte_server.store.access import audit
from flyte_server.store.access.audit import Asked, Entry
from flyte_server.store.database import Database

SECRET = {"name": "s", "project": PROJECT, "domain": DOMAIN}


async def entries(locked: Locked, **asked: Any) -> list[dict[str, Any]]:
    answer = await locked.ask(f"{OWN}.AuditService/List", asked, token=locked.token)
    assert answer.code == "ok", answer
    return answer.json["entries"]


async def test_a_change_is_written_down_with_who_when_and_what(locked: Locked) -> None:
    before = RealClock().now_us()
    token = await locked.key("nightly", Role.ADMIN, PROJECT)
    await locked.ask(f"{RUNS}/AbortRun", {"runId": run_id("gone")}, token=token)
    await locked.run()
    newest, refused = (await entries(locked))[:2]
    assert newest["subject"] == "local:tester"
    assert newest["method"].endswith("RunService/CreateRun")
    assert (newest["project"], newest["target"], newest["outcome"]) == (
        PROJECT,
        "p/development/r1",
        "ok",
    )
    assert newest["address"] == "127.0.0.1"
    assert before <= int(newest["at"]) <= RealClock().now_us()
    assert (refused["subject"], refused["outcome"]) == ("key:nightly", "not_found")


async def test_a_refusal_is_written_down(locked: Locked) -> None:
    token = await locked.key("nosy", Role.VIEW, "q")
    await locked.ask(f"{RUNS}/AbortRun", {"runId": run_id()}, token=token)
    found = await entries(locked, who="key:nosy")
    assert [entry["outcome"] for entry in found] == ["permission_denied"]


class PlugPulledError(BaseException):
    """Everything ends, in the middle of a change."""


async def test_what_was_under_way_when_everything_ended_has_its_entry() -> None:
    database = Database.in_memory()
    log = Audit(database, RealClock())
    begun: list[Entry] = []

    async def creates_a_run() -> None:
        ada, place = Caller("user:ada", "Ada", "person"), Place("p", "d", "r1")
        async with log.of("RunService/CreateRun", ada, [place], "127.0.0.1:7"):
            begun.extend(entry for _, entry in await database.read(audit.listing, Asked()))
            raise PlugPulledError

    with pytest.raises(PlugPulledError):
        await creates_a_run()
    assert [(entry.subject, entry.outcome) for entry in begun] == [("user:ada", "begun")]
    assert [entry for _, entry in await database.read(audit.listing, Asked())] == begun
    database.close()


async def test_values_of_secrets_and_keys_are_nowhere(locked: Locked) -> None:
    body = {"id": SECRET, "secretSpec": {"stringValue": "hunter2-hunter2"}}
    made = await locked.ask("flyteidl2.secret.SecretService/CreateSecret", body, token=locked.token)
    assert made.code == "ok", made
    key = await locked.ask(
        f"{OWN}.KeyService/Create", {"name": "ci", "role": "run"}, token=locked.token
    )
    await locked.ask(f"{OWN}.KeyService/Revoke", {"name": "ci"}, token=locked.token)
    found = await entries(locked)
    assert [entry["method"].rpartition(".")[2] for entry in found] == [
        "KeyService/Revoke",
        "KeyService/Create",
        "SecretService/CreateSecret",
    ]
    assert found[0]["target"] == "ci"
    files = [*locked.plane.settings.home.glob("state.db*")]
    content = b"".join(file.read_bytes() for file in files)
    assert b"hunter2-hunter2" not in content
    assert key.json["client_secret"].encode() not in content
    assert "hunter2" not in str(found)
    assert key.json["client_secret"] not in str(found)


async def test_reading_and_what_runtimes_do_all_the_time_is_not_written(locked: Locked) -> None:
    await locked.run()
    token = await locked.task("r1")
    await locked.ask(f"{RUNS}/ListRuns", {}, token=locked.token)
    await locked.ask("flyteidl2.actions.ActionsService/Enqueue", {}, token=token)
    assert [entry["method"].rpartition("/")[2] for entry in await entries(locked)] == ["CreateRun"]


async def test_a_person_who_does_what_runtimes_do_is_written_down(locked: Locked) -> None:
    token = await locked.key("hand", Role.RUN, PROJECT)
    await locked.ask("flyteidl2.actions.ActionsService/Enqueue", {}, token=token)
    assert (await entries(locked))[0]["subject"] == "key:hand"


async def test_it_is_read_page_by_page_and_by_filters(locked: Locked) -> None:
    for number in range(5):
        await locked.run(f"r{number}", PROJECT if number % 2 else "q")
    pages: list[str] = []
    before = ""
    while True:
        asked = {"limit": 2, "before": before}
        page = await locked.ask(f"{OWN}.AuditService/List", asked, token=locked.token)
        pages += [entry["target"].rpartition("/")[2] for entry in page.json["entries"]]
        before = page.json["next"]
        if not before:
            break
    assert pages == ["r4", "r3", "r2", "r1", "r0"]
    assert [each["project"] for each in await entries(locked, project="q")] == ["q"] * 3
    assert await entries(locked, since=str(RealClock().now_us() + 60_000_000)) == []
    token = await locked.key("of-q", Role.ADMIN, "q")
    mine = await locked.ask(f"{OWN}.AuditService/List", {"project": "q"}, token=token)
    assert len(mine.json["entries"]) == 3
    assert (
        await locked.ask(f"{OWN}.AuditService/List", {}, token=token)
    ).code == "permission_denied"


async def test_it_does_not_grow_without_end() -> None:
    database = Database.in_memory()

    def entry(at: int) -> Entry:
        return Entry(
            at=at,
            subject="local:t",
            name="t",
            kind="local",
            method="S/M",
            project="",
            target="",
            outcome="ok",
            address="",
        )

    for at in range(1000):
        await database.write(audit.add, entry(at), most=300, keep_us=10_000)
    assert len(await database.read(audit.listing, Asked(limit=1000))) == 300
    await database.write(audit.prune, most=300, oldest=900)
    kept = await database.read(audit.listing, Asked(limit=1000))
    assert [each.at for _, each in kept] == list(range(999, 899, -1))
    database.close()
