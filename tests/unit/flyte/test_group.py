"""group() and custom_context()."""

import pytest
from tests.fakes.runtime import FakeRuntime

import flyte
from flyte import errors

env = flyte.TaskEnvironment("e")


@env.task
async def child() -> None: ...


async def test_custom_context_reaches_the_tasks_called_in_the_block() -> None:
    runtime = FakeRuntime()
    with runtime.task(custom_context={"tenant": "acme"}):
        with flyte.custom_context(user="ann"):
            assert flyte.get_custom_context() == {"tenant": "acme", "user": "ann"}
            with flyte.custom_context(tenant="other"):
                await child()
        assert flyte.get_custom_context() == {"tenant": "acme"}
    assert runtime.seen[0].custom_context == {"tenant": "other", "user": "ann"}


def test_outside_of_tasks_nothing_happens() -> None:
    with flyte.group("g"), flyte.custom_context(a="1"):
        assert flyte.get_custom_context() == {}
        assert flyte.ctx() is None


def test_group_ends_with_its_block() -> None:
    with FakeRuntime().task():
        with pytest.raises(ZeroDivisionError), flyte.group("g"):
            raise ZeroDivisionError
        context = flyte.ctx()
        assert context is not None
        assert context.group_data is None


@pytest.mark.parametrize("name", ["", None, 3])
def test_group_needs_a_name(name: str) -> None:
    with pytest.raises(errors.DefinitionError, match="needs a name"), flyte.group(name):
        pass


def test_custom_context_takes_texts() -> None:
    with (
        pytest.raises(errors.DefinitionError, match="got retries=3"),
        flyte.custom_context(retries=3),  # pyright: ignore
    ):
        pass
