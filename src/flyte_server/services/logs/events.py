"""What the platform did with an attempt, as lines of its log: made from rows when somebody reads them."""

from collections.abc import Iterator

from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action, Attempt
from flyte_server.engine.admission import waiting
from flyte_server.engine.admission.waiting import Full, Wait
from flyte_server.services.logs.records import SYSTEM, Line
from flyte_server.services.wire import times

_MOST_HOLDERS = 3


def told(action: Action, attempt: Attempt | None, wait: Wait | None) -> list[Line]:
    """The events of an attempt that has no process, in order, as far as it has come.

    Args:
        action: as it is now.
        attempt: None before it is claimed.
        wait: what the action waits for.
    """
    return [Line(text, at_us, SYSTEM) for at_us, text in _events(action, attempt, wait)]


def _events(
    action: Action, attempt: Attempt | None, wait: Wait | None
) -> Iterator[tuple[int, str]]:
    yield action.queued_at if attempt is None else attempt.queued_at, "queued"
    if attempt is not None:
        yield attempt.claimed_at, "claimed: a process for it is being started"
        if attempt.ended_at is not None:
            yield attempt.ended_at, f"ended without a process: {_why(attempt)}"
    elif wait is not None:
        yield wait.since, _waits(wait)
    if attempt is None and action.ended_at is not None:
        yield action.ended_at, _end(action)


def _why(attempt: Attempt) -> str:
    if attempt.failure is None:
        return attempt.phase.value
    return f"{attempt.failure.code}: {attempt.failure.message}"


def _end(action: Action) -> str:
    if action.failure is None:
        return f"{action.phase.value} without being executed"
    verb = "aborted" if action.phase is Phase.ABORTED else "ended"
    return f"{verb} before it started: {action.failure.code}: {action.failure.message}"


def _waits(wait: Wait) -> str:
    if wait.reason == waiting.BACKOFF and wait.until is not None:
        return f"waits until {times.rfc3339(wait.until)}, because the attempt before it failed"
    if wait.reason == waiting.EQUAL:
        who = wait.equal and f"{wait.equal.run}/{wait.equal.action}"
        return f"waits for the result of an equal action{f', {who}' if who else ''}"
    if wait.reason == waiting.LIMIT:
        return "waits for a place: " + "; ".join(map(_full, wait.full))
    return "waits for its turn" + (f", {wait.ahead} before it" if wait.ahead else "")


def _full(full: Full) -> str:
    holders = [f"{each.run}/{each.action}" for each in full.holders[:_MOST_HOLDERS]]
    more = len(full.holders) - len(holders)
    named = ", ".join(holders) + (f" and {more} more" if more > 0 else "")
    return full.said + (f" ({named})" if named else "")
