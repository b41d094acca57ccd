"""The text of a failure: one sentence, the evidence, the next step; always in this order and shape.

::

    The task's process crashed with SIGSEGV in native code called at train.py:12 in fit.

    evidence: Fatal Python error: Segmentation fault
      …

    next: …

Tasks write the same shape in `error.pb`, with their traceback as the evidence (`flyte._wire.failing.messages`).
"""

import re
from dataclasses import dataclass

_EVIDENCE = re.compile(
    r"\n\n(?=Traceback \(most recent call last\):\n|  \+ Exception Group Traceback |evidence: )"
)
_NEXT = "\n\nnext: "
LAST_WORDS = "; its log ends with: "
"""Between the sentence about a worker that is gone, and what it said last."""


@dataclass(frozen=True, slots=True)
class Told:
    """A failure's text in its parts; a part that is not there is empty."""

    sentence: str
    evidence: str = ""
    next_step: str = ""

    def __str__(self) -> str:
        return told(self.sentence, self.evidence, self.next_step)


def told(sentence: str, evidence: str = "", next_step: str = "") -> str:
    """The text of a failure.

    >>> print(told("It broke.", next_step="mend it"))
    It broke.
    <BLANKLINE>
    next: mend it
    """
    if evidence and not _EVIDENCE.match(f"\n\n{evidence}"):
        evidence = f"evidence: {evidence}"
    text = "\n\n".join(part for part in (sentence, evidence) if part)
    return f"{text}{_NEXT}{next_step}" if next_step else text


def read(message: str) -> Told:
    """The parts of a failure's text; the whole is the sentence of one that was written otherwise."""
    body, found, next_step = message.rpartition(_NEXT)
    if not found or "\n" in next_step:
        body, next_step = message, ""
    sentence, *evidence = _EVIDENCE.split(body, maxsplit=1)
    return Told(sentence, "".join(evidence), next_step)


def headline(message: str) -> str:
    """Its first line."""
    return message.strip().partition("\n")[0]
