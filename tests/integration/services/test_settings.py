"""Settings over real HTTP: inheritance, versions, what they do to a new run, and what is refused."""

from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.common import identifier_pb2
from flyteidl2.settings import settings_definition_pb2 as pb2
from flyteidl2.settings import settings_service_pb2
from flyteidl2.settings.settings_service_connect import SettingsServiceClient
from flyteidl2.task import run_pb2
from flyteidl2.workflow import run_service_pb2
from google.protobuf import json_format
from tests.fakes import messages
from tests.integration.services.conftest import Plane

VALUE = "SETTING_STATE_VALUE"
DOMAIN = {"domain": "development"}
PROJECT = {"domain": "development", "project": "p"}


def text(value: str) -> dict[str, Any]:
    return {"state": VALUE, "stringValue": value}


def number(value: int) -> dict[str, Any]:
    return {"state": VALUE, "intValue": value}


def table(**entries: str) -> dict[str, Any]:
    return {"state": VALUE, "mapValue": {"entries": entries}}


def settings(**given: Any) -> pb2.Settings:
    return json_format.ParseDict(given, pb2.Settings())


@pytest.fixture
def client(plane: Plane) -> SettingsServiceClient:
    return SettingsServiceClient(plane.endpoint)


async def create(client: SettingsServiceClient, scope: dict[str, str], **given: Any) -> None:
    await client.create_settings(
        settings_service_pb2.CreateSettingsRequest(
            key=pb2.SettingsKey(**scope), settings=settings(**given)
        )
    )


async def effective(client: SettingsServiceClient, **scope: str) -> pb2.Settings:
    request = settings_service_pb2.GetSettingsRequest(key=pb2.SettingsKey(**scope))
    return (await client.get_settings(request)).settingsRecord.settings


async def test_the_narrowest_scope_says_what_holds_and_tables_are_joined(
    client: SettingsServiceClient,
) -> None:
    await create(client, {}, run={"defaultQueue": text("slow"), "maxActionConcurrency": number(9)})
    await create(client, DOMAIN, labels=table(team="core", tier="1"))
    await create(client, PROJECT, run={"defaultQueue": text("fast")}, labels=table(team="weather"))
    found = await effective(client, **PROJECT)
    assert found.run.default_queue.string_value == "fast"
    assert found.run.default_queue.scope_level == pb2.SCOPE_LEVEL_PROJECT
    assert found.run.max_action_concurrency.int_value == 9
    assert found.run.max_action_concurrency.scope_level == pb2.SCOPE_LEVEL_ORG
    assert dict(found.labels.map_value.entries) == {"team": "weather", "tier": "1"}
    other = await effective(client, domain="staging")
    assert other.run.default_queue.string_value == "slow"
    assert not other.HasField("labels")


async def test_unset_ends_the_inheritance(client: SettingsServiceClient) -> None:
    await create(client, {}, run={"defaultQueue": text("slow")})
    await create(client, DOMAIN, run={"defaultQueue": {"state": "SETTING_STATE_UNSET"}})
    found = await effective(client, **PROJECT)
    assert found.run.default_queue.state == pb2.SETTING_STATE_UNSET
    assert found.run.default_queue.string_value == ""


async def test_for_editing_each_level_is_shown_by_itself(client: SettingsServiceClient) -> None:
    await create(client, {}, labels=table(a="1"))
    await create(client, PROJECT, labels=table(b="2"))
    request = settings_service_pb2.GetSettingsForEditRequest(key=pb2.SettingsKey(**PROJECT))
    levels = (await client.get_settings_for_edit(request)).levels
    assert [dict(each.settings.labels.map_value.entries) for each in levels] == [
        {"a": "1"},
        {"b": "2"},
    ]
    assert [each.version for each in levels] == [1, 1]


async def test_who_changes_an_old_version_is_told_so(client: SettingsServiceClient) -> None:
    await create(client, DOMAIN, labels=table(a="1"))

    async def update(version: int) -> int:
        request = settings_service_pb2.UpdateSettingsRequest(
            key=pb2.SettingsKey(**DOMAIN), settings=settings(labels=table(a="2")), version=version
        )
        return (await client.update_settings(request)).settingsRecord.version

    assert await update(1) == 2
    with pytest.raises(ConnectError, match="they are version 2, and version 1 was seen"):
        await update(1)
    with pytest.raises(ConnectError, match="already"):
        await create(client, DOMAIN)


@pytest.mark.parametrize(
    ("scope", "given", "said"),
    [
        ({"project": "p"}, {}, "need a domain too"),
        (
            {},
            {"security": {"serviceAccount": text("root")}},
            "'security.service_account' has no effect",
        ),
        ({}, {"run": {"maxActionConcurrency": number(0)}}, "at least 1"),
        ({}, {"run": {"defaultQueue": text("")}}, "is empty"),
        ({}, {"environmentVariables": table(**{"A=B": "x"})}, "an entry called 'A=B'"),
    ],
)
async def test_what_would_change_nothing_or_makes_no_sense_is_refused(
    client: SettingsServiceClient, scope: dict[str, str], given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConnectError, match=said) as refused:
        await create(client, scope, **given)
    assert refused.value.code is Code.INVALID_ARGUMENT


async def test_nobody_changes_what_is_not_there(client: SettingsServiceClient) -> None:
    request = settings_service_pb2.UpdateSettingsRequest(key=pb2.SettingsKey(**DOMAIN), version=1)
    with pytest.raises(ConnectError) as refused:
        await client.update_settings(request)
    assert refused.value.code is Code.NOT_FOUND


async def test_a_new_run_follows_the_settings_where_it_says_nothing_itself(
    plane: Plane, client: SettingsServiceClient
) -> None:
    await create(
        client,
        PROJECT,
        run={"maxActionConcurrency": number(3)},
        labels=table(team="weather", tier="1"),
        environmentVariables=table(REGION="eu", LEVEL="1"),
    )
    spec = run_pb2.RunSpec(labels=run_pb2.Labels(values={"tier": "own"}))
    spec.envs.values.add(key="LEVEL", value="own")
    created = await plane.runs.create_run(messages.create(run_spec=spec))
    name = created.run.action.id.run
    request = run_service_pb2.GetRunDetailsRequest(
        run_id=identifier_pb2.RunIdentifier(
            project=name.project, domain=name.domain, name=name.name
        )
    )
    kept = (await plane.runs.get_run_details(request)).details.run_spec
    assert dict(kept.labels.values) == {"team": "weather", "tier": "own"}
    assert {pair.key: pair.value for pair in kept.envs.values} == {"LEVEL": "own", "REGION": "eu"}
    assert kept.max_action_concurrency == 3
