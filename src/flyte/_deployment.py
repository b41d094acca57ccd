"""What is deployed together, and what came of it: plain values, nothing is sent from here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from flyteidl2.task import task_definition_pb2

from flyte import _image, errors
from flyte._environment import Environment
from flyte._task import TaskTemplate
from flyte._task_environment import TaskEnvironment
from flyte._wire import loading

Rows = list[list[tuple[str, ...]]]
"""Lines of a table; each cell is a heading and a text."""

State = Literal["deployed", "unchanged", "planned"]
"""New on the control plane; there before, with the same content; or only what a dry run would have sent."""


@dataclass(frozen=True, slots=True)
class DeployedTask:
    """One task of a deployment."""

    name: str
    """Full name: `environment.function`."""
    version: str
    state: State
    spec: task_definition_pb2.TaskSpec
    triggers: tuple[str, ...] = ()
    """Names of the triggers that start it."""

    def table_repr(self) -> list[tuple[str, ...]]:
        """Its line in a table."""
        return [
            ("type", "task"),
            ("name", self.name),
            ("version", self.version),
            ("triggers", ", ".join(self.triggers)),
            ("state", self.state),
        ]


@dataclass(frozen=True, slots=True)
class DeployedEnvironment:
    """One environment of a deployment, with its tasks."""

    env: Environment
    deployed_entities: tuple[DeployedTask, ...]

    @property
    def name(self) -> str:
        """Name of the environment."""
        return self.env.name

    def env_repr(self) -> list[tuple[str, ...]]:
        """Its line in a table."""
        return [("environment", self.env.name), ("image", _image.image(self.env.image).uri)]


@dataclass(frozen=True)
class Deployment:
    """What one environment and all that it depends on have become on the control plane.

    Example:
        >>> (deployment,) = flyte.deploy(env)
        >>> print(deployment.summary_repr())
        2 environments with 5 tasks
    """

    envs: dict[str, DeployedEnvironment]
    """By name; the environment that was asked for is the first."""

    @property
    def tasks(self) -> list[DeployedTask]:
        """All tasks of all environments."""
        return [task for env in self.envs.values() for task in env.deployed_entities]

    def env_repr(self) -> Rows:
        """One line per environment."""
        return [env.env_repr() for env in self.envs.values()]

    def table_repr(self) -> Rows:
        """One line per task."""
        return [task.table_repr() for task in self.tasks]

    def summary_repr(self) -> str:
        """How much it is, in a few words."""
        return f"{_counted(len(self.envs), 'environment')} with {_counted(len(self.tasks), 'task')}"


def together(envs: Iterable[Environment]) -> list[TaskEnvironment]:
    """The environments and all that they depend on, each once.

    Raises:
        DeploymentError: two of them have one name, they depend on each other in a circle, or one has no tasks.
    """
    found: dict[str, Environment] = {}
    done: set[Environment] = set()
    for env in envs:
        for each in _with_dependencies(env, (), done):
            twin = found.setdefault(each.name, each)
            if twin is not each:
                raise errors.DeploymentError(_twins(twin, each))
    made = [_with_tasks(env) for env in found.values()]
    _check_names(made)
    return made


def closure(env: Environment) -> list[str]:
    """Names of an environment and of all that it depends on, its own first."""
    return [each.name for each in _with_dependencies(env, (), set())]


def _with_dependencies(
    env: Environment, path: tuple[Environment, ...], done: set[Environment]
) -> Iterator[Environment]:
    if env in path:
        circle = " → ".join(each.name for each in (*path[path.index(env) :], env))
        raise errors.DeploymentError(
            f"environments depend on each other in a circle: {circle}; take one of these out of depends_on, or put the "
            "tasks into one environment"
        )
    if env in done:
        return
    yield env
    for each in env.depends_on:
        yield from _with_dependencies(each, (*path, env), done)
    done.add(env)


def _twins(one: Environment, other: Environment) -> str:
    modules = [loading.home(task) for env in (one, other) for task in _tasks(env)]
    files = {getattr(module, "__file__", None) for module in modules}
    names = sorted({module.__name__ for module in modules if module is not None})
    if len(files) == 1 and len(names) > 1:
        return (
            f"environment {one.name!r} exists twice, because {files.pop()} is imported under several names "
            f"({', '.join(names)}); import it under one, or say where imports start: root_dir (--root-dir)"
        )
    return f"two environments are named {one.name!r}, and tasks are known by that name; rename one of them"


def _tasks(env: Environment) -> list[TaskTemplate[..., Any, Any]]:
    return list(env.tasks.values()) if isinstance(env, TaskEnvironment) else []


def _with_tasks(env: Environment) -> TaskEnvironment:
    if not isinstance(env, TaskEnvironment):
        raise errors.DeploymentError(
            f"environment {env.name!r} is a {type(env).__name__}, of which there are no tasks to deploy; deploy a "
            "flyte.TaskEnvironment"
        )
    return env


def _check_names(envs: Iterable[TaskEnvironment]) -> None:
    owners: dict[str, str] = {}
    for env in envs:
        for name in env.tasks:
            other = owners.setdefault(name, env.name)
            if other != env.name:
                raise errors.DeploymentError(
                    f"environments {other!r} and {env.name!r} both have a task {name!r}; leave it in one of them"
                )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
