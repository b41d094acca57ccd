"""`flyte.report.log` and its like: they find the report of the running task and write into it.

Each has a blocking form and `.aio`.  A small report on a local disk is written in place, so that a task that reports
starts no thread; anything else is written on the background loop.
"""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Generic, ParamSpec

from flyte._context import ctx
from flyte._kit import aio
from flyte.report._live import LiveReport
from flyte.report._report import MAIN, Report, Tab

P = ParamSpec("P")

Rest = Coroutine[Any, Any, None] | None
"""What is left to be done on the background loop; None: nothing."""


class Verb(Generic[P]):
    """A function that may leave a rest: called it waits for it, `.aio` awaits it."""

    def __init__(self, body: Callable[P, Rest]) -> None:
        self._body = body
        functools.update_wrapper(self, body)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        rest = self._body(*args, **kwargs)
        if rest is not None:
            aio.background().wait(rest)

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """The same, awaited."""
        rest = self._body(*args, **kwargs)
        if rest is not None:
            await aio.background().join(rest)


def current_report() -> Report:
    """The report of the running attempt; outside of tasks one that nobody keeps.

    Example:
        >>> flyte.report.current_report().name
        'no task'
    """
    here = ctx()
    report = here.report if here else None
    return report if isinstance(report, Report) else Report("no task")


def get_tab(name: str, /, create_if_missing: bool = True) -> Tab:
    """A tab of the running task's report, made if need be.

    Raises:
        DefinitionError: (a ValueError) when there is none and none is to be made.

    Example:
        >>> flyte.report.get_tab("Learning curve").log("<svg>…</svg>")
    """
    return current_report().get_tab(name, create_if_missing)


@Verb
def log(content: str, do_flush: bool = False) -> Rest:
    """Append HTML to the main tab.

    Args:
        content: HTML; another value than text is rendered by the transformer of its type.
        do_flush: make it visible at once.

    Example:
        >>> flyte.report.log("<h1>Epoch 3</h1>", do_flush=True)
    """
    get_tab(MAIN).log(content)
    return _flushed() if do_flush else None


@Verb
def replace(content: str, do_flush: bool = False) -> Rest:
    """Put HTML in the place of what the main tab has; arguments as for `log`."""
    get_tab(MAIN).replace(content)
    return _flushed() if do_flush else None


@Verb
def flush() -> Rest:
    """Make the report visible as it stands, while the task goes on.

    What is written often is written with pauses; the last state always gets there, at the end of the attempt at the
    latest and also when the task fails.  A report that cannot be written is a warning: it never fails its task.

    Example:
        >>> await flyte.report.flush.aio()
    """
    return _flushed()


def _flushed() -> Rest:
    report = current_report()
    return report.publisher.flush() if isinstance(report, LiveReport) else None
