"""TaskEnvironment: the home of tasks that share settings; and its decorator `@env.task`."""

import inspect
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ParamSpec, Self, TypeVar, overload

from flyte import _cache, errors
from flyte._cache import CacheRequest
from flyte._documentation import Documentation
from flyte._environment import Environment
from flyte._image import ImageRequest
from flyte._interface import NativeInterface
from flyte._pod import PodTemplate
from flyte._policies import RetryStrategy, ReusePolicy, TimeoutType
from flyte._resources import Resources
from flyte._secret import SecretRequest
from flyte._task import MAX_INLINE_IO_BYTES, AsyncFunctionTaskTemplate, TaskTemplate
from flyte._task_plugins import TaskPluginRegistry
from flyte._trigger import Trigger

P = ParamSpec("P")
R = TypeVar("R")

_INHERITED = ("cache", "pod_template", "interruptible", "queue", "service_account")
"""What a task takes from its environment unless its decorator says otherwise; the rest it always
takes.
"""

_Task = AsyncFunctionTaskTemplate[P, R, Callable[P, R]]


@dataclass(frozen=True, eq=False)
class TaskEnvironment(Environment):
    """The home of tasks: each one inherits what is set here, and its full name begins with the
    environment's.

    Settings have three levels: environment, then `@env.task(…)`, then `task.override(…)`; the later
    wins.

    Args:
        cache: caching of its tasks.
        reusable: keep processes of this environment warm.
        plugin_config: configuration of a plugin that runs the tasks (a cluster of workers, for
            example).
        queue: queue in which its tasks wait.

    The other arguments are those of `Environment`.

    Example:
        >>> resources = flyte.Resources(cpu=2, memory="4Gi")
        >>> env = flyte.TaskEnvironment(name="data_processing", resources=resources)
        >>> @env.task
        ... def process_data(data: list[int]) -> list[int]:
        ...     return [x * 2 for x in data]
        >>> process_data.name
        'data_processing.process_data'
    """

    cache: CacheRequest = "disable"
    reusable: ReusePolicy | None = None
    plugin_config: Any = None
    queue: str | None = None
    _tasks: dict[str, TaskTemplate[..., Any, Any]] = field(
        default_factory=dict[str, TaskTemplate[..., Any, Any]], init=False, repr=False
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _cache.cache(self.cache)
        if self.reusable is not None and not isinstance(self.reusable, ReusePolicy):
            raise errors.DefinitionError(
                f"environment {self.name!r}: reusable must be a flyte.ReusePolicy, got "
                f"{self.reusable!r}"
            )
        if self.reusable is not None and self.plugin_config is not None:
            raise errors.DefinitionError(
                f"environment {self.name!r}: reusable and plugin_config exclude each other; use "
                "two environments"
            )

    def clone_with(  # noqa: PLR0913 - a word
        self,
        name: str,
        image: ImageRequest = None,
        resources: Resources | None = None,
        env_vars: dict[str, str] | None = None,
        secrets: SecretRequest | None = None,
        depends_on: list[Environment] | None = None,
        description: str | None = None,
        interruptible: bool | None = None,
        include: tuple[str, ...] | None = None,
        service_account: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """A new environment with some things changed, as `Environment.clone_with`; it has no tasks.

        Example:
            >>> big = env.clone_with("big", resources=flyte.Resources(memory="64Gi"), reusable=None)
        """
        more = {
            "interruptible": interruptible,
            "include": include,
            "service_account": service_account,
        }
        kwargs |= {key: value for key, value in more.items() if value is not None}
        return super().clone_with(
            name, image, resources, env_vars, secrets, depends_on, description, **kwargs
        )

    @property
    def tasks(self) -> dict[str, TaskTemplate[..., Any, Any]]:
        """Its tasks by full name."""
        return dict(self._tasks)

    @overload
    def task(self, _func: Callable[P, R]) -> _Task[P, R]: ...
    @overload
    def task(
        self,
        _func: None = None,
        *,
        short_name: str | None = None,
        cache: CacheRequest | None = None,
        retries: int | RetryStrategy = 0,
        timeout: TimeoutType = 0,
        docs: Documentation | None = None,
        pod_template: str | PodTemplate | None = None,
        report: bool = False,
        interruptible: bool | None = None,
        max_inline_io_bytes: int = MAX_INLINE_IO_BYTES,
        queue: str | None = None,
        service_account: str | None = None,
        triggers: tuple[Trigger, ...] | Trigger = (),
        links: tuple[Any, ...] | Any = (),
        task_resolver: Any = None,
        entrypoint: bool = False,
        produces_artifacts: bool = False,
    ) -> Callable[[Callable[P, R]], _Task[P, R]]: ...
    def task(  # noqa: PLR0913 - a word
        self,
        _func: Callable[..., Any] | None = None,
        *,
        short_name: str | None = None,
        cache: CacheRequest | None = None,
        retries: int | RetryStrategy = 0,
        timeout: TimeoutType = 0,
        docs: Documentation | None = None,
        pod_template: str | PodTemplate | None = None,
        report: bool = False,
        interruptible: bool | None = None,
        max_inline_io_bytes: int = MAX_INLINE_IO_BYTES,
        queue: str | None = None,
        service_account: str | None = None,
        triggers: tuple[Trigger, ...] | Trigger = (),
        links: tuple[Any, ...] | Any = (),
        task_resolver: Any = None,
        entrypoint: bool = False,
        produces_artifacts: bool = False,
    ) -> Any:
        """Make a function a task of this environment: `@env.task` or `@env.task(retries=3)`.

        Args:
            short_name: name for people; the default is the name of the function.
            cache: caching; the default is the environment's.
            retries: how often it is tried again after a failure of its own, or a `RetryStrategy`.
            timeout: how long an attempt may run (seconds or a `timedelta`), or a `Timeout`; 0 is no
                limit.
            docs: description; the default is the docstring.
            report: whether it makes a report.
            max_inline_io_bytes: how many bytes its inputs or outputs may have in all, files apart.
            triggers: what starts it by itself, once it is deployed.
            links: links shown beside its actions.
            task_resolver: finds the task again in a worker's process; None: by module and name.
            entrypoint: whether it is a main task, which people start.
            produces_artifacts: whether its outputs are artifacts.

        The other arguments are those of the environment, and take its values unless given.

        Raises:
            DefinitionError: when the function cannot be a task, or a setting is wrong.
        """
        settings = {key: value for key, value in locals().items() if key not in ("self", "_func")}
        if _func is not None:
            return self._added(_func, settings)
        return lambda func: self._added(func, settings)

    def _added(
        self, func: Callable[..., Any], settings: dict[str, Any]
    ) -> AsyncFunctionTaskTemplate[..., Any, Any]:
        name = self._checked(func)
        if self.reusable is not None and settings["pod_template"] is not None:
            raise errors.DefinitionError(
                f"task {self.name}.{name}: the processes of a reusable environment are there already, so "
                "a task cannot have a pod_template of its own; give it to the environment"
            )
        inherited = {key: getattr(self, key) for key in _INHERITED if settings[key] is None}
        settings = {**settings, **inherited, "short_name": settings["short_name"] or ""}
        kind = TaskPluginRegistry.kind(f"environment {self.name!r}", self.plugin_config)
        task = kind(
            name=f"{self.name}.{name}",
            interface=NativeInterface.from_callable(func),
            image=self.image,
            resources=self.resources,
            reusable=self.reusable,
            env_vars=self.env_vars,
            secrets=self.secrets,
            plugin_config=self.plugin_config,
            parent_env=weakref.ref(self),
            parent_env_name=self.name,
            func=func,
            **settings,
        )
        self._tasks[task.name] = task
        return task

    def _checked(self, func: Callable[..., Any]) -> str:
        """The name of a function that can be a task."""
        if isinstance(func, TaskTemplate):
            raise errors.DefinitionError(
                f"{func.name!r} is a task already; decorate the function once"
            )
        name = getattr(func, "__name__", "")
        if not inspect.isfunction(func) or not name.isidentifier():
            raise errors.DefinitionError(
                f"environment {self.name!r}: a task is a function with a name, made with def or "
                f"async def, got {func!r}"
            )
        if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
            raise errors.DefinitionError(
                f"task {self.name}.{name} is a generator, but a task returns its outputs; return a "
                "list"
            )
        twin = self._tasks.get(f"{self.name}.{name}")
        module = getattr(getattr(twin, "func", func), "__module__", None)
        if module != func.__module__:
            raise errors.DefinitionError(
                f"environment {self.name!r} has a task {name!r} already, from module {module}; "
                "rename one of the two"
            )
        return name

    @classmethod
    def from_task(
        cls,
        name: str,
        *tasks: TaskTemplate[..., Any, Any],
        depends_on: list[Environment] | None = None,
    ) -> "TaskEnvironment":
        """An environment around tasks that were made without one; its image is theirs.

        Raises:
            DefinitionError: when there is no task, when they have different images, or when one
                belongs to another environment.
        """
        if not tasks:
            raise errors.DefinitionError(
                f"environment {name!r}: from_task() needs at least one task"
            )
        images = {task.image for task in tasks}
        if len(images) > 1:
            raise errors.DefinitionError(
                f"environment {name!r}: its tasks have different images; make one environment per "
                "image"
            )
        env = cls(name, depends_on=depends_on or [], image=images.pop())
        env._tasks.update({task.name: task.joined(env) for task in tasks})
        return env
