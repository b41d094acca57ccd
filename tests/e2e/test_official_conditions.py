"""Conditions of the official package: asked by its runtime, answered by its command line and by ours."""

from pathlib import Path

from tests.e2e.official.plane import PROGRAMS, SCOPE, Witness, marks, serving
from tests.e2e.plane import flyte
from tests.support import wait_until

pytestmark = marks


def test_the_official_runtime_asks_and_both_command_lines_answer(
    flyte_home: Path, tmp_path: Path
) -> None:
    with serving(flyte_home, tmp_path) as witness:
        witness("run", *SCOPE, "--name", "asks", str(PROGRAMS / "asking.py"), "main")
        wait_until(lambda: "late" in told(), timeout_seconds=60)
        listed = witness("get", "condition", *SCOPE, "asks")
        assert "approve" in listed
        assert "amount" in listed

        action = action_of("approve")
        witness("signal", "condition", *SCOPE, "asks", action, "true")
        flyte("signal", "condition", "asks", "amount", "3")
        wait_until(lambda: "True 3 nobody" in outputs(witness), timeout_seconds=60)
        again = witness("signal", "condition", *SCOPE, "asks", action, "false", expect=1)
        assert "answered already" in " ".join(again.split())


def told() -> str:
    return flyte("get", "condition", "asks").stdout


def action_of(name: str) -> str:
    line = next(line for line in told().splitlines() if line.startswith(name))
    return line.split()[1]


def outputs(witness: Witness) -> str:
    return witness("get", "io", *SCOPE, "asks")
