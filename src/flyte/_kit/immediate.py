"""`@immediate`: the two forms of a verb whose body never waits.

`@syncify` would run such a body on the background loop; this runs it in place, in either form, and starts no thread
(a process that is going to fork must not have one).
"""

import functools
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Immediate(Generic[P, R]):
    """What `@immediate` makes of a plain function: `f()`, and `await f.aio()` for those who write it."""

    def __init__(self, body: Callable[P, R]) -> None:
        self._body = body
        functools.update_wrapper(self, body)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._body(*args, **kwargs)

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same, awaited."""
        return self._body(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> "Immediate[..., R]":
        bind: Any = self._body
        return self if instance is None else Immediate(bind.__get__(instance, owner))


def immediate(body: Callable[P, R]) -> Immediate[P, R]:
    """Give a function that never waits an `.aio` form.

    Example:
        >>> @immediate
        ... def double(x: int) -> int:
        ...     return 2 * x
        >>> double(4)
        8
    """
    return Immediate(body)
