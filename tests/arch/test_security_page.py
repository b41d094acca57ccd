"""The security page names tests; each of them exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`([^`\s]*?)(?:::(test_\w+))?`")


def named() -> list[tuple[str, str]]:
    """Files and tests of the table; `…` stands for the folder or the file that was named before."""
    found: list[tuple[str, str]] = []
    folder, file = "integration/access", ""
    for line in PAGE.partition("## Threats")[2].splitlines():
        if not line.startswith("|"):
            continue
        for path, test in NAMED.findall(line.split("|")[-2]):
            if path.startswith("…/"):
                file = f"{folder}/{path[2:]}"
            elif path != "…":
                file = path
            if "/" in file and file.endswith(".py"):
                found.append((file, test))
    return found


def test_the_page_names_many() -> None:
    assert len(named()) > 40


@pytest.mark.parametrize(("file", "test"), named())
def test_what_the_page_names_exists(file: str, test: str) -> None:
    path = ROOT / "tests" / file
    assert path.is_file()
    assert not test or f"def {test}(" in path.read_text(encoding="utf-8")
