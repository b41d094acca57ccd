"""`TaskDetails`: a deployed task with its specification, ready to be called; and the handle that fetches one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from flyteidl2.core import tasks_pb2
from flyteidl2.task import task_definition_pb2

from flyte import _session, errors
from flyte._cache import Cache
from flyte._context import Call, Scope, ctx, scope
from flyte._interface import NativeInterface
from flyte._kit import aio
from flyte._policies import RetryStrategy, TimeoutType
from flyte._resources import Resources
from flyte._secret import SecretRequest
from flyte._task import MAX_INLINE_IO_BYTES, UNCHANGED
from flyte._wire import interfaces
from flyte._wire.deployed import fitting, overrides
from flyte._wire.deployed.reference import Reference
from flyte.config import _read
from flyte.remote._common import ToJSONMixin
from flyte.remote._tasks import lookup
from flyte.remote._tasks.lookup import AutoVersioning, Wanted
from flyte.syncify import syncify

_OWN_CONTROL_PLANE = "_U_HOME"
"""Variable of the processes that a control plane of ours has started on its own machine."""


@dataclass(frozen=True, repr=False)
class TaskDetails(ToJSONMixin):
    """One version of a deployed task.

    Called in a task it is a child action of that task; from elsewhere it is started with `flyte.run`.

    Example:
        >>> train = await flyte.remote.TaskDetails.fetch("models.train", auto_version="latest")
        >>> run = flyte.run(train, folds=3)
    """

    pb2: task_definition_pb2.TaskDetails
    max_inline_io_bytes: int = MAX_INLINE_IO_BYTES
    overriden_queue: str | None = None
    overridden: bool = False
    """Whether it differs from what is deployed: then its specification is sent along, and not only its name."""

    def __repr__(self) -> str:
        changed = ", overridden" if self.overridden else ""
        return f"<deployed task {self.name} {self.version}{changed}>"

    @classmethod
    def get(
        cls,
        name: str,
        project: str | None,
        domain: str | None,
        version: str | None = None,
        auto_version: AutoVersioning | None = None,
    ) -> "LazyEntity":
        """A deployed task that is fetched when it is used; see `Task.get`."""
        return LazyEntity.of(Wanted(name, project, domain, version, auto_version))

    @classmethod
    async def fetch(
        cls,
        name: str,
        project: str | None = None,
        domain: str | None = None,
        version: str | None = None,
        auto_version: AutoVersioning | None = None,
    ) -> "TaskDetails":
        """A deployed task, fetched now.

        Args:
            name: full name, `environment.function`.
            project: its project; by default the one of the running task or of the session.
            domain: likewise.
            version: the version that is wanted.
            auto_version: or `latest`, or in a task `current`: that of the task itself.

        Raises:
            RemoteTaskNotFoundError: there is no such task or version.
            RemoteTaskUsageError: no version is named, or `current` outside of a task.
        """
        wanted = Wanted(name, project, domain, version, auto_version)
        return await aio.background().join(_fetched(wanted))

    @property
    def name(self) -> str:
        """Full name: `environment.function`."""
        return self.pb2.task_id.name

    @property
    def version(self) -> str:
        """The version."""
        return self.pb2.task_id.version

    @property
    def task_type(self) -> str:
        """What kind of task it is, `python` for functions."""
        return self._template.type

    @property
    def default_input_args(self) -> tuple[str, ...]:
        """Names of the inputs that have a default."""
        return tuple(
            named.name
            for named in self.pb2.spec.default_inputs
            if named.parameter.HasField("default")
        )

    @property
    def required_args(self) -> tuple[str, ...]:
        """Names of the inputs that must be given."""
        return tuple(self.interface.required_inputs())

    @cached_property
    def interface(self) -> NativeInterface:
        """Inputs and outputs as Python types; records are dataclasses made from their schemas."""
        return interfaces.native(self._template.interface, self.pb2.spec.default_inputs)

    @property
    def cache(self) -> Cache:
        """How its results are kept."""
        metadata = self._template.metadata
        if not metadata.discoverable:
            return Cache("disable")
        return Cache(
            "auto",
            version_override=metadata.discovery_version or None,
            serialize=metadata.cache_serializable,
            ignored_inputs=tuple(metadata.cache_ignore_input_vars),
        )

    @property
    def secrets(self) -> list[str]:
        """Keys of the secrets that it asks for."""
        return [secret.key for secret in self._template.security_context.secrets]

    @property
    def resources(
        self,
    ) -> "tuple[list[tasks_pb2.Resources.ResourceEntry], list[tasks_pb2.Resources.ResourceEntry]]":
        """What it needs at least, and may have at most, of a machine: two lists of `name` and `value`."""
        resources = self._template.container.resources
        return list(resources.requests), list(resources.limits)

    @property
    def queue(self) -> str | None:
        """The queue in which its calls wait, if `override` chose one."""
        return self.overriden_queue

    def override(  # noqa: PLR0913 - an official signature
        self,
        *,
        short_name: str | None = None,
        resources: Resources | None = None,
        retries: int | RetryStrategy = UNCHANGED,
        timeout: TimeoutType | None = None,
        env_vars: dict[str, str] | None = None,
        secrets: SecretRequest | None = None,
        service_account: str | None = None,
        max_inline_io_bytes: int | None = None,
        cache: Cache | None = None,
        queue: str | None = None,
        produces_artifacts: bool | None = None,
        **kwargs: Any,
    ) -> "TaskDetails":
        """The same task with other settings, for one call or for many; what is not given stays.

        Args:
            short_name: another name for people.
            resources: other resources.
            retries: another number of retries, or another strategy.
            timeout: another limit; 0 means none.
            env_vars: other variables, in the place of all of its own.
            secrets: other secrets.
            service_account: another account.
            max_inline_io_bytes: how many bytes inputs and outputs may have.
            cache: other caching; a version of the code is only known here if it is deployed with a cache.
            queue: the queue in which its calls wait.
            produces_artifacts: whether its outputs are artifacts.
            **kwargs: nothing; here to name what is unknown.

        Raises:
            RemoteTaskUsageError: for a setting that a deployed task cannot have.

        Example:
            >>> big = train.override(resources=flyte.Resources(memory="64Gi"), retries=2)
        """
        given = {name: value for name, value in locals().items() if name in overrides.KNOWN}
        changes = {
            name: value
            for name, value in given.items()
            if value is not None and value is not UNCHANGED
        }
        changes |= kwargs
        limit = changes.pop("max_inline_io_bytes", self.max_inline_io_bytes)
        queued = changes.pop("queue", self.overriden_queue)
        changed = task_definition_pb2.TaskDetails()
        changed.CopyFrom(self.pb2)
        changed.spec.CopyFrom(overrides.overridden(self.pb2.spec, changes))
        return replace(
            self,
            pb2=changed,
            max_inline_io_bytes=limit,
            overriden_queue=queued,
            overridden=self.overridden or bool(changes),
        )

    async def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call it in a task: a child action with the deployed specification.

        Raises:
            RemoteTaskUsageError: outside of a task, in local mode, or with inputs by position.
            TaskInputError: an input is missing or unknown.
        """
        here = callable_here(self.name)
        group = here.task.group_data
        return await here.runtime.call(
            Call(
                callee=self.reference,
                arguments=self.arguments(args, kwargs),
                group=group.name if group else None,
            )
        )

    @property
    def reference(self) -> Reference:
        """What a running task calls."""
        spec = self.pb2.spec
        if _OWN_CONTROL_PLANE in _read.environment():
            spec = overrides.for_any_python(spec)
        return Reference(
            identifier=self.pb2.task_id,
            interface=self.interface,
            spec=spec,
            queue=self.overriden_queue,
            max_inline_io_bytes=self.max_inline_io_bytes,
            parent_env_name=self.pb2.spec.environment.name or None,
        )

    def arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs of a call, those left out that have a default.

        Raises:
            RemoteTaskUsageError: an input was given by position.
            TaskInputError: an input is missing or unknown.
            RuntimeDataValidationError: a record has other fields than the task's.
        """
        if args:
            raise errors.RemoteTaskUsageError(
                f"deployed task {self.name!r} takes its inputs by name, because another version may have them in "
                f"another order; write {', '.join(f'{name}=…' for name in self.interface.inputs) or 'no inputs'}"
            )
        bound = self.interface.bind((), kwargs, what=f"deployed task {self.name!r}")
        return self.fitted(bound)

    def fitted(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments whose records are of the guessed types."""
        hints = self.interface.get_input_types()
        return {
            name: fitting.fitted(value, hints[name], f"inputs.{name}") if name in hints else value
            for name, value in arguments.items()
        }

    @property
    def _template(self) -> tasks_pb2.TaskTemplate:
        return self.pb2.spec.task_template


def callable_here(name: str) -> Scope:
    """What surrounds a call of a deployed task.

    Raises:
        RemoteTaskUsageError: outside of a task, and in local mode.
        TraceDoesNotAllowNestedTasksError: inside a traced function.
    """
    here = scope()
    if here is None:
        raise errors.RemoteTaskUsageError(
            f"deployed task {name!r} was called outside of a task; start it with: flyte.run(task, …)"
        )
    if not here.task.is_in_cluster():
        raise errors.RemoteTaskUsageError(
            f"deployed task {name!r} was called in a run in this process, which does not have its code; start the run "
            "on a control plane: mode='remote' (flyte run without --local)"
        )
    if here.trace is not None:
        raise errors.TraceDoesNotAllowNestedTasksError(
            f"deployed task {name!r} was called inside the traced function {here.trace!r}; call it outside of it, or "
            "remove @flyte.trace"
        )
    return here


async def _fetched(wanted: Wanted) -> TaskDetails:
    plane = await _session.current().control_plane()
    identifier = await wanted.identifier(plane)
    return TaskDetails(await lookup.details(plane, identifier))


class LazyEntity:
    """A deployed task by its name: fetched when it is first used, and kept.

    Kept for one attempt of the task that uses it: a process that executes many does not stay with the version that was
    the latest one for the first.

    Args:
        name: full name.
        getter: fetches it.
    """

    def __init__(self, name: str, getter: Callable[[], Awaitable[TaskDetails]]) -> None:
        self._name = name
        self._getter = getter
        self._lock = asyncio.Lock()
        self._kept: tuple[object, TaskDetails] | None = None

    @classmethod
    def of(cls, wanted: Wanted) -> "LazyEntity":
        """A handle of what a caller has named."""
        return cls(wanted.name, lambda: _fetched(wanted))

    def __repr__(self) -> str:
        return f"<deployed task {self._name}>"

    @property
    def name(self) -> str:
        """Full name: `environment.function`."""
        return self._name

    @syncify
    async def fetch(self) -> TaskDetails:
        """The task with its specification.

        Raises:
            RemoteTaskNotFoundError: there is no such task or version.
            RemoteTaskUsageError: `auto_version="current"` outside of a task.
        """
        here = ctx()
        asking = here and (here.action, here.attempt_number)
        async with self._lock:
            if self._kept is None or self._kept[0] != asking:
                self._kept = asking, await self._getter()
            return self._kept[1]

    @syncify
    async def override(self, **kwargs: Any) -> "LazyEntity":
        """The same task with other settings; see `TaskDetails.override`.

        Raises:
            RemoteTaskUsageError: for a setting that a deployed task cannot have.
        """
        for name in kwargs:
            overrides.check(self._name, name)

        async def changed() -> TaskDetails:
            return (await self.fetch.aio()).override(**kwargs)

        return LazyEntity(self._name, changed)

    async def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call it in a task; see `TaskDetails.__call__`.

        Example:
            >>> train = flyte.remote.Task.get("models.train", auto_version="latest")
            >>> @env.task
            ... async def main() -> float:
            ...     return await train(folds=3)
        """
        callable_here(self._name)
        return await (await self.fetch.aio())(*args, **kwargs)
