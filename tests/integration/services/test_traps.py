"""Where an obvious control plane seems to work with the official client, and does not (protocol.md, 4 and 2)."""

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import pytest
from flyteidl2.actions import actions_service_pb2
from flyteidl2.dataproxy import dataproxy_service_pb2
from flyteidl2.imagebuilder import definition_pb2
from flyteidl2.imagebuilder import payload_pb2 as image_pb2
from flyteidl2.workflow import run_service_pb2
from tests.fakes import messages
from tests.integration.services.conftest import Plane
from tests.support import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@pytest.mark.parametrize("org", ["", "local", "acme"])
async def test_a_run_is_one_run_under_every_organisation(plane: Plane, org: str) -> None:
    """Clients send none, or the first part of our host name; their tasks send what they got from us."""
    create = messages.create(inputs=messages.inputs(n=1))
    create.run_id.org = org
    created = await plane.runs.create_run(create)
    assert created.run.action.id.run.org == "local"
    await eventually(lambda: plane.executor.held)
    (held,) = plane.executor.held.values()
    child = messages.child("c1", held.env["_U_RUN_BASE"])
    child.action.action_id.run.org = held.env["_U_ORG_NAME"]
    await plane.actions.enqueue(child)
    for asked in ("", "local", "acme"):
        run_id = messages.run_id()
        run_id.org = asked
        details = await plane.runs.get_run_details(
            run_service_pb2.GetRunDetailsRequest(run_id=run_id)
        )
        assert details.details.action.id.run.org == "local"
        listed = await plane.runs.list_actions(run_service_pb2.ListActionsRequest(run_id=run_id))
        assert {each.id.name for each in listed.actions} == {"a0", "c1"}


async def updates(plane: Plane) -> dict[str, Any]:
    """The snapshot of a0's children."""
    found: dict[str, Any] = {}
    request = actions_service_pb2.WatchForUpdatesRequest(parent_action_id=messages.action_id())
    watch = cast("AsyncGenerator[Any]", plane.actions.watch_for_updates(request))
    async with aclosing(watch) as stream:
        async for message in stream:
            if message.HasField("control_message"):
                break
            found[message.action_update.action_id.name] = message.action_update
    return found


async def test_outputs_of_tasks_are_directories_and_those_of_traces_are_files(plane: Plane) -> None:
    await plane.runs.create_run(messages.create())
    await eventually(lambda: plane.executor.held)
    base = plane.settings.data / "p" / "development" / "r1"
    await plane.actions.enqueue(messages.child("c1", base))
    await eventually(lambda: len(plane.executor.held) == 2)
    await plane.actions.enqueue(messages.trace("t1", base))
    seen = await updates(plane)
    assert seen["c1"].output_uri == f"{base}/c1/1"  # while it runs, too
    assert seen["t1"].output_uri == f"{base}/t1/outputs.pb"


@pytest.mark.parametrize("values", [{}, {"n": 1}])
async def test_inputs_always_have_a_hash(plane: Plane, values: dict[str, int]) -> None:
    uploaded = await plane.data.upload_inputs(
        dataproxy_service_pb2.UploadInputsRequest(
            project_id=messages.PROJECT,
            task_spec=messages.spec(),
            inputs=messages.inputs(**values),
        )
    )
    assert uploaded.offloaded_input_data.inputs_hash
    assert uploaded.offloaded_input_data.uri


@pytest.mark.parametrize("name", ["", "flyte-1234", "ghcr.io/me/image"])
async def test_every_image_exists(plane: Plane, name: str) -> None:
    request = image_pb2.GetImageRequest(id=definition_pb2.ImageIdentifier(name=name))
    assert (await plane.images.get_image(request)).image.fqin
