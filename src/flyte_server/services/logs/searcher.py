"""The process of one search: reads the logs of a run and prints each match as a line of JSON.

Executed by `search`; imports next to nothing, so that it is there at once.
"""

import json
import os
import re
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flyte_server.services.logs.files import Cursor, LogFiles
from flyte_server.services.logs.records import Assembler, Line

_MOST_BYTES = 2 * 1024**3
_NICE = 10
_LONGEST_SHOWN = 4_000
"""Characters of a line."""


class Searcher:
    """One search.

    Args:
        query: as `search.Query`, with the `folder` of the action's logs.
    """

    def __init__(self, query: dict[str, Any]) -> None:
        self._query = query
        pattern = re.escape(query["pattern"]) if query["is_text"] else query["pattern"]
        self._matches = re.compile(pattern).search
        self._bytes = 0

    def run(self) -> Iterator[dict[str, Any]]:
        """Matches, log by log; and at the end why they are not all, if they are not."""
        found = 0
        for action, attempt, path in self._logs():
            for match in self._in_log(path):
                if found == self._query["limit"]:
                    yield {"incomplete": f"there are more than {found} matches"}
                    return
                found += 1
                yield {"action": action, "attempt": attempt, **match}
            if self._bytes > _MOST_BYTES:
                yield {"incomplete": f"the logs are larger than {_MOST_BYTES} bytes"}
                return

    def _logs(self) -> Iterator[tuple[str, int, Path]]:
        folder = Path(self._query["folder"])
        for each in [folder] if self._query["action"] else sorted(folder.parent.glob("*")):
            for number in sorted(
                int(path.stem) for path in each.glob("*.log") if path.stem.isdecimal()
            ):
                if self._query["attempt"] in {0, number}:
                    yield each.name, number, each / f"{number}.log"

    def _in_log(self, path: Path) -> Iterator[dict[str, Any]]:
        """Matches with the lines around them."""
        context = self._query["context"]
        before: deque[str] = deque(maxlen=context)
        open_matches: deque[dict[str, Any]] = deque()
        for number, line in enumerate(self._lines(path), start=1):
            for match in open_matches:
                match["after"].append(_shown(line.text))
            while open_matches and len(open_matches[0]["after"]) >= context:
                yield open_matches.popleft()
            if self._is_wanted(line) and self._matches(line.text):
                open_matches.append(_match(number, line, list(before)))
                if not context:
                    yield open_matches.popleft()
            if context:
                before.append(_shown(line.text))
        yield from open_matches

    def _is_wanted(self, line: Line) -> bool:
        stream, since_us, until_us = (
            self._query[name] for name in ("stream", "since_us", "until_us")
        )
        if stream and line.stream != stream:
            return False
        if line.at_us is None:
            return not (since_us or until_us)
        return line.at_us >= since_us and (not until_us or line.at_us < until_us)

    def _lines(self, path: Path) -> Iterator[Line]:
        files, cursor, assembler = LogFiles(path), Cursor(), Assembler()
        while self._bytes <= _MOST_BYTES:
            content, cursor = files.read(cursor, to_the_end=True)
            if not content:
                break
            self._bytes += len(content)
            yield from assembler.lines(content.removesuffix(b"\n").split(b"\n"))
        yield from assembler.rest()


def _match(number: int, line: Line, before: list[str]) -> dict[str, Any]:
    return {
        "number": number,
        "at": None if line.at_us is None else str(line.at_us),
        "stream": line.stream,
        "text": _shown(line.text),
        "fields": line.fields,
        "before": before,
        "after": [],
    }


def _shown(text: str) -> str:
    if len(text) <= _LONGEST_SHOWN:
        return text
    return f"{text[:_LONGEST_SHOWN]}… ({len(text)} characters)"


def main() -> None:
    """Search for what the first argument says, as JSON."""
    os.nice(_NICE)
    for said in Searcher(json.loads(sys.argv[1])).run():
        sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
