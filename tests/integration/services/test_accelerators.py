"""Accelerators from the driver to the attempt: found, chosen, shown to one attempt, refused, and told who has them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from flyteidl2.core import tasks_pb2
from flyteidl2.task import task_definition_pb2
from flyteidl2.workflow import run_service_pb2
from tests.fakes import messages
from tests.fakes.nvml import Gpu
from tests.integration.services.conftest import Plane, serving
from tests.integration.services.test_state import ask
from tests.support import eventually

from flyte_server.engine.ports import LaunchSpec
from flyte_server.settings import Settings

T4 = Gpu("GPU-t4", "Tesla T4")
A100 = Gpu("GPU-a100", "NVIDIA A100-SXM4-40GB", parts={0: Gpu("MIG-1", "NVIDIA A100 MIG 1g.5gb")})
RUN = {"project": "p", "domain": "development", "action": "a0"}


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with serving(Settings(home=tmp_path / "home", port=0, auth="none"), T4, A100) as made:
        yield made


def asking(device: str = "", count: int = 1, partition: str = "") -> task_definition_pb2.TaskSpec:
    spec = messages.spec()
    entry = tasks_pb2.Resources.ResourceEntry(name=tasks_pb2.Resources.GPU, value=str(count))
    spec.task_template.container.resources.requests.append(entry)
    if device:
        accelerator = spec.task_template.extended_resources.gpu_accelerator
        accelerator.device = device
        if partition:
            accelerator.partition_size = partition
    return spec


async def start(plane: Plane, name: str, spec: task_definition_pb2.TaskSpec) -> None:
    await plane.runs.create_run(messages.create(name, task_spec=spec))


async def launched(plane: Plane, run: str) -> LaunchSpec:
    def find() -> LaunchSpec | None:
        specs = [spec for spec in plane.executor.held.values() if spec.run_name == run]
        return specs[0] if specs else None

    return await eventually(find)


async def explained(plane: Plane, run: str) -> dict[str, Any]:
    return await ask(plane, "ActionService/Explain", **RUN, run=run)


async def test_each_attempt_sees_its_own_and_no_others(plane: Plane) -> None:
    await start(plane, "t4", asking("nvidia-tesla-t4"))
    await start(plane, "mig", asking("nvidia-tesla-a100", partition="1g.5gb"))
    await start(plane, "none", messages.spec())
    for run, devices in (("t4", ("GPU-t4",)), ("mig", ("MIG-1",)), ("none", ())):
        spec = await launched(plane, run)
        assert spec.devices == devices
        assert spec.env["CUDA_VISIBLE_DEVICES"] == ",".join(devices)
        assert spec.env["NVIDIA_VISIBLE_DEVICES"] == (",".join(devices) or "void")


async def test_a_device_has_one_owner_and_others_are_told_who(plane: Plane) -> None:
    await start(plane, "first", asking())
    await launched(plane, "first")
    await start(plane, "second", asking("nvidia-tesla-t4"))
    told = await explained(plane, "second")
    (full,) = told["waits"]["full"]
    assert (full["kind"], full["name"]) == ("machine", "devices")
    assert full["said"] == "1 T4: 1 of 1 x Tesla T4 are taken"
    assert [holder["run"] for holder in full["holders"]] == ["first"]
    machine = await ask(plane, "LimitsService/Machine")
    owners = {each["id"]: (each["holder"] or {}).get("run") for each in machine["devices"]}
    assert owners == {"GPU-t4": "first", "MIG-1": None}
    await plane.executor.succeed("a0")
    assert (await launched(plane, "second")).devices == ("GPU-t4",)


@pytest.mark.parametrize(
    ("device", "partition", "said"),
    [
        ("nvidia-tesla-a100", "", "asks for 1 A100, this machine has 1 x Tesla T4, 1 x NVIDIA A100-"),
        ("nvidia-tesla-a100", "3g.20gb", "asks for 1 A100 partition 3g.20gb, this machine has 1 x"),
        ("H200", "", "asks for 1 H200, this machine has 1 x Tesla T4, 1 x NVIDIA A100-SXM4-40GB part"),
    ],
)  # fmt: skip
async def test_what_is_not_there_is_refused(
    plane: Plane, device: str, partition: str, said: str
) -> None:
    await start(plane, "wrong", asking(device, partition=partition))
    request = run_service_pb2.GetRunDetailsRequest(run_id=messages.run_id("wrong"))
    details = await plane.runs.get_run_details(request)
    assert said in str(details)
    assert "CannotSchedule" in str(details)
    assert (await explained(plane, "wrong"))["attempts"] == []
