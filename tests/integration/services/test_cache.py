"""CacheService: why an action took an earlier result, or was executed, as anybody may ask over HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flyteidl2.core import catalog_pb2
from flyteidl2.task import run_pb2, task_definition_pb2
from flyteidl2.workflow import run_service_pb2
from tests.fakes import messages
from tests.integration.services.conftest import Plane, write
from tests.support import eventually

from flyte import errors
from flyte._client import ControlPlane

TASK = "env.main"


@dataclass
class Asked:
    """Runs of a cached task, and the service that explains them."""

    plane: Plane
    client: ControlPlane
    spec: task_definition_pb2.TaskSpec

    async def run(
        self, name: str, spec: task_definition_pb2.TaskSpec | None = None, **fields: Any
    ) -> str:
        """Start a run and execute it, if the cache has nothing; gives its cache status."""
        run_spec = fields.pop("run_spec", run_pb2.RunSpec())
        made = await self.plane.runs.create_run(
            messages.create(
                name,
                task_spec=spec or self.spec,
                inputs=messages.inputs(**fields),
                run_spec=run_spec,
            )
        )
        if made.run.action.status.phase != messages.SUCCEEDED:
            await eventually(lambda: bool(self.plane.executor.held))
            (attempt,) = self.plane.executor.held.values()
            write(
                Path(attempt.output_prefix) / "outputs.pb",
                messages.outputs(o0=1).SerializeToString(),
            )
            await self.plane.executor.succeed("a0")
        return catalog_pb2.CatalogCacheStatus.Name(made.run.action.status.cache_status)

    async def explain(self, run: str, **more: str) -> dict[str, Any]:
        asked = {"project": "p", "domain": "development", "run": run, **more}
        return await self.client.own("CacheService", "Explain", asked)

    def changed(self, **config: str) -> task_definition_pb2.TaskSpec:
        """The task with another version, as a client describes it."""
        spec = task_definition_pb2.TaskSpec()
        spec.CopyFrom(self.spec)
        spec.task_template.config.update({f"cache.{part}": value for part, value in config.items()})
        spec.task_template.metadata.discovery_version = repr(sorted(config.items()))
        return spec


@pytest.fixture
async def asked(plane: Plane) -> AsyncIterator[Asked]:
    spec = messages.spec(TASK, cached=True)
    spec.task_template.config.update({"cache.code": "c", "cache.salt": "s"})
    spec.task_template.interface.outputs.variables.add(key="o0")
    client = ControlPlane.connect(plane.endpoint)
    yield Asked(plane, client, spec)
    await client.aclose()


async def test_every_decision_has_its_reason(asked: Asked) -> None:
    assert await asked.run("r1", n=1, m=1) == "CACHE_MISS"
    assert await asked.explain("r1") == {"decision": "first_time"}
    assert await asked.run("r2", n=1, m=1) == "CACHE_HIT"
    hit = await asked.explain("r2")
    assert (hit["decision"], hit["source"]) == ("hit", "r1/a0")
    assert 0 <= hit["age_seconds"] < 60
    await asked.run("r3", n=2, m=1)
    assert await asked.explain("r3") == {
        "decision": "changed", "source": "r1/a0", "changed": ["input n"],
    }  # fmt: skip
    await asked.run("r4", asked.changed(code="other"), n=1, m=1)
    assert (await asked.explain("r4"))["changed"] == ["code"]
    await asked.run("r5", asked.changed(salt="other"), n=2, m=2)
    assert (await asked.explain("r5"))["changed"] == ["salt", "input m"]
    overwrite = run_pb2.RunSpec(cache_config=run_pb2.CacheConfig(overwrite_cache=True))
    await asked.run("r6", n=1, m=1, run_spec=overwrite)
    assert await asked.explain("r6") == {
        "decision": "overwritten", "detail": "the run overwrites the cache",
    }  # fmt: skip
    await asked.run("r7", n=1, m=1)
    assert (await asked.explain("r7"))["source"] == "r6/a0"


async def test_a_task_may_ask_for_new_results(asked: Asked) -> None:
    await asked.run("r1", n=1)
    asked.spec.task_template.config["cache.behavior"] = "override"
    assert await asked.run("r2", n=1) == "CACHE_SKIPPED"
    assert (await asked.explain("r2"))["decision"] == "overwritten"
    del asked.spec.task_template.config["cache.behavior"]
    assert await asked.run("r3", n=1) == "CACHE_HIT"
    assert (await asked.explain("r3"))["source"] == "r2/a0"


async def test_outputs_that_are_gone_are_made_again(asked: Asked) -> None:
    await asked.run("r1", n=1)
    (file,) = asked.plane.settings.data.rglob("r1/**/outputs.pb")
    file.write_bytes(b"")
    assert await asked.run("r2", n=1) == "CACHE_MISS"
    told = await asked.explain("r2")
    assert (told["decision"], told["source"]) == ("damaged", "r1/a0")
    assert await asked.run("r3", n=1) == "CACHE_HIT"
    assert (await asked.explain("r3"))["source"] == "r2/a0"


async def test_a_result_that_is_too_old_has_expired(asked: Asked) -> None:
    await asked.run("r1", n=1)
    asked.spec.task_template.metadata.cache_max_age.FromMicroseconds(1)
    await asked.run("r2", n=1)
    told = await asked.explain("r2")
    assert (told["decision"], told["source"]) == ("expired", "r1/a0")


async def test_another_project_counts_unless_the_run_says_otherwise(asked: Asked) -> None:
    def in_project(name: str, scope: int) -> run_service_pb2.CreateRunRequest:
        request = messages.create(
            name,
            task_spec=asked.spec,
            inputs=messages.inputs(n=1),
            run_spec=run_pb2.RunSpec(cache_config=run_pb2.CacheConfig(cache_lookup_scope=scope)),  # type: ignore[arg-type]
        )
        request.run_id.project = "q"
        return request

    await asked.run("r1", n=1)
    runs = asked.plane.runs
    found = await runs.create_run(in_project("all", run_pb2.CACHE_LOOKUP_SCOPE_GLOBAL))
    own = await runs.create_run(in_project("own", run_pb2.CACHE_LOOKUP_SCOPE_PROJECT_DOMAIN))
    assert found.run.action.status.cache_status == catalog_pb2.CACHE_HIT
    assert own.run.action.status.cache_status == catalog_pb2.CACHE_MISS
    told = await asked.explain("all", project="q")
    assert (told["decision"], told["source"]) == ("hit", "p/development/r1/a0")
    request = run_service_pb2.GetActionDetailsRequest(action_id=found.run.action.id)
    details = (await runs.get_action_details(request)).details
    source = details.attempts[0].cache_metadata.source_action_attempt.action_id.run
    assert (source.project, source.domain, source.name) == ("p", "development", "r1")


async def test_an_equal_action_that_waits_says_for_whom(asked: Asked) -> None:
    asked.spec.task_template.metadata.cache_serializable = True
    for name in ("r1", "r2"):
        await asked.plane.runs.create_run(
            messages.create(name, task_spec=asked.spec, inputs=messages.inputs(n=1))
        )
    await eventually(lambda: bool(asked.plane.executor.held))
    assert await asked.explain("r2") == {"decision": "waiting", "source": "r1/a0"}
    request = run_service_pb2.GetActionDetailsRequest(action_id=messages.action_id(run="r2"))
    details = (await asked.plane.runs.get_action_details(request)).details
    assert "one at a time" in details.attempts[0].cluster_events[0].message


async def test_equal_actions_at_the_same_time_say_so(asked: Asked) -> None:
    await asked.plane.runs.create_run(
        messages.create("r1", task_spec=asked.spec, inputs=messages.inputs(n=1))
    )
    await eventually(lambda: bool(asked.plane.executor.held))
    await asked.plane.runs.create_run(
        messages.create("r2", task_spec=asked.spec, inputs=messages.inputs(n=1))
    )
    await eventually(lambda: len(asked.plane.executor.held) == 2)
    for attempt in list(asked.plane.executor.held.values()):
        write(
            Path(attempt.output_prefix) / "outputs.pb", messages.outputs(o0=1).SerializeToString()
        )
        await asked.plane.executor.succeed("a0")
    assert await asked.explain("r2") == {"decision": "concurrent", "source": "r1/a0"}


async def test_without_a_cache_there_is_a_reason_or_nothing_to_tell(asked: Asked) -> None:
    await asked.run("r1", messages.spec(TASK), n=1)
    assert await asked.explain("r1") == {"decision": "off", "detail": ""}
    broken = messages.spec(TASK)
    broken.task_template.config["cache.problem"] = "LookupError: the calendar is empty"
    await asked.run("r2", broken, n=1)
    assert (await asked.explain("r2"))["detail"] == "LookupError: the calendar is empty"
    inputs = messages.inputs(n=1)
    inputs.literals[0].value.scalar.binary.tag = "pickle"
    await asked.plane.runs.create_run(messages.create("r3", task_spec=asked.spec, inputs=inputs))
    assert (await asked.explain("r3"))["detail"] == "nothing identifies its input n (a pickle)"


async def test_unknown_names_are_refused(asked: Asked) -> None:
    with pytest.raises(errors.UnionRpcError, match="There is no run 'nobody'"):
        await asked.explain("nobody")
    await asked.run("r1", n=1)
    with pytest.raises(errors.UnionRpcError, match="There is no action 'nobody'"):
        await asked.explain("r1", action="nobody")
    with pytest.raises(errors.UnionRpcError, match="needs a string as 'run'"):
        await asked.client.own("CacheService", "Explain", {"project": "p", "domain": "d"})
