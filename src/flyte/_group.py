"""group() and custom_context(): a name, or values, for a block of calls."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from flyte import _context, errors


@contextmanager
def _changed(**changes: Any) -> Generator[None, None, None]:
    here = _context.scope()
    if here is None:
        yield
        return
    with _context.entered(replace(here, task=here.task.replace(**changes))):
        yield


@contextmanager
def group(name: str) -> Generator[None, None, None]:
    """Show the calls made in a block under one heading; the innermost group counts.

    Outside of tasks it does nothing.

    Example:
        >>> with flyte.group("folds"):
        ...     scores = await asyncio.gather(*(train(fold) for fold in range(5)))
    """
    if not isinstance(name, str) or not name:
        raise errors.DefinitionError(f"flyte.group() needs a name, got {name!r}")
    with _changed(group_data=_context.GroupData(name)):
        yield


@contextmanager
def custom_context(**context: str) -> Generator[None, None, None]:
    """Hand values to all tasks called in a block, and on to those that they call.

    They are read with `get_custom_context()`.

    Outside of tasks it does nothing; use `flyte.with_runcontext(custom_context=…)` there.

    Example:
        >>> with flyte.custom_context(tenant="acme"):
        ...     await report()
    """
    for key, value in context.items():
        if not isinstance(value, str):
            raise errors.DefinitionError(
                f"flyte.custom_context() takes texts, got {key}={value!r}; convert it with str()"
            )
    with _changed(custom_context={**get_custom_context(), **context}):
        yield


def get_custom_context() -> dict[str, str]:
    """The values given by the surrounding `custom_context()` blocks, here or in a calling task."""
    here = _context.ctx()
    return dict(here.custom_context) if here else {}
