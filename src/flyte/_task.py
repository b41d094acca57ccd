"""Task: a function with everything that is needed to run it elsewhere.

Calling a task asks the runtime around the caller to run it (`flyte._context`); outside of tasks its
function is called directly, so that tasks are tested like functions.
"""

import inspect
import weakref
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, fields, replace
from typing import Any, Generic, Literal, ParamSpec, Self, TypeVar, overload

from flyte import (
    _cache,
    _context,
    _env_vars,
    _image,
    _policies,
    _resources,
    _secret,
    _trigger,
    errors,
)
from flyte._cache import CacheRequest
from flyte._documentation import Documentation
from flyte._environment import Environment
from flyte._image import ImageRequest
from flyte._interface import NativeInterface
from flyte._kit import optional, stepping
from flyte._pod import PodTemplate
from flyte._policies import RetryStrategy, ReusePolicy, TimeoutType
from flyte._resources import Resources
from flyte._secret import SecretRequest
from flyte._task_hooks import Serialization, TaskHooks, with_data
from flyte._trigger import Trigger

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

MAX_INLINE_IO_BYTES = 10 * 1024 * 1024
"""How many bytes of inputs or outputs are passed by value, unless a task says otherwise."""

_LONGEST_NAME = 255
_LONGEST_SHORT_NAME = 63
_FIXED_WHILE_REUSABLE = ("resources", "env_vars", "secrets")
"""A warm process has these already; they cannot be changed for one call."""


class _Unchanged(int):
    """The default of `override(retries=…)`: reads as 0, but is not what a caller's 0 is."""


UNCHANGED = _Unchanged(0)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TaskTemplate(TaskHooks, Generic[P, R_co, F]):
    """What a task is: its name and interface, and how it is to be run.

    Made by `@env.task`.  Values are kept as declared, but `retries`, `timeout` and `cache` always
    as `RetryStrategy`, `Timeout` or None, and `Cache`.
    """

    name: str
    """Full name: `environment.function`."""
    interface: NativeInterface
    short_name: str = ""
    """Name for people; the name of the function unless given."""
    task_type: str = "python"
    task_type_version: int = 0
    image: ImageRequest = "auto"
    resources: Resources | None = None
    cache: CacheRequest = "disable"
    interruptible: bool = False
    retries: int | RetryStrategy = 0
    reusable: ReusePolicy | None = None
    docs: Documentation | None = None
    env_vars: dict[str, str] | None = None
    secrets: SecretRequest | None = None
    service_account: str | None = None
    timeout: TimeoutType | None = None
    pod_template: str | PodTemplate | None = None
    report: bool = False
    queue: str | None = None
    debuggable: bool = False
    entrypoint: bool = False
    produces_artifacts: bool = False
    parent_env: "weakref.ReferenceType[Environment] | None" = None
    parent_env_name: str | None = None
    max_inline_io_bytes: int = MAX_INLINE_IO_BYTES
    triggers: tuple[Trigger, ...] = field(default_factory=tuple[Trigger, ...])
    links: tuple[Any, ...] = field(default_factory=tuple)
    ref: bool = field(default=False, init=False)
    """Whether only its name is known here, because it was deployed from elsewhere."""

    def __post_init__(self) -> None:
        where = f"task {self.name!r}"
        if not self.name or len(self.name) > _LONGEST_NAME:
            raise errors.DefinitionError(
                f"{where}: its name must have 1 to {_LONGEST_NAME} characters; use shorter names"
            )
        short_name = self.short_name or self.name.rpartition(".")[2]
        if len(short_name) > _LONGEST_SHORT_NAME:
            raise errors.DefinitionError(
                f"{where}: short_name may have {_LONGEST_SHORT_NAME} characters, got "
                f"{short_name!r}; "
                "give a shorter one with @env.task(short_name=…)"
            )
        self._set(
            short_name=short_name,
            cache=_cache.cache(self.cache),
            retries=_policies.retry_strategy(self.retries),
            timeout=_policies.timeout(self.timeout),
            env_vars=_env_vars.env_vars(where, self.env_vars),
            triggers=_trigger.triggers(self.triggers),
            links=_several(self.links),
        )
        _resources.resources(where, self.resources)
        _image.image(self.image)
        _secret.secrets(self.secrets)
        for name in _cache.cache(self.cache).get_ignored_inputs():
            if name not in self.interface.inputs:
                raise errors.DefinitionError(
                    f"{where}: Cache.ignored_inputs names {name!r}, which is not among its inputs: "
                    f"{', '.join(self.interface.inputs) or 'none'}"
                )

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<task {self.name}>"

    def __getstate__(self) -> dict[str, Any]:
        # A weak reference cannot be pickled; the name of the environment goes along.
        return {**self.__dict__, "parent_env": None}

    @property
    def native_interface(self) -> NativeInterface:
        """The interface in Python's own types."""
        return self.interface

    @property
    def is_async(self) -> bool:
        """Whether the task's function is a coroutine function."""
        return True

    @property
    def source_file(self) -> str | None:
        """The file that defines the task, if it comes from one."""
        return None

    def joined(self, env: Environment) -> Self:
        """Make the task itself, not a copy, a member of an environment (`from_task`).

        Raises:
            DefinitionError: when it belongs to another one.
        """
        if self.parent_env_name not in (None, env.name):
            raise errors.DefinitionError(
                f"task {self.name!r} belongs to environment {self.parent_env_name!r} and cannot "
                f"join {env.name!r}; "
                "use add_dependency() to deploy both together"
            )
        self._set(parent_env=weakref.ref(env), parent_env_name=env.name)
        return self

    async def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Do the task's work here and now; the runtime calls this.

        Raises:
            RuntimeUserError: when this kind of task has no work that can be done here.
        """
        raise errors.RuntimeUserError(
            "NotExecutable",
            f"task {self.name!r} of type {self.task_type!r} runs only under a control plane",
        )

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the task's function directly, in a task too, as if there were no decorator."""
        return self.execute(*args, **kwargs)  # pyright: ignore[reportReturnType] - a coroutine is R of an async function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the task as its function would be called.

        Raises:
            TaskInputError: when an argument is missing, unknown or given twice.
            TraceDoesNotAllowNestedTasksError: inside a traced function.
            SyncTaskCallInAsyncContextError: for a plain task on a running event loop.
        """
        here = _context.scope()
        if here is None:
            return self.forward(*args, **kwargs)
        call = self._call(here, args, kwargs, blocking=not self.is_async)
        if not call.blocking:
            return here.runtime.call(call)  # pyright: ignore[reportReturnType] - a coroutine is R of an async function
        if stepping.loop_is_running():
            raise errors.SyncTaskCallInAsyncContextError(
                f"task {self.name!r} is a plain function and would block the event loop it is "
                "called in; "
                f"write `await {self.short_name}.aio(…)`"
            )
        return stepping.drive(here.runtime.call(call))

    @overload
    async def aio(
        self: "TaskTemplate[P, Coroutine[Any, Any, T], F]", *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    @overload
    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    async def aio(self, *args: Any, **kwargs: Any) -> Any:
        """Await the task, whether its function is async or plain.

        Example:
            >>> @env.task
            ... def square(x: int) -> int:
            ...     return x * x
            >>> @env.task
            ... async def main() -> list[int]:
            ...     return await asyncio.gather(*(square.aio(x) for x in range(10)))
        """
        here = _context.scope()
        if here is not None:
            return await here.runtime.call(self._call(here, args, kwargs, blocking=False))
        value: Any = self.forward(*args, **kwargs)
        return await value if inspect.isawaitable(value) else value

    def _call(
        self, here: _context.Scope, args: Any, kwargs: Any, *, blocking: bool
    ) -> _context.Call:
        if here.trace is not None:
            raise errors.TraceDoesNotAllowNestedTasksError(
                f"task {self.name!r} was called inside the traced function {here.trace!r}; call it "
                "outside of it, "
                "or remove @flyte.trace"
            )
        group = here.task.group_data
        return _context.Call(
            callee=self,
            arguments=self.interface.bind(args, kwargs, what=f"task {self.name!r}"),
            group=group.name if group else None,
            blocking=blocking,
        )

    def override(  # noqa: PLR0913 - a word
        self,
        *,
        short_name: str | None = None,
        resources: Resources | None = None,
        cache: CacheRequest | None = None,
        retries: int | RetryStrategy = UNCHANGED,
        timeout: TimeoutType | None = None,
        reusable: ReusePolicy | Literal["off"] | None = None,
        env_vars: dict[str, str] | None = None,
        secrets: SecretRequest | None = None,
        service_account: str | None = None,
        max_inline_io_bytes: int | None = None,
        pod_template: str | PodTemplate | None = None,
        queue: str | None = None,
        interruptible: bool | None = None,
        entrypoint: bool | None = None,
        produces_artifacts: bool | None = None,
        links: tuple[Any, ...] = (),
        plugin_config: Any = None,
        **kwargs: Any,
    ) -> Self:
        """The same task with other settings, for one call or for many; what is not given stays.

        Args:
            short_name: another name for people.
            resources: other resources.
            cache: other caching.
            retries: another number of retries, or another strategy; 0 means none.
            timeout: another limit; 0 means none.
            reusable: another policy; "off" takes a process of its own for each call.
            **kwargs: nothing; here to name what is unknown.

        The other arguments are those of `@env.task` and `TaskEnvironment`.

        Raises:
            DefinitionError: for an unknown setting; and for resources, env_vars or secrets of a
                task whose environment is reusable, unless `reusable="off"` is given too.

        Example:
            >>> await train.override(resources=flyte.Resources(cpu=4), retries=5)(x=10)
        """
        given = {name: value for name, value in locals().items() if name in _OVERRIDABLE}
        changes = {
            name: value
            for name, value in given.items()
            if value is not None
            and value is not UNCHANGED
            and not (name == "links" and value == ())
        }
        self._check_override(changes, unknown=kwargs)
        if changes.get("reusable") == "off":
            changes["reusable"] = None
        return replace(self, **changes)

    def _check_override(self, changes: dict[str, Any], unknown: dict[str, Any]) -> None:
        known = {each.name for each in fields(self)} & set(_OVERRIDABLE)
        for name in (*unknown, *changes):
            if name not in known:
                raise errors.DefinitionError(
                    f"task {self.name!r}: override() cannot change {name!r}; it can change: "
                    f"{', '.join(sorted(known))}"
                )
        config = changes.get("plugin_config")
        if config is not None and type(config) is not type(getattr(self, "plugin_config", None)):
            raise errors.DefinitionError(
                f"task {self.name!r}: override() cannot change what kind of task it is, so plugin_config must be a "
                f"{type(getattr(self, 'plugin_config', None)).__name__}, got {type(config).__name__}; put the task "
                "into an environment with that plugin_config"
            )
        fixed = [name for name in _FIXED_WHILE_REUSABLE if name in changes]
        if self.reusable is not None and fixed and changes.get("reusable") != "off":
            raise errors.DefinitionError(
                f"task {self.name!r}: cannot override {', '.join(fixed)}, because its environment "
                "is reusable and its "
                'processes have them already; add reusable="off" to the same override()'
            )


_OVERRIDABLE = tuple(
    name
    for name, parameter in inspect.signature(TaskTemplate.override).parameters.items()
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RuntimeTaskTemplate(TaskTemplate[P, R_co, F]):
    """A task whose work is done by this SDK in a worker: subclass it and say in `execute` what that work is.

    Example:
        >>> class Shout(flyte.extend.RuntimeTaskTemplate):
        ...     async def execute(self, text: str) -> str:
        ...         return text.upper()
        >>> interface = NativeInterface.from_types({"text": (str, NativeInterface.no_default)}, {"o0": str})
        >>> shout = Shout(name="texts.shout", interface=interface)
    """

    task_resolver: Any = None
    """Finds the task again in a worker's process; None takes the usual way, by module and name."""

    def container_args(self, serialize_context: Serialization) -> list[str]:
        """The command line of a worker that finds the task by its resolver and calls `execute`."""
        return serialize_context.worker_args(self)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AsyncFunctionTaskTemplate(RuntimeTaskTemplate[P, R_co, F]):
    """A task made of a Python function, async or plain; what `@env.task` returns."""

    debuggable: bool = True
    func: F
    plugin_config: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        # What `help()` and `inspect.signature()` look at.
        self._set(__name__=self.func.__name__, __doc__=self.func.__doc__, __wrapped__=self.func)

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(inspect.unwrap(self.func))

    @property
    def is_plain(self) -> bool:
        """Whether its work is a plain function and nothing else: engines call that without an event loop around it."""
        kind = type(self)
        untouched = (
            kind.execute is AsyncFunctionTaskTemplate.execute
            and kind.pre is TaskHooks.pre
            and kind.post is TaskHooks.post
        )
        return untouched and not self.is_async

    @property
    def source_file(self) -> str | None:
        code = getattr(inspect.unwrap(self.func), "__code__", None)
        return code.co_filename if code else None

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self.func(*args, **kwargs)

    async def execute(self, *args: Any, **kwargs: Any) -> Any:
        """`pre`, the function, `post`; a plain function gets a thread if a loop runs, which it would block."""
        with with_data(await self.pre(*args, **kwargs)):
            value: Any
            if self.is_async or self.is_plain:
                value = self.func(*args, **kwargs)
                value = await value if inspect.isawaitable(value) else value
            else:
                value = await _in_thread(self.func, *args, **kwargs)
            changed = await self.post(value)
        return value if changed is None else changed


async def _in_thread(func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    # Words do not import asyncio; whoever awaits this has it.
    to_thread: Any = optional.module("asyncio", "running a task").to_thread
    return await to_thread(func, *args, **kwargs)


def _several(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)
