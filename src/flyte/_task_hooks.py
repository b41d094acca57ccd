"""What a plugin's kind of task may override: additions to the specification, and steps around the work.

Every method has a default that adds nothing, so a plugin writes only those that it needs.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

from flyte import _context


class Serialization(Protocol):
    """What the hooks are told of the specification that is made: `flyte.models.SerializationContext`."""

    @property
    def version(self) -> str: ...

    @property
    def project(self) -> str | None: ...

    @property
    def domain(self) -> str | None: ...

    def worker_args(self, task: Any) -> list[str]:
        """The command line with which a worker of this SDK finds and runs the task."""
        ...


class TaskHooks:
    """The hooks of a task; see `flyte.extend` for how a plugin is made.

    Example:
        >>> class Queued(flyte.extend.AsyncFunctionTaskTemplate):
        ...     def custom_config(self, sctx):
        ...         return {"queue": self.plugin_config.queue}
    """

    def config(self, sctx: Serialization) -> dict[str, str]:
        """Settings that the backend reads: `config` of the task's specification."""
        return {}

    def custom_config(self, sctx: Serialization) -> dict[str, Any]:
        """What a plugin of the backend reads: `custom` of the task's specification; plain values, as in JSON."""
        return {}

    def sql(self, sctx: Serialization) -> str | None:
        """The statement of a task that a database runs."""
        return None

    def container_args(self, serialize_context: Serialization) -> list[str]:
        """The command line of the task's container; empty for a task that needs none."""
        return []

    def data_loading_config(self, sctx: Serialization) -> Any:
        """How a container without this SDK gets its inputs as files (a `DataLoadingConfig` message), if it does."""
        return None

    async def pre(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Prepare an attempt; called in the worker with the task's inputs.

        Returns:
            What the task finds in `flyte.ctx().data`.
        """
        return {}

    async def post(self, return_vals: Any) -> Any:
        """Finish an attempt; called in the worker with what the task returned.

        Returns:
            What the task returns instead; None leaves it as it is.
        """
        return return_vals


@contextmanager
def with_data(data: Mapping[str, Any]) -> Generator[None]:
    """Add to what the running task finds in `flyte.ctx().data`; outside of tasks there is nothing to add to."""
    here = _context.scope()
    if here is None or not data:
        yield
        return
    task = here.task.replace(data={**here.task.data, **data})
    with _context.entered(replace(here, task=task)):
        yield
