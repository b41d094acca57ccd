"""`flyte.rerun` in local mode, what its options refuse, and what a repeated run keeps of the settings of the first."""

from pathlib import Path

import pytest
from flyteidl2.common import identifier_pb2, run_pb2
from flyteidl2.core import types_pb2
from flyteidl2.task import common_pb2, task_definition_pb2
from flyteidl2.task import run_pb2 as task_run_pb2

import flyte
from flyte import _earlier, errors
from flyte._interface import NativeInterface
from flyte._options import RunOptions
from flyte._phases import ActionPhase
from flyte._runtime.inprocess import journal
from flyte._wire import origins, run_spec, values

env = flyte.TaskEnvironment(name="again")
executed: list[str] = []
"""What was executed; each test begins with an empty list."""


@env.task
async def part(n: int) -> int:
    executed.append(f"part {n}")
    return n


@env.task
async def whole(n: int, by: int = 2) -> int:
    executed.append("whole")
    return by * await part(n=n)


@pytest.fixture(autouse=True)
def nothing_executed() -> None:
    executed.clear()


class TestLocal:
    def test_a_rerun_executes_everything_with_the_same_inputs(self) -> None:
        flyte.with_runcontext(name="first").run(whole, n=2, by=5)
        executed.clear()
        run = flyte.rerun("first")
        assert run.outputs().o0 == 10
        assert run.phase is ActionPhase.SUCCEEDED
        assert dict(run.inputs()) == {"n": 2, "by": 5}
        assert executed == ["whole", "part 2"]
        assert journal.load(run.name).begun.repeats == "first"

    def test_single_inputs_are_replaced(self) -> None:
        flyte.with_runcontext(name="first").run(whole, n=2, by=5)
        assert flyte.rerun("first", n=3).outputs().o0 == 15
        with pytest.raises(errors.TaskInputError, match="no input 'm'"):
            flyte.rerun("first", m=3)

    async def test_a_recovery_reuses_and_its_asynchronous_form_too(self) -> None:
        await flyte.with_runcontext(name="first").run.aio(whole, 2)
        executed.clear()
        again = await flyte.rerun.aio("first", recover=True)
        assert again.outputs().o0 == 4
        assert not executed
        other = await flyte.rerun.aio("first", recover=True, by=3)
        assert other.outputs().o0 == 6
        assert executed == ["whole"], "the call of the part is the same"

    def test_forced_actions(self) -> None:
        flyte.with_runcontext(name="first").run(whole, n=2)
        executed.clear()
        flyte.rerun("first", recover=True, force_rerun_actions=["a0"])
        assert executed == ["whole"]

    def test_options_of_a_context_hold_for_a_rerun(self) -> None:
        flyte.with_runcontext(name="first").run(whole, n=2)
        assert flyte.with_runcontext(name="second").rerun("first").name == "second"

    def test_what_is_refused(self) -> None:
        with pytest.raises(errors.ActionNotFoundError, match="no local run 'nothing'"):
            flyte.rerun("nothing")
        with pytest.raises(errors.DefinitionError, match="recover goes with a whole run"):
            flyte.rerun("first", "b", recover=True)
        with pytest.raises(errors.DefinitionError, match="only as a whole"):
            flyte.rerun("first", "b")
        with pytest.raises(errors.DefinitionError, match="name it with recover_from"):
            flyte.with_runcontext(force_rerun_actions=["b"])
        with pytest.raises(errors.DefinitionError, match="name it with recover_from"):
            RunOptions(allow_missing_source_outputs=True)

    def test_a_task_that_no_file_has_can_still_be_recovered(self) -> None:
        @env.task
        async def inner() -> int:
            return await part(n=7)

        flyte.with_runcontext(name="first").run(inner)
        executed.clear()
        with pytest.raises(errors.DefinitionError, match="which no file has"):
            flyte.rerun("first")
        assert flyte.with_runcontext(recover_from="first").run(inner).outputs().o0 == 7
        assert not executed


class TestSettings:
    def test_those_of_the_first_run_stay_unless_others_are_chosen(self) -> None:
        before = run_spec.run_spec(
            env_vars={"A": "1", "B": "2"},
            labels={"team": "x"},
            queue="slow",
            cache_lookup_scope="project-domain",
        )
        before.run_start_time.FromSeconds(5)
        run_spec.relate(
            before, identifier_pb2.RunIdentifier(name="r0"), recovers=True, forced=["b"]
        )
        now = run_spec.run_spec(env_vars={"B": "3"}, labels={"try": "2"})
        spec = run_spec.again(before, now)
        assert {pair.key: pair.value for pair in spec.envs.values} == {"A": "1", "B": "3"}
        assert dict(spec.labels.values) == {"team": "x", "try": "2"}
        assert spec.queue == "slow"
        assert (
            spec.cache_config.cache_lookup_scope == task_run_pb2.CACHE_LOOKUP_SCOPE_PROJECT_DOMAIN
        )
        for field in ("run_start_time", "relation", "recover"):
            assert not spec.HasField(field), "they belong to the first run alone"

    def test_the_relation_says_what_is_wanted(self) -> None:
        spec = task_run_pb2.RunSpec()
        source = identifier_pb2.RunIdentifier(name="r1", project="p", domain="d")
        run_spec.relate(spec, source, recovers=False)
        assert spec.relation.relation_type == run_pb2.RELATION_TYPE_RERUN
        assert not spec.HasField("recover")
        run_spec.relate(spec, source, recovers=True, forced=["b"])
        assert spec.relation.relation_type == run_pb2.RELATION_TYPE_RECOVER
        assert spec.relation.related_to == source
        assert list(spec.recover.force_rerun_actions) == ["b"]

    def test_a_run_says_where_its_code_is(self, tmp_path: Path) -> None:
        written = origins.annotations(whole, tmp_path)
        assert origins.source(written) == (Path(__file__).resolve(), tmp_path.resolve())
        assert origins.source({}) is None


class TestInputs:
    interface = NativeInterface({"n": (int, NativeInterface.no_default), "by": (int, 2)}, {})

    async def earlier(self, **given: int) -> common_pb2.Inputs:
        hints = dict.fromkeys(given, (int, NativeInterface.no_default))
        return await values.inputs(NativeInterface(hints, {}), given)

    async def completed(self, given: dict[str, int], **earlier: int) -> dict[str, int]:
        made = await _earlier.completed(self.interface, given, await self.earlier(**earlier))
        return await values.arguments(self.interface, made)

    async def test_given_before_earlier_before_default(self) -> None:
        assert await self.completed({}, n=1, by=5) == {"n": 1, "by": 5}
        assert await self.completed({"n": 3}, n=1, by=5) == {"n": 3, "by": 5}
        assert await self.completed({}, n=1) == {"n": 1, "by": 2}, "the input is new"

    async def test_inputs_that_came_or_went(self) -> None:
        with pytest.raises(
            errors.TaskInputError, match="had no input 'n', which the task needs now"
        ):
            await self.completed({}, by=1)
        with pytest.raises(errors.TaskInputError, match="does not have any more: old"):
            await self.completed({}, n=1, old=2)
        with pytest.raises(errors.TaskInputError, match="no input 'm'"):
            await self.completed({"m": 1}, n=1)

    async def test_what_counts_as_other_inputs(self) -> None:
        inputs = await self.earlier(n=1)
        spec = task_run_pb2.RunSpec()
        run = _earlier.EarlierRun(identifier_pb2.RunIdentifier(), _task(), spec, inputs)
        assert not run.is_changed(await self.earlier(n=1))
        assert run.is_changed(await self.earlier(n=2))
        assert list(run.interface.inputs) == ["n"]


def _task() -> task_definition_pb2.TaskSpec:
    spec = task_definition_pb2.TaskSpec()
    entry = spec.task_template.interface.inputs.variables.add(key="n")
    entry.value.type.simple = types_pb2.INTEGER
    return spec
