"""What a task's process wrote down in its last moment: stacks, out of which the user's own line is found."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

_FRAME = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+),? in (?P<function>.+)$')
_FIRST = ("Fatal Python error", "Current thread", "Task ", "Thread ")
"""In which of the stacks the user's code is looked for first."""


_FRAMES_OF_OTHERS = 3
"""How much is shown of a stack without user code."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The stacks of one moment."""

    place: str = ""
    """The innermost line of the user's own code, like `train.py:12 in fit`; empty if there is none."""
    stacks: str = ""
    """All of them, as text."""


def read(text: str) -> Scene:
    """The scene in what a process wrote; an empty one if it wrote none, or something else.

    Its first line is `{"not_users": [...]}`, the beginnings of the paths of code that is not the user's own.
    """
    header, _, stacks = text.partition("\n")
    stacks = stacks.strip()
    not_users = _not_users(header)
    if not stacks or not_users is None:
        return Scene()
    sections = sorted(_sections(stacks), key=_rank)
    places = (place for _, lines in sections if (place := _place(lines, not_users)))
    place = next(places, "")
    shown = [
        each for each in sections if not (place and each[1]) or _place(each[1], not_users)
    ]  # a thread that is not in user code says nothing, as long as another one is
    return Scene(place, "\n\n".join(_cut(each, not_users) for each in shown))


def _cut(section: tuple[str, list[str]], not_users: tuple[str, ...]) -> str:
    """A stack without what lies below the user's code, which is how every task is called."""
    title, lines = section
    last = max(
        (
            n
            for n, line in enumerate(lines)
            if (found := _FRAME.match(line)) and _is_theirs(found, not_users)
        ),
        default=_FRAMES_OF_OTHERS - 1,
    )
    return "\n".join([title, *lines[: last + 1]]).strip()


def _is_theirs(frame: re.Match[str], not_users: tuple[str, ...]) -> bool:
    return not frame["file"].startswith(not_users)


def _not_users(header: str) -> tuple[str, ...] | None:
    try:
        told: Any = json.loads(header)
        return ("<frozen ", *map(str, told["not_users"]))
    except (ValueError, KeyError, TypeError):
        return None


def _sections(stacks: str) -> Iterator[tuple[str, list[str]]]:
    """Each stack under its title."""
    title, lines = "", list[str]()
    for line in stacks.splitlines():
        if line.startswith("  "):
            lines.append(line)
        elif line:
            if title:
                yield title, lines
            title, lines = line, []
    if title:
        yield title, lines


def _rank(section: tuple[str, list[str]]) -> int:
    return next((n for n, start in enumerate(_FIRST) if section[0].startswith(start)), len(_FIRST))


def _place(lines: list[str], not_users: tuple[str, ...]) -> str:
    for line in lines:
        frame = _FRAME.match(line)
        if frame is not None and _is_theirs(frame, not_users):
            return f"{PurePath(frame['file']).name}:{frame['line']} in {frame['function']}"
    return ""
