"""What a function does, as a text: what changes it, and that every version of Python gives the same one."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flyte._kit import meaning

SOURCES = {
    "plain": "def f(x, *, y: int = 1):\n    return [x * y for _ in range(3)]",
    "async": "async def f(x):\n    async with x as y:\n        await y",
    "text": 'def f(x):\n    return f"{x!r:>{10}} and " f"{x=}" "é\\udc80" + u"u"',
    "match": "def f(x):\n    match x:\n        case {'a': [1, *rest], **other} if rest:\n            return -1",
    "nested": "def f(x):\n    class C:\n        '''Doc.'''\n        def g(self): '''Doc.'''; return lambda y: (x, y)",
    "groups": "def f():\n    try:\n        yield\n    except* ValueError as error:\n        raise error from None",
    "numbers": "def f():\n    return 1_000, 0x10, 1e400, -0.0, 2j, ..., None, True, b'\\x00'",
}


def digests() -> dict[str, str]:
    return {
        name: hashlib.sha256(meaning.of_source(source).encode()).hexdigest()[:12]
        for name, source in SOURCES.items()
    }


_SCRIPT = """
import hashlib, importlib.util, json, sys
spec = importlib.util.spec_from_file_location("meaning", sys.argv[1])
meaning = importlib.util.module_from_spec(spec)
spec.loader.exec_module(meaning)
print(json.dumps({
    name: hashlib.sha256(meaning.of_source(source).encode()).hexdigest()[:12]
    for name, source in json.loads(sys.stdin.read()).items()
}))
"""


def of_interpreter(python: str) -> dict[str, str] | None:
    """The digests that another interpreter gives; None if it does not start here."""
    done = subprocess.run(
        [python, "-W", "error", "-c", _SCRIPT, str(meaning.__file__)],
        input=json.dumps(SOURCES),
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_every_version_of_python_gives_the_same_text(version: str) -> None:
    found = interpreter(version)
    if found is None:
        pytest.skip(f"no Python {version} on this machine")
    assert of_interpreter(found) == digests()


def interpreter(version: str) -> str | None:
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    names = [shutil.which(f"python{version}"), *_beside(version)]
    return next((name for name in names if name and of_interpreter(name)), None)


def _beside(version: str) -> list[str]:
    """Interpreters of other versions where tools that manage several put them: beside the one that runs."""
    versions = Path(sys.base_prefix).parent
    return sorted(map(str, versions.glob(f"*{version}.*/bin/python")))


def function(tmp_path: Path, source: str) -> Callable[..., Any]:
    file = tmp_path / f"module_{len(list(tmp_path.iterdir()))}.py"
    file.write_text(source)
    namespace: dict[str, Any] = {}
    exec(compile(source, str(file), "exec"), namespace)
    return namespace["f"]


def test_a_text_of_several_lines_counts_as_it_is(tmp_path: Path) -> None:
    plain = 'def f():\n    return """a\n  b"""\n'
    moved = 'if True:\n    def f():\n        return """a\n  b"""\n'
    other = 'def f():\n    return """a\n    b"""\n'
    assert meaning.of_function(function(tmp_path, plain)) == meaning.of_function(
        function(tmp_path, moved)
    )
    assert meaning.of_function(function(tmp_path, plain)) != meaning.of_function(
        function(tmp_path, other)
    )


def test_docstrings_of_inner_functions_do_not_count() -> None:
    without = SOURCES["nested"].replace("'''Doc.'''; ", "").replace("        '''Doc.'''\n", "")
    assert without != SOURCES["nested"]
    assert meaning.of_source(without) == meaning.of_source(SOURCES["nested"])


def test_none_is_not_nothing() -> None:
    assert meaning.of_source("def f(): return None") != meaning.of_source("def f(): return")


@pytest.mark.parametrize("func", [len, lambda: 1], ids=["builtin", "lambda"])
def test_what_has_no_source_of_its_own_is_named(func: Callable[..., Any]) -> None:
    with pytest.raises(meaning.NoSourceError, match=r"len|lambda"):
        meaning.of_function(func)
