"""The text of a failure: one sentence, the evidence, the next step; always in this order and shape.

::

    child a1 → b2 (env.leaf) failed at train.py:12 in fit: ValueError: no rows      (only if it began elsewhere)

    no rows

    Traceback (most recent call last):                                              (or `evidence: …`)
      …

    next: look at train.py:12 in fit

The control plane writes the same shape (`flyte_server.domain.telling`).  Another client shows the text as it is.
"""

import re
from dataclasses import dataclass

from flyte import errors

_EVIDENCE = re.compile(
    r"\n\n(?=Traceback \(most recent call last\):\n|  \+ Exception Group Traceback |evidence: )"
)
_NEXT = "\n\nnext: "
_TRAIL = re.compile(
    r"child (?P<actions>\S+(?: → \S+)*) \((?P<task>[^()]*)\) failed"
    r"(?: at (?P<place>.+?:\d+ in \S+))?: (?P<code>[^:\n]*): (?P<sentence>[^\n]*)(?:\n\n|$)"
)


@dataclass(frozen=True, slots=True)
class Told:
    """A failure's text in its parts; a part that is not there is empty."""

    summary: str
    """What an exception of user code says, which may have many lines; else the one sentence."""
    evidence: str = ""
    next_step: str = ""
    trail: errors.Trail | None = None

    def __str__(self) -> str:
        parts = [str(self.trail) if self.trail else "", self.summary, self.evidence]
        text = "\n\n".join(part for part in parts if part)
        return f"{text}{_NEXT}{self.next_step}" if self.next_step else text

    @property
    def appendix(self) -> str:
        """What stands below the summary."""
        return str(Told("", self.evidence, self.next_step)).strip("\n")


def read(message: str) -> Told:
    """The parts of a failure's text; the whole is the summary of one that was written by others.

    Example:
        >>> read("no rows").summary
        'no rows'
    """
    trail, rest = _trail(message)
    body, found, next_step = rest.rpartition(_NEXT)
    if not found or "\n" in next_step:
        body, next_step = rest, ""
    summary, *evidence = _EVIDENCE.split(body, maxsplit=1)
    return Told(summary, "".join(evidence), next_step, trail)


def _trail(message: str) -> tuple[errors.Trail | None, str]:
    found = _TRAIL.match(message)
    if found is None:
        return None, message
    actions = tuple(found["actions"].split(" → "))
    trail = errors.Trail(
        actions, found["task"], found["code"], found["sentence"], found["place"] or ""
    )
    return trail, message[found.end() :]


def from_child(error: errors.BaseRuntimeError, action: str, task: str) -> None:
    """Note in the error of a child which action it was, so that whoever fails because of it can say so.

    Args:
        error: as the child told it.
        action: name of the child.
        task: full name of its task.
    """
    below = error.trail
    if below is None:
        sentence = str(error).strip().partition("\n")[0]
        place = _place(error.next_step)
        error.trail = errors.Trail((action,), task, error.code, sentence, place)
    else:
        error.trail = errors.Trail(
            (action, *below.actions), below.task, below.code, below.sentence, below.place
        )


_LOOK = "look at "


def look_at(place: str) -> str:
    """The next step after an exception at a place."""
    return f"{_LOOK}{place}" if place else ""


def _place(next_step: str) -> str:
    if not next_step.startswith(_LOOK):
        return ""
    return next_step.removeprefix(_LOOK).partition(";")[0].partition(", ")[0]
