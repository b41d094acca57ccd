"""The root of the errors, and the three kinds: whose failure it is.

Their home for everybody else is `flyte.errors`: so they are named, and so they are pickled.
"""

from dataclasses import dataclass
from typing import Any, Literal, NoReturn

ErrorKind = Literal["system", "unknown", "user"]
"""Whose failure it is."""


@dataclass(frozen=True, slots=True)
class Trail:
    """Where a failure began that other actions failed for, one because of the next."""

    __module__ = "flyte.errors"

    actions: tuple[str, ...]
    """Names of actions, from the child of whoever was told down to the one that failed first."""
    task: str
    """Full name of the task that failed first."""
    code: str
    sentence: str
    """What happened there, in one line."""
    place: str = ""
    """Its innermost line of user code, like `train.py:12 in fit`; empty if it is not known."""

    def __str__(self) -> str:
        place = f" at {self.place}" if self.place else ""
        path = " → ".join(self.actions)
        return f"child {path} ({self.task}) failed{place}: {self.code}: {self.sentence}"


class BaseRuntimeError(RuntimeError):
    """Root of the errors of the SDK.

    What arrives from another process has, besides, `trail` (which action below failed first; None: there is none),
    `evidence` (what the process wrote down: traceback, stacks, measures) and `next_step` (what to do about it).

    Args:
        code: what happened, as one word; for an exception of user code the name of its class.
        kind: whose failure it is.
        root_cause_message: one sentence for the reader; also what `str(error)` gives.
        worker: which worker reported it, if one did.
    """

    __module__ = "flyte.errors"

    def __init__(
        self, code: str, kind: ErrorKind, root_cause_message: str, worker: str | None = None
    ) -> None:
        super().__init__(root_cause_message)
        self.code = code
        self.kind: ErrorKind = kind
        self.root_cause = root_cause_message
        self.worker = worker
        self.trail: Trail | None = None
        self.evidence = ""
        self.next_step = ""

    @property
    def headline(self) -> str:
        """The failure in one line: code and first line of the message; of another action's failure where it began."""
        return str(self.trail) if self.trail else f"{self.code}: {_first_line(str(self))}"

    def __add__(self, other: object) -> NoReturn:
        """Raise the error: it stands where a result was expected, as `flyte.map(…, return_exceptions=True)` gives it.

        So `sum(results)` fails with what went wrong, and not with a TypeError about it.
        """
        raise self

    __radd__ = __add__

    def __reduce__(self) -> tuple[Any, ...]:
        # The constructors of the tree differ, so a copy is made from the attributes and not by
        # calling one again.
        return restore, (type(self), self.args, self.__dict__.copy())


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def restore(
    cls: type[BaseRuntimeError], args: tuple[Any, ...], state: dict[str, Any]
) -> BaseRuntimeError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class RuntimeSystemError(BaseRuntimeError):
    """The platform failed, not user code; trying again may help."""

    __module__ = "flyte.errors"

    def __init__(self, code: str, message: str, worker: str | None = None) -> None:
        super().__init__(code, "system", message, worker)


class RuntimeUnknownError(BaseRuntimeError):
    """A failure of which nobody knows whose it is."""

    __module__ = "flyte.errors"

    def __init__(self, code: str, message: str, worker: str | None = None) -> None:
        super().__init__(code, "unknown", message, worker)


class RuntimeUserError(BaseRuntimeError):
    """User code failed; `code` is the class name of its exception.

    Example:
        >>> try:
        ...     await parse(path)
        ... except flyte.errors.RuntimeUserError as error:
        ...     if error.code != "FileNotFoundError":
        ...         raise
    """

    __module__ = "flyte.errors"

    def __init__(self, code: str, message: str, worker: str | None = None) -> None:
        super().__init__(code, "user", message, worker)
