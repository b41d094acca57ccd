"""A task that has the only place of its environment cannot wait for a child there."""

import pytest

import flyte
from flyte import errors
from flyte._runtime.attempts import places

with pytest.warns(UserWarning, match="no place for a child"):
    narrow = flyte.TaskEnvironment("narrow", reusable=flyte.ReusePolicy(replicas=1))
wide = flyte.TaskEnvironment("wide", reusable=flyte.ReusePolicy(replicas=1, concurrency=2))
plain = flyte.TaskEnvironment("plain")


@narrow.task
async def first() -> None: ...


@narrow.task
async def second() -> None: ...


@wide.task
async def third() -> None: ...


@wide.task
async def fourth() -> None: ...


@plain.task
async def fifth() -> None: ...


def test_a_child_in_the_same_narrow_environment_is_refused() -> None:
    with pytest.raises(errors.DefinitionError, match=r"'narrow\.first' has the only place"):
        places.check(first, second)


def test_all_others_may_be_called() -> None:
    places.check(None, second)
    places.check(first, third)
    places.check(first, fifth)
    places.check(third, fourth)
    places.check(fifth, first)
    places.check(first, second.override(reusable="off"))
