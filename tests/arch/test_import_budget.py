"""What the first line of every script costs.  Times are measured in benchmarks/; counts are asserted here."""

import json
import subprocess
import sys

import pytest

_PROBE = """
import sys, json
before = set(sys.modules)
{statement}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def modules_loaded_by(statement: str) -> set[str]:
    """What a fresh interpreter loads for `statement`."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE.format(statement=statement)],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize(
    "heavy",
    [
        "google",
        "flyteidl2",
        "connectrpc",
        "pyqwest",
        "pydantic",
        "yaml",
        "rich",
        "click",
        "obstore",
    ],
)
def test_import_flyte_is_light(heavy: str) -> None:
    assert heavy not in packages(modules_loaded_by("import flyte"))


def test_import_flyte_loads_few_modules() -> None:
    assert len(modules_loaded_by("import flyte")) <= 150


@pytest.mark.parametrize(
    "heavy", ["numpy", "pandas", "pyarrow", "polars", "obstore", "fsspec", "google", "pyqwest"]
)
def test_files_load_nothing_of_tables_stores_and_wires(heavy: str) -> None:
    statement = "from flyte.io import Dir, File; File.new_remote('x'); Dir.empty()"
    assert heavy not in packages(modules_loaded_by(statement))


@pytest.mark.parametrize("heavy", ["google", "flyteidl2", "connectrpc", "pydantic", "rich"])
def test_help_is_light(heavy: str) -> None:
    statement = (
        "import sys, contextlib, io\n"
        "from flyte.cli.main import main\n"
        "sys.argv = ['flyte', '--help']\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): main()"
    )
    assert heavy not in packages(modules_loaded_by(statement))
