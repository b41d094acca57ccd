"""What a crash did to a run: the killed and the resumed process compared with an undisturbed one.  Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from flyte.cli.crash.notes import Asked, Effect, Finished, Told

_LONGEST = 160
"""Characters of a value in one line."""


class Outcome(Enum):
    """The verdict on one crash, the worst first."""

    HANGS = "hangs"
    FAILS = "fails after the crash"
    AGAIN = "executed again"
    CALLS = "calls differ"
    RESULT = "result differs"
    NOT_REACHED = "not reached"
    REPEATABLE = "repeatable"

    @property
    def is_good(self) -> bool:
        """Whether it speaks against no step of the user's."""
        return self in (Outcome.REPEATABLE, Outcome.NOT_REACHED)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; the same one may be found by several crashes."""

    outcome: Outcome
    subject: str
    """What it is about, with its place; the same for every crash that finds it."""
    detail: str = field(compare=False)
    """What was seen in one of the crashes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one crash has shown."""

    findings: tuple[Finding, ...] = ()
    twice: tuple[Effect, ...] = ()
    """Effects of steps that were on their way at the crash, and happened again."""
    again: tuple[str, ...] = ()
    """Tasks and traces that were on their way at the crash, and were executed again."""
    reached: bool = True
    """Whether the run came to the step at all."""

    @property
    def outcome(self) -> Outcome:
        """The worst that was found."""
        if not self.reached:
            return Outcome.NOT_REACHED
        found = {finding.outcome for finding in self.findings}
        return next((each for each in Outcome if each in found), Outcome.REPEATABLE)


def compare(undisturbed: Told, killed: Told, resumed: Told, *, stable: bool) -> Verdict:
    """Judge one crash.

    Args:
        undisturbed: a run without a crash.
        killed: the process that killed itself.
        resumed: the process that went on from its journal.
        stable: whether runs without a crash give the same result.
    """
    if killed.hangs:
        return Verdict((_hangs("the run", killed),))
    if killed.killed is None:
        return Verdict(reached=False)
    findings: list[Finding] = []
    if resumed.hangs:
        findings.append(_hangs("the resumed run", resumed))
    elif resumed.finished is None:
        subject = "the resumed run ended without a result"
        findings.append(Finding(Outcome.FAILS, subject, resumed.log))
    else:
        findings.extend(_result(undisturbed.finished, resumed.finished, stable=stable))
    findings.extend(_executed_again(killed, resumed))
    changes = list(_changes(killed, resumed))
    findings.extend(_changed(call, other) for call, other in changes)
    renamed = {other.name: call.name for call, other in changes if other is not None}
    twice = tuple(_twice(killed, resumed, renamed))
    return Verdict(tuple(findings), twice, tuple(_on_their_way(killed, resumed)))


def _hangs(who: str, told: Told) -> Finding:
    return Finding(Outcome.HANGS, f"{who} did not end within the time limit", told.log)


def _result(expected: Finished | None, found: Finished, *, stable: bool) -> Iterable[Finding]:
    if expected is None or found.identity == expected.identity:
        return
    if found.failed and not expected.failed:
        yield Finding(Outcome.FAILS, f"the resumed run fails: {_short(found.shown)}", found.shown)
    elif stable:
        detail = f"{_short(expected.shown)} without a crash, {_short(found.shown)} after it"
        yield Finding(Outcome.RESULT, "the result depends on the crash", detail)


def _executed_again(killed: Told, resumed: Told) -> Iterable[Finding]:
    """What was executed although the journal had its outputs."""
    again = resumed.begun() | resumed.ended().keys()
    for name, record in killed.ended().items():
        if record.phase == "succeeded" and record.kept and name in again:
            subject = f"{record.task} was executed again although its result was recorded"
            yield Finding(Outcome.AGAIN, subject, f"action {name}")


def _changes(killed: Told, resumed: Told) -> Iterable[tuple[Asked, Asked | None]]:
    """Calls that were made before the crash and under the same name not again after it, each with what came instead."""
    if resumed.finished is None:
        return  # it did not come so far
    for parent in killed.begun() & resumed.begun():
        before = [call for call in killed.asked.values() if call.parent == parent]
        after = [call for call in resumed.asked.values() if call.parent == parent]
        old, new = {call.name for call in before}, {call.name for call in after}
        fresh = [call for call in after if call.name not in old]
        for call in before:
            if call.name in new:
                continue
            other = next((each for each in fresh if _is_alike(each, call)), None)
            if other is not None:
                fresh.remove(other)
            if other is not None or not resumed.finished.failed:
                yield call, other


def _is_alike(one: Asked, other: Asked) -> bool:
    return (one.task, one.group) == (other.task, other.group)


def _changed(call: Asked, other: Asked | None) -> Finding:
    place = f" ({call.where})" if call.where else ""
    if other is None:
        subject = f"{call.task} is not called again{place}"
        return Finding(Outcome.CALLS, subject, f"it was called with {_inputs(call)}")
    differing = [
        name
        for name in {**call.inputs, **other.inputs}
        if call.inputs.get(name, ("", ""))[0] != other.inputs.get(name, ("", ""))[0]
    ]
    if not differing:
        subject = f"{call.task} is called another number of times{place}"
        return Finding(Outcome.CALLS, subject, f"with {_inputs(call)}")
    subject = f"{call.task} is called with another {' and '.join(sorted(differing))}{place}"
    changes = (
        f"{name}: {_text(call, name)} before the crash, {_text(other, name)} after it"
        for name in sorted(differing)
    )
    return Finding(Outcome.CALLS, subject, "; ".join(changes))


def _text(call: Asked, name: str) -> str:
    return call.inputs[name][1] if name in call.inputs else "nothing"


def _inputs(call: Asked) -> str:
    return ", ".join(f"{name}={text}" for name, (_, text) in call.inputs.items()) or "no inputs"


def _twice(killed: Told, resumed: Told, renamed: Mapping[str, str]) -> Iterable[Effect]:
    """Effects that both processes had.

    Args:
        killed: before the crash.
        resumed: after it.
        renamed: calls that came instead of others, by name, with the names of those.
    """
    before = set(killed.effects)
    again = (
        replace(each, action=renamed.get(each.action, each.action)) for each in resumed.effects
    )
    return (effect for effect in dict.fromkeys(again) if effect in before)


def _on_their_way(killed: Told, resumed: Told) -> Iterable[str]:
    """What was begun and not recorded as ended; of a trace only its call is known."""
    unended = {**killed.asked, **{record.name: record for record in killed.written}}
    executed = resumed.begun() | resumed.ended().keys()
    for name, call in unended.items():
        if name in executed and name not in killed.ended():
            yield call.task


def _short(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def grouped(found: Sequence[tuple[str, Finding]]) -> dict[Finding, list[str]]:
    """Equal findings of several crashes, each with the crashes that show it; the worst first."""
    places: dict[Finding, list[str]] = {}
    for crash, finding in found:
        places.setdefault(finding, []).append(crash)
    order = list(Outcome)
    return dict(sorted(places.items(), key=lambda item: order.index(item[0].outcome)))
