"""Budgets, limits and waiting in words."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flyte.cli.render import Table, moment

Facts = Sequence[tuple[str, str]]
_MOST_NAMED = 3
_ABORTED = "Aborted"
_BLAMED = {"user": "user's failure", "system": "system's failure", "unknown": "failure"}


def budgets(told: Mapping[str, Any]) -> Facts:
    """What an action has left, attempt by attempt why, and what it waits for; `told` is `ActionService/Explain`'s."""
    facts: list[tuple[str, str]] = []
    if told.get("budgets"):
        facts.append(("failures", _left(told["budgets"])))
    failed = [attempt for attempt in told.get("attempts") or () if "code" in attempt]
    facts.extend((f"attempt {attempt['number']}", _ended(attempt)) for attempt in failed)
    if told.get("waits"):
        facts.append(("waits", waits(told["waits"])))
    facts.extend(("set aside", _set_aside(entry)) for entry in told.get("set_aside") or ())
    return facts


def waits(told: Mapping[str, Any]) -> str:
    """For what an action waits, in one line."""
    since = f" since {moment(_moment(told['since']))}"
    if told["reason"] == "backoff":
        return f"until {moment(_moment(told['until']))}, then it is tried again"
    if told["reason"] == "equal":
        equal = told.get("equal")
        return f"for an equal action{f', {_named([equal])}' if equal else ''}{since}"
    place = f"; {told['ahead']} of its run wait before it" if told.get("ahead") else ""
    full = "; ".join(_full(each) for each in told["full"])
    return (f"for {full}" if full else "for its turn") + since + place


def limits(found: Iterable[Mapping[str, Any]], machine: Mapping[str, Any]) -> Table:
    """One line per limit, and per thing that the machine has; the arguments are `LimitsService/List`'s and
    `LimitsService/Machine`'s."""
    rows = [_limit(each) for each in found]
    rows += [_amount(each) for each in machine["amounts"]]
    rows += [_device(each) for each in machine["devices"]]
    return Table(("kind", "name", "at most", "taken", "free", "by"), rows)


def _limit(told: Mapping[str, Any]) -> Sequence[str]:
    free = max(0, told["most"] - told["alive"])
    figures = (str(told["most"]), str(told["alive"]), str(free))
    return (told["kind"], told["name"], *figures, _named(told["holders"]))


def _amount(told: Mapping[str, Any]) -> Sequence[str]:
    said = told["said"]
    figures = (said["most"], said["reserved"], said["free"])
    return ("machine", told["name"], *figures, _named(told["holders"]))


def _device(told: Mapping[str, Any]) -> Sequence[str]:
    holder = told["holder"]
    figures = ("1", "0", "1") if holder is None else ("1", "1", "0")
    name = f"{told['kind']} {told['id']}"
    return ("device", name, *figures, _named([holder] if holder else []))


def _ended(attempt: Mapping[str, Any]) -> str:
    """How an attempt ended badly, and who pays for it; nobody pays for an abort."""
    said = attempt["message"].partition("\n")[0]
    if attempt["code"] == _ABORTED:
        return f"aborted: {said}"
    return f"{_BLAMED.get(attempt['blame'], attempt['blame'])}: {attempt['code']}: {said}"


def _left(told: Mapping[str, Any]) -> str:
    def of(who: str) -> str:
        return f"{who} failures {told[who]['failures']} of {told[who]['allowed'] + 1}"

    return f"{of('user')}, {of('system')} (with the last one it fails)"


def _full(told: Mapping[str, Any]) -> str:
    return f"{told['said']} by {_named(told['holders'])}" if told["holders"] else told["said"]


def _named(holders: Sequence[Mapping[str, str]]) -> str:
    names = [_name(each) for each in holders[:_MOST_NAMED]]
    more = [f"{len(holders) - _MOST_NAMED} more"] if len(holders) > _MOST_NAMED else []
    return ", ".join(names + more)


def _name(holder: Mapping[str, str]) -> str:
    """An attempt; or a process of a pool, which belongs to no run."""
    named = f"{holder['run']}/{holder['action']}" if holder["run"] else holder["action"]
    return f"{named} ({holder['task']})"


def left_alone(told: Mapping[str, Any]) -> str:
    """One line about what is set aside."""
    return f"action {told['action']} is set aside: {_set_aside(told)}"


def _set_aside(told: Mapping[str, Any]) -> str:
    return f"{told['error']}; next try {moment(_moment(told['until']))}"


def _moment(micros: str) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(micros))
