"""TaskEnvironment: names, inheritance, copies."""

import functools
from typing import Any

import pytest

import flyte
from flyte import errors

RESOURCES = flyte.Resources(cpu=2, memory="4Gi")


def test_task_is_named_after_its_environment() -> None:
    env = flyte.TaskEnvironment(name="data_processing", image="python:3.12", resources=RESOURCES)

    @env.task
    def process_data(data: list[int]) -> list[int]:
        return [x * 2 for x in data]

    assert process_data.name == "data_processing.process_data"
    assert process_data.short_name == "process_data"
    assert process_data([1, 2]) == [2, 4]
    assert env.tasks == {"data_processing.process_data": process_data}
    assert process_data.parent_env is not None
    assert process_data.parent_env() is env


@pytest.mark.parametrize("name", ["a", "a1", "data_processing", "ml-training", "a-b_c-1"])
def test_valid_names(name: str) -> None:
    assert flyte.TaskEnvironment(name).name == name


@pytest.mark.parametrize("name", ["", "A", "a b", "a.b", "_a", "a-", "a__b", "ä", 3, None])
def test_invalid_name_is_refused_with_an_example(name: Any) -> None:
    with pytest.raises(
        errors.DefinitionError, match=r"environment name .* is not valid.*data_processing"
    ):
        flyte.TaskEnvironment(name)


def test_name_may_not_be_too_long() -> None:
    with pytest.raises(errors.DefinitionError, match="at most 63"):
        flyte.TaskEnvironment("a" * 64)


def test_what_a_task_inherits() -> None:
    env = flyte.TaskEnvironment(
        "e",
        image="python:3.12",
        resources=RESOURCES,
        env_vars={"A": "1"},
        secrets="key",
        cache="auto",
        interruptible=True,
        queue="fast",
        service_account="robot",
        pod_template="big",
    )

    @env.task
    async def inherits() -> None: ...

    @env.task(
        cache="disable", interruptible=False, queue="slow", service_account="me", pod_template="s"
    )
    async def differs() -> None: ...

    def settings(task: Any) -> tuple[Any, ...]:
        return (
            task.cache.behavior, task.interruptible, task.queue,
            task.service_account, task.pod_template,
        )  # fmt: skip

    assert settings(inherits) == ("auto", True, "fast", "robot", "big")
    assert settings(differs) == ("disable", False, "slow", "me", "s")
    for task in (inherits, differs):
        assert (task.image, task.resources, task.env_vars, task.secrets) == (
            "python:3.12", RESOURCES, {"A": "1"}, "key",
        )  # fmt: skip


def test_decorators_own_settings() -> None:
    env = flyte.TaskEnvironment("e")

    @env.task(
        retries=3,
        timeout=60,
        short_name="Training",
        docs=flyte.Documentation("Trains."),
        report=True,
    )
    def train(x: int) -> int:
        return x

    assert train.retries == flyte.RetryStrategy(3)
    assert train.timeout == flyte.Timeout(max_runtime=60)
    assert (train.short_name, train.report) == ("Training", True)
    assert train.docs == flyte.Documentation("Trains.")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"resources": "2Gi"}, "environment 'e': resources must be flyte.Resources"),
        ({"env_vars": {"A": 1}}, "environment 'e': env_vars has names and texts, got 'A': 1"),
        ({"env_vars": ["A"]}, "environment 'e': env_vars must be a dictionary"),
        ({"secrets": 3}, "secrets must be"),
        ({"image": 3}, "image must be"),
        ({"cache": "always"}, "cache behavior"),
        ({"depends_on": ["other"]}, "depends_on has environments, got str"),
        ({"include": "a.sql"}, "include is a tuple of paths"),
        ({"reusable": True}, "reusable must be a flyte.ReusePolicy"),
        ({"reusable": flyte.ReusePolicy(), "plugin_config": 1}, "exclude each other"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(errors.DefinitionError, match=complaint):
        flyte.TaskEnvironment("e", **settings)


def test_what_cannot_be_a_task() -> None:
    env = flyte.TaskEnvironment("e")

    def generator() -> Any:
        yield 1

    @env.task
    def task() -> None: ...

    for thing, complaint in (
        (lambda: 1, "a task is a function with a name"),
        (functools.partial(print), "a task is a function with a name"),
        (generator, "e.generator is a generator"),
        (task, "'e.task' is a task already"),
    ):
        with pytest.raises(errors.DefinitionError, match=complaint):
            env.task(thing)


def test_ignored_inputs_must_exist() -> None:
    env = flyte.TaskEnvironment("e")
    with pytest.raises(
        errors.DefinitionError, match="'verbos', which is not among its inputs: verbose"
    ):

        @env.task(cache=flyte.Cache("auto", ignored_inputs="verbos"))
        def task(verbose: bool) -> None: ...


def test_plain_and_async_tasks_may_share_a_process() -> None:
    env = flyte.TaskEnvironment("e", reusable=flyte.ReusePolicy(concurrency=2))

    @env.task
    def plain() -> None: ...

    @env.task
    async def waiting() -> None: ...

    assert plain.reusable == waiting.reusable == env.reusable


def test_a_task_of_a_reusable_environment_has_no_pod_of_its_own() -> None:
    env = flyte.TaskEnvironment("e", reusable=flyte.ReusePolicy())
    with pytest.raises(errors.DefinitionError, match=r"e\.task: .*pod_template of its own"):

        @env.task(pod_template="small")
        def task() -> None: ...


def test_a_cell_run_again_replaces_its_task() -> None:
    env = flyte.TaskEnvironment("e")
    for answer in (1, 2):

        @env.task
        def task() -> int:
            return answer  # noqa: B023 - called at once

        assert task() == answer
        assert env.tasks == {"e.task": task}


def test_two_modules_cannot_define_the_same_task() -> None:
    env = flyte.TaskEnvironment("e")

    def task() -> None: ...

    env.task(task)
    task.__module__ = "another"
    env.tasks["e.task"].func.__module__ = "first"  # pyright: ignore

    def twin() -> None: ...

    twin.__name__ = "task"
    with pytest.raises(
        errors.DefinitionError, match="has a task 'task' already, from module first"
    ):
        env.task(twin)


def test_dependencies() -> None:
    a, b = flyte.TaskEnvironment("a"), flyte.TaskEnvironment("b")
    given = [b]
    c = flyte.TaskEnvironment("c", depends_on=given)
    c.add_dependency(a, b)
    assert c.depends_on == [b, a]
    assert given == [b]
    with pytest.raises(errors.DefinitionError, match="cannot depend on itself"):
        c.add_dependency(c)


def test_clone_changes_what_is_said_and_has_no_tasks() -> None:
    env = flyte.TaskEnvironment(
        "e", resources=RESOURCES, env_vars={"A": "1"}, cache="auto", reusable=flyte.ReusePolicy()
    )

    @env.task
    async def task() -> None: ...

    more = flyte.Resources(memory="64Gi")
    big = env.clone_with("big", resources=more, interruptible=True, reusable=None, queue="q")
    assert (big.name, big.resources, big.env_vars, big.cache) == ("big", more, {"A": "1"}, "auto")
    assert (big.reusable, big.interruptible, big.queue) == (None, True, "q")
    assert big.tasks == {}
    big.add_dependency(env)
    assert env.depends_on == []
    with pytest.raises(errors.DefinitionError, match="has no field 'gpu'; its fields are: name, "):
        env.clone_with("x", gpu=1)
    with pytest.raises(errors.DefinitionError, match="environment name 'X'"):
        env.clone_with("X")


def test_environment_is_frozen() -> None:
    env = flyte.TaskEnvironment("e")
    with pytest.raises(AttributeError):
        env.image = "other"  # pyright: ignore


def test_from_task_takes_tasks_in() -> None:
    alone = flyte.AsyncFunctionTaskTemplate(
        name="alone",
        interface=flyte.models.NativeInterface({}, {}),
        func=lambda: 1,
        image="python:3.12",
    )
    env = flyte.TaskEnvironment.from_task("home", alone)
    assert env.tasks == {"alone": alone}
    assert env.image == "python:3.12"
    assert alone.parent_env is not None
    assert alone.parent_env() is env
    assert alone.parent_env_name == "home"


def test_from_task_refuses_what_does_not_fit() -> None:
    def alone(name: str, image: str) -> flyte.TaskTemplate[..., Any, Any]:
        interface = flyte.models.NativeInterface({}, {})
        return flyte.TaskTemplate(name=name, interface=interface, image=image)

    with pytest.raises(errors.DefinitionError, match="at least one task"):
        flyte.TaskEnvironment.from_task("home")
    with pytest.raises(errors.DefinitionError, match="different images"):
        flyte.TaskEnvironment.from_task("home", alone("a", "x"), alone("b", "y"))
    taken = alone("a", "x")
    flyte.TaskEnvironment.from_task("first", taken)
    with pytest.raises(errors.DefinitionError, match="'a' belongs to environment 'first'"):
        flyte.TaskEnvironment.from_task("second", taken)
