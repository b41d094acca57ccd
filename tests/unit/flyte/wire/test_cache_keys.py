"""Keys of cached calls: golden ones, the same on both sides, and what happens where there is none."""

import logging
from typing import Any

import pytest
from flyteidl2.core import tasks_pb2
from flyteidl2.task import common_pb2
from tests.histories import cache_keys

import flyte
from flyte import errors
from flyte._cache import VersionParameters
from flyte._kit.aio import drive
from flyte._wire import values
from flyte._wire.caching import keys
from flyte_server.services.wire import identities, specs

env = flyte.TaskEnvironment("env")


class Unheard:
    """A class without a transformer."""


class Broken:
    def get_version(self, salt: str, params: VersionParameters) -> str:
        raise LookupError("the calendar is empty")


def server_key(template: tasks_pb2.TaskTemplate, inputs: common_pb2.Inputs) -> str | None:
    """The key that the control plane makes for the first action of a run."""
    ignored = template.metadata.cache_ignore_input_vars
    return specs.root_cache_key(template, template.id.name, identities.input_hash(inputs, ignored))


def inputs_of(task: Any, **arguments: Any) -> common_pb2.Inputs:
    return drive(values.inputs(task.interface, task.interface.bind((), arguments, what="it")))


def test_keys_are_what_they_were_in_every_release() -> None:
    assert cache_keys.computed() == cache_keys.recorded()


@pytest.mark.parametrize("name", cache_keys.CASES)
def test_the_control_plane_makes_the_same_key(name: str) -> None:
    template, inputs = cache_keys.of_case(name)
    assert server_key(template, inputs) == keys.key(template, inputs)


def test_the_control_plane_makes_the_same_key_for_values_with_a_hash() -> None:
    for name, template, inputs in cache_keys.with_hashes():
        assert server_key(template, inputs) == keys.key(template, inputs), name


def test_no_two_cases_have_the_same_key() -> None:
    assert len(set(cache_keys.computed().values())) == len(cache_keys.computed())


def test_what_explains_a_key_is_no_part_of_it() -> None:
    template, inputs = cache_keys.of_case("policies")
    assert {"cache.code", "cache.salt", "cache.policy.Monthly"} <= set(template.config)
    before = keys.key(template, inputs)
    template.config.clear()
    assert keys.key(template, inputs) == before


def test_a_policy_that_fails_means_not_cached_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @env.task(cache=flyte.Cache("auto", policies=Broken()))
    async def monthly(n: int) -> int:
        return n

    keys.warn.cache_clear()
    with caplog.at_level(logging.WARNING, "flyte.cache"):
        templates = [keys.template(monthly) for _ in range(3)]
    assert not templates[0].metadata.discoverable
    assert keys.key(templates[0], inputs_of(monthly, n=1)) is None
    assert templates[0].config[keys.PROBLEM] == "LookupError: the calendar is empty"
    (message,) = [record.getMessage() for record in caplog.records]
    assert (
        message == "task env.monthly is executed and not cached: LookupError: the calendar is empty"
    )


def test_an_input_that_nothing_identifies_means_not_cached_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @env.task(cache=flyte.Cache("auto", ignored_inputs="note"))
    async def use(model: Unheard, note: Any = None) -> int:
        return 1

    keys.warn.cache_clear()
    template, inputs = keys.template(use), inputs_of(use, model=Unheard())
    with caplog.at_level(logging.WARNING, "flyte.cache"):
        assert [keys.key(template, inputs) for _ in range(3)] == [None] * 3
    assert server_key(template, inputs) is None
    (message,) = [each.getMessage() for each in caplog.records if each.name == "flyte.cache"]
    assert message.startswith(
        "task env.use is executed and not cached: nothing identifies its input 'model'"
    )
    assert "ignored_inputs" in message


def test_an_ignored_pickle_does_no_harm() -> None:
    @env.task(cache=flyte.Cache("auto", ignored_inputs="model"))
    async def use(model: Unheard, n: int) -> int:
        return n

    template = keys.template(use)
    one, other = inputs_of(use, model=Unheard(), n=1), inputs_of(use, model=Unheard(), n=1)
    assert keys.key(template, one) == keys.key(template, other) == server_key(template, one)


def test_a_disabled_cache_has_no_key_and_says_why() -> None:
    template, inputs = cache_keys.of_case("scalars")
    keys.disable(template)
    assert keys.key(template, inputs) is None
    assert template.config[keys.PROBLEM] == keys.DISABLED


def test_an_unknown_ignored_input_is_refused_where_it_is_declared() -> None:
    with pytest.raises(errors.DefinitionError, match=r"ignored_inputs names 'verbos'.*n, verbose"):

        @env.task(cache=flyte.Cache("auto", ignored_inputs="verbos"))
        async def train(n: int, verbose: bool) -> int:
            return n

    @env.task(cache="auto")
    async def other(n: int) -> int:
        return n

    with pytest.raises(errors.DefinitionError, match="ignored_inputs names 'm'"):
        other.override(cache=flyte.Cache("auto", ignored_inputs=("m",)))
