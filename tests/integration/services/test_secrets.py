"""Secrets over real HTTP: values go in and do not come out; a task gets them, a task without them fails."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.common import phase_pb2
from flyteidl2.core import security_pb2
from flyteidl2.secret import definition_pb2, payload_pb2
from flyteidl2.workflow import run_service_pb2
from tests.fakes import messages
from tests.integration.services.conftest import Plane
from tests.support import eventually

from flyte import errors
from flyte._client.control_plane import ControlPlane
from flyte_server.domain.secrets import SecretName
from flyte_server.store.catalogue import secrets as stored
from flyte_server.store.database import Database
from flyte_server.vault import Vault, keys

VALUE = "never-to-be-seen"


def id_(name: str, project: str = "", domain: str = "") -> definition_pb2.SecretIdentifier:
    return definition_pb2.SecretIdentifier(name=name, project=project, domain=domain)


async def create(plane: Plane, name: str, value: str = VALUE, *scope: str, **spec: Any) -> None:
    request = payload_pb2.CreateSecretRequest(
        id=id_(name, *scope),
        secret_spec=definition_pb2.SecretSpec(string_value=value, **spec),
    )
    await plane.secrets.create_secret(request)


async def listed(plane: Plane, **chosen: Any) -> list[str]:
    response = await plane.secrets.list_secrets(payload_pb2.ListSecretsRequest(**chosen))
    shown = [each.id for each in response.secrets]
    return [f"{each.name} {each.project}/{each.domain}" for each in shown]


async def test_what_is_told_of_a_secret_is_that_it_is_there(plane: Plane) -> None:
    await create(plane, "key", type=definition_pb2.SECRET_TYPE_IMAGE_PULL_SECRET)
    got = (await plane.secrets.get_secret(payload_pb2.GetSecretRequest(id=id_("key")))).secret
    assert got.id.name == "key"
    assert got.secret_metadata.type == definition_pb2.SECRET_TYPE_IMAGE_PULL_SECRET
    assert got.secret_metadata.created_time.seconds > 0
    assert got.secret_metadata.secret_status.overall_status == definition_pb2.FULLY_PRESENT
    assert VALUE not in str(got)


async def test_scopes_are_apart_and_a_listing_shows_what_holds_in_one(plane: Plane) -> None:
    await create(plane, "a")
    await create(plane, "a", VALUE, "p")
    await create(plane, "a", VALUE, "p", "staging")
    await create(plane, "b", VALUE, "q", "staging")
    assert await listed(plane) == ["a /", "a p/", "a p/staging", "b q/staging"]
    assert await listed(plane, project="p", domain="development") == ["a /", "a p/"]
    await plane.secrets.delete_secret(payload_pb2.DeleteSecretRequest(id=id_("a", "p")))
    assert await listed(plane, project="p") == ["a /", "a p/staging"]


async def test_a_listing_has_pages(plane: Plane) -> None:
    for name in "abc":
        await create(plane, name)
    first = await plane.secrets.list_secrets(payload_pb2.ListSecretsRequest(limit=2))
    assert [each.id.name for each in first.secrets] == ["a", "b"]
    assert await listed(plane, limit=2, token=first.token) == ["c /"]


@pytest.mark.parametrize(
    ("name", "spec", "said"),
    [
        ("a/b", {"string_value": VALUE}, "cannot be called 'a/b'"),
        ("", {"string_value": VALUE}, "cannot be called ''"),
        ("a", {}, "is empty"),
        ("a", {"binary_value": bytes(1024 * 1024 + 1)}, "1,048,577 bytes"),
    ],
)
async def test_what_cannot_be_kept_is_refused(
    plane: Plane, name: str, spec: dict[str, Any], said: str
) -> None:
    request = payload_pb2.CreateSecretRequest(
        id=id_(name), secret_spec=definition_pb2.SecretSpec(**spec)
    )
    with pytest.raises(ConnectError, match=said) as refused:
        await plane.secrets.create_secret(request)
    assert refused.value.code is Code.INVALID_ARGUMENT
    assert VALUE not in str(refused.value)


async def test_a_name_is_taken_until_it_is_deleted(plane: Plane) -> None:
    await create(plane, "a")
    with pytest.raises(ConnectError) as taken:
        await create(plane, "a", "another")
    assert taken.value.code is Code.ALREADY_EXISTS
    spec = definition_pb2.SecretSpec(string_value="another")
    for call, request in (
        (plane.secrets.get_secret, payload_pb2.GetSecretRequest(id=id_("b"))),
        (plane.secrets.delete_secret, payload_pb2.DeleteSecretRequest(id=id_("b"))),
        (
            plane.secrets.update_secret,
            payload_pb2.UpdateSecretRequest(id=id_("b"), secret_spec=spec),
        ),
    ):
        with pytest.raises(ConnectError, match="There is no secret 'b'") as missing:
            await call(request)
        assert missing.value.code is Code.NOT_FOUND


async def start(plane: Plane, name: str) -> None:
    spec = messages.spec()
    wanted = security_pb2.Secret(key="key", env_var="KEY")
    spec.task_template.security_context.secrets.append(wanted)
    await plane.runs.create_run(messages.create(name=name, task_spec=spec))


async def test_a_task_gets_the_latest_value(plane: Plane) -> None:
    await create(plane, "key", "old")
    spec = definition_pb2.SecretSpec(binary_value=b"new")
    await plane.secrets.update_secret(
        payload_pb2.UpdateSecretRequest(id=id_("key"), secret_spec=spec)
    )
    await start(plane, "r1")
    (held,) = await eventually(lambda: list(plane.executor.held.values()))
    assert held.hidden.env["KEY"] == "new"
    assert held.env["FLYTE_SECRETS"] == "KEY"
    assert "new" not in held.host_key


async def test_a_task_whose_secret_is_nowhere_fails_at_once(plane: Plane) -> None:
    await start(plane, "r1")

    async def details() -> Any:
        request = run_service_pb2.GetRunDetailsRequest(run_id=messages.run_id("r1"))
        action = (await plane.runs.get_run_details(request)).details.action
        return action if action.status.phase == phase_pb2.ACTION_PHASE_FAILED else None

    failed = await eventually(details)
    assert failed.error_info.message.startswith("The task asks for the secret 'key'")
    assert not plane.executor.held


@pytest.fixture
async def client(plane: Plane) -> AsyncIterator[ControlPlane]:
    """The SDK's own client, for our own service about keys."""
    made = ControlPlane.connect(plane.endpoint)
    yield made
    await made.aclose()


async def own(client: ControlPlane, method: str, **fields: Any) -> dict[str, Any]:
    return await client.own("SecretKeyService", method, fields)


async def test_all_is_sealed_anew_with_a_fresh_key_and_the_old_one_may_go(
    plane: Plane, client: ControlPlane
) -> None:
    for name in ("a", "b", "c"):
        await create(plane, name, f"value of {name}")
    await create(plane, "a", "of the project", "p")
    (before,) = (await own(client, "List"))["keys"]
    told = await own(client, "Rotate")
    assert (told["sealed"], told["unreadable"], told["forgotten"]) == (4, [], [])
    fresh, old = (await own(client, "List"))["keys"]
    assert (fresh["id"], fresh["secrets"], fresh["seals"]) == (told["key"], 4, True)
    assert (old["id"], old["secrets"], old["seals"]) == (before["id"], 0, False)
    again = await own(client, "Rotate", forget=True)
    assert again["forgotten"] == [fresh["id"], old["id"]]
    assert [key["id"] for key in (await own(client, "List"))["keys"]] == [again["key"]]
    vault = Vault(plane.settings.secrets_key)
    database = Database.open(plane.settings.database)
    try:
        rows = await database.read(stored.listing, "", "", 10, 0)
    finally:
        database.close()
    values = [vault.open(row.sealed, row.name.place).decode() for row in rows]
    assert values == ["value of a", "of the project", "value of b", "value of c"]


async def test_a_rotation_that_was_cut_off_goes_on_with_the_key_it_had_made(
    plane: Plane, client: ControlPlane
) -> None:
    await create(plane, "a")
    keys.add(plane.settings.secrets_key)  # and then the control plane died
    told = await own(client, "Rotate")
    assert (told["fresh"], told["sealed"]) == (False, 1)
    assert len((await own(client, "List"))["keys"]) == 2


async def test_a_key_that_a_damaged_secret_names_is_not_forgotten(
    plane: Plane, client: ControlPlane
) -> None:
    await create(plane, "good")
    await create(plane, "bad")
    database = Database.open(plane.settings.database)
    try:
        row = await database.read(stored.load, SecretName("bad"))
        assert row is not None
        damaged = row.sealed[:-1] + bytes([row.sealed[-1] ^ 1])
        assert await database.write(stored.reseal, row.name, row.sealed, damaged)
    finally:
        database.close()
    told = await own(client, "Rotate")
    assert (told["sealed"], told["unreadable"]) == (1, ["'bad'"])
    with pytest.raises(errors.UnionRpcError, match="cannot be forgotten"):
        await own(client, "Rotate", forget=True)
    assert len((await own(client, "List"))["keys"]) == 2


async def test_no_answer_of_any_call_has_a_value(plane: Plane, client: ControlPlane) -> None:
    await create(plane, "a")
    answers: list[Any] = [
        await plane.secrets.get_secret(payload_pb2.GetSecretRequest(id=id_("a"))),
        await plane.secrets.list_secrets(payload_pb2.ListSecretsRequest()),
        await plane.secrets.update_secret(
            payload_pb2.UpdateSecretRequest(
                id=id_("a"), secret_spec=definition_pb2.SecretSpec(string_value=VALUE)
            )
        ),
        await own(client, "List"),
        await own(client, "Rotate"),
        await plane.secrets.delete_secret(payload_pb2.DeleteSecretRequest(id=id_("a"))),
    ]
    for answer in answers:
        assert VALUE not in str(answer)
    with pytest.raises(ConnectError) as refused:
        await create(plane, "a/b")
    assert VALUE not in str(refused.value)
