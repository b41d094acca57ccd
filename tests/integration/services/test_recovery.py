"""Runs that recover an earlier one, as any client asks for them over HTTP: the plan, and CreateRun with a relation."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.common import phase_pb2, run_pb2
from flyteidl2.core import literals_pb2
from flyteidl2.task import common_pb2, task_definition_pb2
from flyteidl2.task import run_pb2 as task_run_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2
from tests.fakes import messages
from tests.integration.services.conftest import Plane, write
from tests.support import eventually

from flyte import errors
from flyte._client import ControlPlane
from flyte_server.domain.records import Failure

RECOVERED = phase_pb2.ACTION_PHASE_RECOVERED
BROKEN = Failure("ValueError", "no rows", recoverable=False)


def task(name: str = "env.main") -> task_definition_pb2.TaskSpec:
    spec = messages.spec(name)
    spec.task_template.interface.outputs.variables.add(key="o0")
    return spec


def relation(
    run: str, *forced: str, kind: int = run_pb2.RELATION_TYPE_RECOVER
) -> task_run_pb2.RunSpec:
    spec = task_run_pb2.RunSpec()
    spec.relation.related_to.CopyFrom(messages.run_id(run))
    spec.relation.relation_type = kind  # pyright: ignore[reportAttributeAccessIssue]
    if kind == run_pb2.RELATION_TYPE_RECOVER:
        spec.recover.force_rerun_actions.extend(forced)
    return spec


@dataclass
class Stage:
    """Plays the parents of a control plane whose executor does what the test says."""

    plane: Plane
    client: ControlPlane

    async def create(self, name: str, spec: task_run_pb2.RunSpec | None = None, n: int = 1) -> Any:
        created = await self.plane.runs.create_run(
            messages.create(
                name,
                task_spec=task(),
                inputs=messages.inputs(n=n),
                run_spec=spec or task_run_pb2.RunSpec(),
            )
        )
        return created.run.action

    async def base(self) -> Path:
        """Directory of the actions of the run that was created last."""
        await self.started("a0")
        return Path(self.plane.executor.held[self.plane.executor.attempt("a0")].env["_U_RUN_BASE"])

    async def started(self, name: str) -> None:
        await eventually(lambda: any(one.action == name for one in self.plane.executor.held))

    async def succeed(self, name: str) -> str:
        """End an action well; gives its outputs' file."""
        prefix = self.plane.executor.held[self.plane.executor.attempt(name)].output_prefix
        write(f"{prefix}/outputs.pb", messages.outputs(o0=7).SerializeToString())
        await self.plane.executor.succeed(name)
        return f"{prefix}/outputs.pb"

    async def failed_run(self, name: str = "first") -> str:
        """`a0` calls `done` and a trace, which succeed, and `broken`; gives the file of the outputs of `done`."""
        await self.create(name)
        base = await self.base()
        for child in ("done", "broken"):
            await self.plane.actions.enqueue(
                messages.child(child, base, run=name, task=task("env.child"))
            )
            await self.started(child)
        kept = await self.succeed("done")
        write(base / "step" / "outputs.pb", common_pb2.Outputs().SerializeToString())
        await self.plane.actions.enqueue(messages.trace("step", base, run=name))
        await self.plane.executor.fail("broken", BROKEN)
        await self.plane.executor.fail("a0", BROKEN)
        return kept

    async def plan(self, run: str = "first", **more: Any) -> dict[str, Any]:
        asked = {"project": "p", "domain": "development", "run": run, **more}
        return await self.client.own("RecoveryService", "Plan", asked)

    async def actions(self, run: str) -> dict[str, run_definition_pb2.Action]:
        listed = await self.plane.runs.list_actions(
            run_service_pb2.ListActionsRequest(run_id=messages.run_id(run))
        )
        return {action.id.name: action for action in listed.actions}

    async def refused(self, name: str, spec: task_run_pb2.RunSpec) -> ConnectError:
        with pytest.raises(ConnectError) as raised:
            await self.create(name, spec)
        with pytest.raises(ConnectError, match="no run"):
            await self.actions(name)
        return raised.value


@pytest.fixture
async def stage(plane: Plane) -> AsyncIterator[Stage]:
    client = ControlPlane.connect(plane.endpoint)
    yield Stage(plane, client)
    await client.aclose()


async def test_the_plan_and_what_comes_of_it(stage: Stage) -> None:
    await stage.failed_run()
    plan = await stage.plan()
    assert {step["action"]: step["decision"] for step in plan["steps"]} == {
        "a0": "execute",
        "done": "reuse",
        "broken": "execute",
        "step": "reuse",
    }
    assert plan["missing"] == []
    (broken,) = [step for step in plan["steps"] if step["action"] == "broken"]
    assert broken == {
        "action": "broken",
        "parent": "a0",
        "task": "env.child",
        "group": "g",
        "kind": "task",
        "phase": "failed",
        "decision": "execute",
        "why": "failed: ValueError: no rows",
    }

    root = await stage.create("second", relation("first"))
    assert root.metadata.relation.relation_type == run_pb2.RELATION_TYPE_RECOVER
    assert root.metadata.relation.related_to.name == "first"
    base = await stage.base()
    for child in ("done", "broken"):
        asked = messages.child(child, base, run="second", task=task("env.child"))
        await stage.plane.actions.enqueue(asked)
    await stage.started("broken")
    found = await stage.actions("second")
    assert {name for name, each in found.items() if each.status.phase == RECOVERED} == {
        "done",
        "step",
    }
    source = found["done"].metadata.recovered_from
    assert (source.run.name, source.name) == ("first", "done")
    data = await stage.plane.runs.get_action_data(
        run_service_pb2.GetActionDataRequest(action_id=messages.action_id("done", "second"))
    )
    assert data.outputs == messages.outputs(o0=7)
    await stage.succeed("broken")
    await stage.succeed("a0")


async def test_a_run_that_succeeded_is_recovered_at_once(stage: Stage) -> None:
    await stage.create("first")
    await stage.started("a0")
    await stage.succeed("a0")
    assert (await stage.create("second", relation("first"))).status.phase == RECOVERED
    assert (
        await stage.create("third", relation("second"))
    ).metadata.recovered_from.run.name == "first"

    forced = await stage.create("forced", relation("first", "a0"))
    assert forced.status.phase != RECOVERED
    other = await stage.create("other", relation("first"), n=2)
    assert other.status.phase != RECOVERED, "it has other inputs"


async def test_a_rerun_takes_nothing_over(stage: Stage) -> None:
    await stage.create("first")
    await stage.started("a0")
    await stage.succeed("a0")
    again = await stage.create("again", relation("first", kind=run_pb2.RELATION_TYPE_RERUN))
    assert again.status.phase != RECOVERED
    assert again.metadata.relation.relation_type == run_pb2.RELATION_TYPE_RERUN


async def test_outputs_that_are_gone_refuse_the_run_before_it_exists(stage: Stage) -> None:
    outputs = await stage.failed_run()
    Path(outputs).unlink()  # noqa: ASYNC240 - one small file
    assert (await stage.plan())["missing"] == ["done"]
    error = await stage.refused("second", relation("first"))
    assert error.code is Code.FAILED_PRECONDITION
    assert f"done (env.child): {outputs} is gone" in error.message
    await stage.create("second", relation("first", "done"))


async def test_a_file_to_which_outputs_refer_counts_too(stage: Stage, tmp_path: Path) -> None:
    outputs = await stage.failed_run()
    file = tmp_path / "model.bin"
    named = common_pb2.NamedLiteral(name="o0", value=literals_pb2.Literal())
    named.value.scalar.blob.uri = str(file)
    write(outputs, common_pb2.Outputs(literals=[named]).SerializeToString())
    assert (await stage.plan())["missing"] == ["done"]
    write(file, b"weights")
    assert (await stage.plan())["missing"] == []


async def test_what_cannot_be_recovered_is_refused(stage: Stage) -> None:
    await stage.create("first")
    running = await stage.refused("second", relation("first"))
    assert running.code is Code.FAILED_PRECONDITION
    assert "have not ended" in running.message
    await stage.started("a0")
    await stage.succeed("a0")

    missing = await stage.refused("second", relation("nowhere"))
    assert missing.code is Code.NOT_FOUND
    forced = await stage.refused("second", relation("first", "a1"))
    assert forced.code is Code.INVALID_ARGUMENT
    assert "no action 'a1' that could be forced" in forced.message
    with pytest.raises(ConnectError, match=r"ran env\.main, so env\.other cannot recover it"):
        await stage.plane.runs.create_run(
            messages.create("second", task_spec=task("env.other"), run_spec=relation("first"))
        )
    with pytest.raises(errors.UnionRpcError, match="no action 'a1' that could be forced"):
        await stage.plan(forced=["a1"])
