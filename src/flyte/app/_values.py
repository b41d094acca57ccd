"""Values of parameters that are found when the app starts: the output of a run, an artifact, another app's address."""

from dataclasses import dataclass, field
from typing import Any, Literal

from flyte import errors
from flyte._kit import optional
from flyte.app import _context
from flyte.io import Dir, File

ParameterType = Literal["string", "file", "directory", "app_endpoint"]
"""Kinds of parameters."""

_SCALARS = (str, int, float, bool)


@dataclass(frozen=True, kw_only=True)
class DelayedValue:
    """A value that is not known before the app starts."""

    type: ParameterType | None = None

    async def get(self) -> "str | File[Any] | Dir[Any] | AppEndpoint":
        """The value, of the kind that was declared.

        Raises:
            ParameterMaterializationError: it cannot be found, or is of another kind.
        """
        value = await self.materialize()
        wanted = {"file": File, "directory": Dir, "app_endpoint": AppEndpoint}.get(self.type or "")
        if wanted is not None and not isinstance(value, wanted):
            raise errors.ParameterMaterializationError(
                f"{self!r} is declared as {self.type!r}, but is a {type(value).__name__}; correct `type`, or what it "
                "refers to"
            )
        return str(value) if self.type == "string" else value

    async def materialize(self) -> "str | File[Any] | Dir[Any] | AppEndpoint":
        """The value as it is found."""
        raise errors.ParameterMaterializationError(
            f"{type(self).__name__} says not where its value is; use RunOutput or AppEndpoint"
        )


@dataclass(frozen=True, kw_only=True)
class RunOutput(DelayedValue):
    """An output of a run, or of the newest successful run of a task.

    Args:
        type: kind of the output: `string`, `file` or `directory`.
        run_name: the run.
        task_name: full name of the task, instead of a run.
        task_version: only runs of this version of the task.
        task_auto_version: `latest`: only runs of the version that was deployed last.
        getter: the way to the value: the number of the output, then keys into it.

    Example:
        >>> Parameter(name="model", value=RunOutput(type="file", task_name="training.fit"))
    """

    type: ParameterType = (
        field()
    )  # without a default: what a run has left does not say what it is for
    run_name: str | None = None
    task_name: str | None = None
    task_version: str | None = None
    task_auto_version: Literal["latest", "current"] | None = None
    getter: tuple[Any, ...] = (0,)

    def __post_init__(self) -> None:
        if (self.run_name is None) == (self.task_name is None):
            raise errors.DefinitionError(
                "RunOutput: give either run_name or task_name, got "
                f"run_name={self.run_name!r}, task_name={self.task_name!r}"
            )
        if self.task_version is not None and self.task_auto_version is not None:
            raise errors.DefinitionError(
                "RunOutput: task_version and task_auto_version exclude each other; give one of them"
            )

    async def materialize(self) -> "str | File[Any] | Dir[Any] | AppEndpoint":
        """The output, from the session's control plane."""
        run = await self._run()
        value: Any = await run.outputs.aio()
        try:
            for key in self.getter:
                value = value[key]
        except (LookupError, TypeError) as error:
            raise errors.ParameterMaterializationError(
                f"run {run.name} has no output {self.getter!r}: {error}; look at them with: flyte get io {run.name}"
            ) from error
        if not isinstance(value, (*_SCALARS, File, Dir)):
            raise errors.ParameterMaterializationError(
                f"output {self.getter!r} of run {run.name} is a {type(value).__name__}, and a parameter is a text, a "
                "file or a folder; say with `getter` which part of it is meant"
            )
        return str(value) if isinstance(value, _SCALARS) else value

    async def _run(self) -> Any:
        remote = optional.module("flyte.remote", "RunOutput")
        if self.run_name is not None:
            return await remote.Run.get.aio(self.run_name)
        version = self.task_version
        if self.task_auto_version is not None:
            task = remote.Task.get(self.task_name, auto_version=self.task_auto_version)
            version = (await task.fetch.aio()).version
        async for run in remote.Run.listall.aio(
            task_name=self.task_name, task_version=version, in_phase=("succeeded",), limit=1
        ):
            return await remote.Run.get.aio(run.name)
        raise errors.ParameterMaterializationError(
            f"no run of task {self.task_name} has succeeded{f' in version {version}' if version else ''}; run it first"
        )


@dataclass(frozen=True, kw_only=True)
class ArtifactValue(DelayedValue):
    """A stored artifact.

    This version keeps no artifacts: such a parameter needs another value (`parameter_values`) when the app is served.

    Args:
        type: kind of the artifact.
        name: its name.
        version: its version; None: the newest.
        project: its project; None: the session's.
        domain: its domain; None: the session's.
    """

    name: str
    version: str | None = None
    project: str | None = None
    domain: str | None = None

    async def materialize(self) -> "str | File[Any] | Dir[Any] | AppEndpoint":
        """Always an error, which says what to do instead."""
        raise errors.ParameterMaterializationError(
            f"artifact {self.name!r}: this version keeps no artifacts; give a RunOutput instead, or serve with "
            "parameter_values={APP: {PARAMETER: value}}"
        )


@dataclass(frozen=True, kw_only=True)
class AppEndpoint(DelayedValue):
    """The address of another app, which is served with this one.

    Args:
        app_name: name of the other app; name its environment in `depends_on`.
        public: whether the address for people is meant, where there are two.
    """

    type: Literal["string"] = "string"  # pyright: ignore[reportIncompatibleVariableOverride] - narrower, and frozen
    app_name: str
    public: bool = False

    async def get(self) -> "str | File[Any] | Dir[Any] | AppEndpoint":
        """The value itself: it becomes an address where the app starts."""
        return await self.materialize()

    async def materialize(self) -> "AppEndpoint":
        """The value itself."""
        return self

    def address(self) -> str:
        """Where the app is.

        Raises:
            ParameterMaterializationError: it is not served.
        """
        found = _context.address(self.app_name)
        if found is None:
            raise errors.ParameterMaterializationError(
                f"app {self.app_name!r} is not served, so it has no address; serve it first, or name its environment "
                "in depends_on"
            )
        return found


ParameterValue = str | File[Any] | Dir[Any] | DelayedValue
"""What a parameter may be given."""
