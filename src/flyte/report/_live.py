"""The report of a running attempt: opened and closed by the engine, written beside the attempt's outputs."""

import logging
from collections.abc import Coroutine, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flyte import storage
from flyte._context import TaskContext
from flyte._kit import aio
from flyte.report._publishing import Publisher, Settings
from flyte.report._report import Report

_log = logging.getLogger("flyte.report")

FILE = "report.html"
"""Name of the report beside `outputs.pb`."""


class LiveReport(Report):
    """A report that knows where it is written, and by whom it is about."""

    def __init__(self, context: TaskContext, settings: Settings = None) -> None:
        super().__init__(context.task_name or context.action.name)
        self._action = context.action
        self._attempt = context.attempt_number + 1
        self.publisher = Publisher(
            self, storage.join(context.output_path, FILE), settings, hidden=context.hidden
        )

    def facts(self) -> Sequence[str]:
        action = self._action
        named = [f"{action.run_name}/{action.name}"] if action.run_name else [action.name]
        again = [f"attempt {self._attempt}"] if self._attempt > 1 else []
        return [*named, *again, *super().facts()]


def opened(context: TaskContext, settings: Settings = None) -> TaskContext:
    """The context of an attempt with an empty report in it; nothing is written before something is reported."""
    return context.replace(report=LiveReport(context, settings))


@contextmanager
def reported(context: TaskContext, settings: Settings = None) -> Generator[TaskContext]:
    """`opened` for a block; at its end, however it ends, what is not written yet is written."""
    context = opened(context, settings)
    try:
        yield context
    finally:
        close(context)


def close(context: TaskContext) -> str | None:
    """End the report of an attempt; what is not written yet is written.

    Returns:
        The address of the report; None if there is none.
    """
    rest = _rest(context)
    if rest is not None:
        aio.background().wait(rest)
    return _written(context)


async def close_aio(context: TaskContext) -> str | None:
    """`close` for a caller that may not block its loop."""
    rest = _rest(context)
    if rest is not None:
        await aio.background().join(rest)
    return _written(context)


def _rest(context: TaskContext) -> Coroutine[Any, Any, None] | None:
    report = context.report
    return report.publisher.close() if isinstance(report, LiveReport) else None


def _written(context: TaskContext) -> str | None:
    report = context.report
    return report.publisher.written if isinstance(report, LiveReport) else None


def local(run_base_dir: str | Path, action: str = "*") -> list[Path]:
    """The reports of a run in the caller's process, the last attempt of an action last."""
    found = Path(run_base_dir).glob(f"{action}/*/{FILE}")
    return sorted(found, key=lambda path: (path.parts[-3], len(path.parts[-2]), path.parts[-2]))


def tell_local(run_base_dir: str) -> None:
    """Say in the log where the reports of such a run lie, if there are any."""
    reports = local(run_base_dir)
    if len(reports) == 1:
        _log.info("the report of this run: %s", reports[0])
    elif reports:
        _log.info("%d reports of this run: %s/*/*/%s", len(reports), run_base_dir, FILE)
