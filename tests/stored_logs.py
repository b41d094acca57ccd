"""What attempts said, from the files of their logs."""

from pathlib import Path

PREFIX = 19
"""Characters before the text of a record: microseconds, stream, kind, a space."""


def said(path: Path | str) -> str:
    """The text of a log, as the attempt wrote it; empty without one."""
    return "".join(f"{line}\n" for line in lines(path))


def lines(path: Path | str, stream: str = "oes") -> list[str]:
    """The lines of a log; only those of some streams."""
    made: list[str] = []
    goes_on = False
    for record in _records(Path(path)):
        if record[16] not in stream or record[17] in "$r":
            continue
        text = record[PREFIX:]
        made[-1:] = [made[-1] + text] if goes_on else [*made[-1:], text]
        goes_on = record[17] == "+"
    return made


def is_whole(path: Path | str) -> bool:
    """Whether all that the attempt wrote is there."""
    return any(record[17] == "$" for record in _records(Path(path)))


def _records(path: Path) -> list[str]:
    segments = [each for each in path.parent.glob(f"{path.name}.*") if each.suffix[1:].isdecimal()]
    segments.sort(key=lambda each: int(each.suffix[1:]))
    content = b"".join(each.read_bytes() for each in (path, *segments) if each.exists())
    written = content.decode(errors="replace").split("\n")
    return [record for record in written if len(record) >= PREFIX]


def is_whole_at_end(path: Path) -> bool:
    """`is_whole` for a large log."""
    with path.open("rb") as file:
        file.seek(-min(4096, path.stat().st_size), 2)
        return any(line[17:18] == b"$" for line in file.read().split(b"\n"))
