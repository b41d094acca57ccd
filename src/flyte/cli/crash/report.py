"""What `flyte test crash` prints: a table of the steps, what is wrong, and what to do about it."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flyte.cli.crash import verdicts
from flyte.cli.crash.notes import Effect, Moment
from flyte.cli.crash.trials import Crash, Undisturbed
from flyte.cli.crash.verdicts import Finding, Outcome, Verdict
from flyte.cli.render import Table

_ADVICE = {
    Outcome.HANGS: "Find out what it waits for: something that only the killed process would have given it?",
    Outcome.FAILS: "A step finds what it has left behind itself: let it accept, or replace, what is there already.",
    Outcome.AGAIN: "This is a defect of Flyte, not of your code: please report it with the table above.",
    Outcome.CALLS: "Such a call is not found again after a crash: take the value from the task's inputs (or "
    "flyte.ctx().run_start_time), or get it in a function with @flyte.trace, whose result is recorded.",
    Outcome.RESULT: "Something is kept outside of inputs and outputs (a global variable, a file): return it instead.",
}
_TWICE = """\
A step that is on its way at a crash is executed again, with everything that it does to the outside. What would do harm
twice belongs into a function of its own with @flyte.trace (then only a crash right at its end repeats it) and should
be idempotent: insert what is missing, write to a name made of the inputs. Seen to happen twice:"""
_LONGEST_LOG_LINES = 8
_MOST_LISTED = 6
_WIDTH = 110


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found out."""

    task: str
    undisturbed: Undisturbed
    verdicts: Mapping[Crash, Verdict]
    left_out: int
    """Records that were not tried."""

    @property
    def repeatable(self) -> bool:
        """Whether no crash made a difference, and no crash none either."""
        good = all(verdict.outcome.is_good for verdict in self.verdicts.values())
        return good and self.undisturbed.stable

    def findings(self) -> Mapping[Finding, Sequence[str]]:
        """What is wrong, the worst first, with the crashes that show it."""
        return verdicts.grouped(
            [
                (crash.title, finding)
                for crash, verdict in self.verdicts.items()
                for finding in verdict.findings
            ]
        )

    def twice(self) -> Mapping[Effect, Sequence[str]]:
        """What happened twice, with the crashes that show it; the same of several actions counts as one."""
        found: dict[Effect, list[str]] = {}
        for crash, verdict in self.verdicts.items():
            for effect in dict.fromkeys(replace(each, action="") for each in verdict.twice):
                found.setdefault(effect, []).append(crash.title)
        return found

    def table(self) -> Table:
        """A line for every record of the journal: what a crash right before and right after it did."""
        by_record: dict[int, dict[Moment, str]] = {}
        titles: dict[int, str] = {}
        for crash, verdict in self.verdicts.items():
            titles[crash.record.number] = crash.record.title
            by_record.setdefault(crash.record.number, {})[crash.moment] = verdict.outcome.value
        rows = [
            (str(number), titles[number], told.get("before", ""), told.get("after", ""))
            for number, told in sorted(by_record.items())
        ]
        return Table(("STEP", "WHAT", "KILLED BEFORE", "KILLED AFTER"), rows, "nothing was tried")

    def lines(self) -> list[str]:
        """What follows the table."""
        return [*self._unstable(), *self._wrong(), *self._effects(), *self._summary()]

    def document(self) -> dict[str, Any]:
        """All of it for programs."""
        return {
            "task": self.task,
            "repeatable": self.repeatable,
            "stable": self.undisturbed.stable,
            "result": _shown(self.undisturbed.told.finished),
            "trials": [
                {
                    "step": crash.record.number,
                    "what": crash.record.title,
                    "action": crash.record.name,
                    "killed": crash.moment,
                    "outcome": verdict.outcome.value,
                    "executed_again": verdict.again,
                }
                for crash, verdict in self.verdicts.items()
            ],
            "findings": [
                {
                    "outcome": finding.outcome.value,
                    "subject": finding.subject,
                    "detail": finding.detail,
                    "crashes": crashes,
                }
                for finding, crashes in self.findings().items()
            ],
            "twice": [
                {
                    "step": effect.step,
                    "what": effect.what,
                    "where": effect.where,
                    "crashes": crashes,
                }
                for effect, crashes in self.twice().items()
            ],
            "left_out": self.left_out,
        }

    def _unstable(self) -> list[str]:
        if self.undisturbed.stable:
            return []
        first = _shown(self.undisturbed.told.finished)
        second = _shown(self.undisturbed.other.finished)
        return [
            "",
            f"The result differs from run to run without any crash: {first}, then {second}.",
            "Results after a crash were therefore not compared.",
        ]

    def _wrong(self) -> list[str]:
        lines: list[str] = []
        for outcome, group in itertools.groupby(
            self.findings().items(), key=lambda item: item[0].outcome
        ):
            lines.append("")
            for finding, crashes in group:
                lines.append(f"{outcome.value}: {finding.subject}")
                if finding.detail.strip() not in finding.subject:
                    lines.extend(f"    {line}" for line in _last_lines(finding.detail))
                lines.append(f"    seen when killed {_listed(crashes)}")
            lines.extend(textwrap.wrap(_ADVICE[outcome], _WIDTH))
        return lines

    def _effects(self) -> list[str]:
        twice = self.twice()
        if not twice:
            return []
        return [
            "",
            *_TWICE.splitlines(),
            *(
                f"    {effect.step} {effect.what} ({effect.where}): twice when killed {_listed(crashes)}"
                for effect, crashes in twice.items()
            ),
        ]

    def _summary(self) -> list[str]:
        tried = len(self.verdicts)
        good = sum(verdict.outcome.is_good for verdict in self.verdicts.values())
        if self.repeatable:
            said = f"is repeatable: {tried} crashes, the same result every time"
        elif good == tried:
            said = f"is not repeatable, even without a crash; {tried} crashes changed nothing else"
        else:
            said = f"is not repeatable: {tried - good} of {tried} crashes made a difference"
        missed = sum(not verdict.reached for verdict in self.verdicts.values())
        return [
            "",
            f"{self.task} {said}",
            *([f"{missed} of them were not reached: runs differ in their steps"] if missed else []),
            *([f"{self.left_out} steps were left out (see --max-steps)"] if self.left_out else []),
        ]


def _shown(finished: Any) -> str:
    return finished.shown if finished else "no result"


def _listed(crashes: Sequence[str]) -> str:
    """`before 3 and after 4`, shortened."""
    words = [" ".join(reversed(crash.split())) for crash in crashes]
    rest = len(words) - _MOST_LISTED
    more = f", and at {rest} more" if rest > 0 else ""
    return f"{', '.join(words[:_MOST_LISTED])}{more}"


def _last_lines(text: str) -> list[str]:
    return text.strip().splitlines()[-_LONGEST_LOG_LINES:]
