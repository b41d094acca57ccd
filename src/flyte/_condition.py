"""new_condition(): a question to somebody outside, for which a task waits.

The engine asks it; here are the words, and the two ways to wait.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, Literal, TypeVar

from flyte import _context, errors
from flyte.syncify import Syncified, syncify

ConditionType = TypeVar("ConditionType", bool, int, float, str)

_TYPES = (bool, int, float, str)
_LONGEST_NAME = 256
_SHORTEST_SECONDS = 1e-6
_LONGEST_SECONDS = 10 * 365 * 24 * 3600.0
"""As control planes allow it."""


@dataclass
class ConditionWebhook:
    """Somebody who is told, once, that a condition waits: the control plane POSTs JSON to `url`.

    Attributes:
        url: an `http` or `https` address; redirects are not followed.
        payload: what is posted; `{callback_uri}` in any of its texts becomes a link that answers the condition.  None:
            the names of run and condition, the prompt, and the link as `callback_uri`.

    Example:
        >>> ConditionWebhook("https://chat.example.com/hook", {"text": "Release? {callback_uri}"})
    """

    url: str
    payload: dict[str, Any] | None = None


class _Waits(Syncified[..., Any]):
    """As `@syncify`, but `.aio` stays on the caller's own loop: the engine sees when nothing else goes on there."""

    async def aio(self, *args: Any, **kwargs: Any) -> Any:
        return await self._body(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> "_Waits":
        return self if instance is None else _Waits(self._body.__get__(instance, owner))


@dataclass
class _Condition(Generic[ConditionType]):
    """A condition that was asked; made by `flyte.new_condition`."""

    name: str
    prompt: str = "Approve?"
    prompt_type: Literal["text", "markdown"] = "text"
    data_type: type[ConditionType] = bool  # pyright: ignore[reportAssignmentType]
    description: str = ""
    timeout: timedelta | int | float | None = None
    webhook: ConditionWebhook | None = None

    @_Waits
    async def wait(self) -> ConditionType:
        """Wait for the answer: `condition.wait()`, or `await condition.wait.aio()`.

        A control plane that waits long ends the task's process and starts it anew when the answer is there; what the
        task has called or traced before is not repeated.

        Returns:
            The answer, of the condition's type.

        Raises:
            ConditionTimedoutError: nobody answered in time.
            ConditionFailedError: the control plane could not go on with it.
            ActionAbortedError: somebody aborted it.
        """
        return await _runtime().answer(_question(self))


@syncify
async def new_condition(
    name: str,
    /,
    prompt: str = "Approve?",
    prompt_type: Literal["text", "markdown"] = "text",
    data_type: type[ConditionType] = bool,
    description: str = "",
    timeout: timedelta | int | float | None = None,
    webhook: ConditionWebhook | None = None,
) -> _Condition[ConditionType]:
    """Ask somebody outside of the run, and go on when the answer is there.

    It can be answered by `flyte signal condition RUN NAME VALUE`, by `flyte.remote.Condition.signal` and by the signed
    link that `flyte get condition RUN` shows; the first answer counts.  In a local run it is asked in the terminal.

    Args:
        name: unique among the conditions of the task that asks.
        prompt: the question.
        prompt_type: how the question is written.
        data_type: what answers it: `bool`, `int`, `float` or `str`.
        description: more about it.
        timeout: after so long (seconds, or a timedelta) nobody can answer any more.
        webhook: who is told that it waits.

    Returns:
        The condition; wait for its answer with `.wait()`.

    Raises:
        DefinitionError: an argument is wrong.
        NotInTaskContextError: it is asked outside of a task.
        ConditionAlreadyExistsError: the task has asked one of that name already.

    Example:
        >>> condition = await flyte.new_condition.aio("release", prompt="Release it?")
        >>> if await condition.wait.aio():
        ...     await release()
    """
    condition = _Condition(name, prompt, prompt_type, data_type, description, timeout, webhook)
    question = _question(condition)
    await _runtime().ask(question)
    return condition


def _runtime() -> _context.Runtime:
    here = _context.scope()
    if here is None:
        raise errors.NotInTaskContextError(
            "NotInTaskContext",
            "a condition belongs to a running task; call flyte.new_condition() and its wait() inside one",
        )
    if here.trace is not None:
        raise errors.TraceDoesNotAllowNestedTasksError(
            f"a condition cannot be asked or awaited inside of the traced function {here.trace!r}; do it outside"
        )
    return here.runtime


def _question(condition: "_Condition[Any]") -> _context.Question:
    """The condition, checked."""
    name = condition.name
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        raise errors.DefinitionError(
            f"flyte.new_condition() needs a name of 1 to {_LONGEST_NAME} characters, got {name!r}"
        )
    if condition.data_type not in _TYPES:
        raise errors.DefinitionError(
            f"condition {name!r}: data_type={condition.data_type!r}; choose bool, int, float or str"
        )
    if condition.prompt_type not in ("text", "markdown"):
        raise errors.DefinitionError(
            f"condition {name!r}: prompt_type={condition.prompt_type!r}; choose 'text' or 'markdown'"
        )
    url, payload = _webhook(name, condition.webhook)
    return _context.Question(
        name,
        condition.prompt,
        condition.data_type,
        condition.prompt_type == "markdown",
        condition.description,
        _seconds(name, condition.timeout),
        url,
        payload,
    )


def _seconds(name: str, timeout: timedelta | float | None) -> float | None:
    if timeout is None:
        return None
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not _SHORTEST_SECONDS <= seconds <= _LONGEST_SECONDS
    ):
        raise errors.DefinitionError(
            f"condition {name!r}: timeout={timeout!r}; give seconds above 0 (at most ten years), or a timedelta,"
            " or None to wait for ever"
        )
    return float(seconds)


def _webhook(name: str, webhook: ConditionWebhook | None) -> tuple[str, Mapping[str, Any] | None]:
    if webhook is None:
        return "", None
    url = webhook.url
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise errors.DefinitionError(
            f"condition {name!r}: the webhook's url is {url!r}; give an address with http or https"
        )
    return url, webhook.payload
