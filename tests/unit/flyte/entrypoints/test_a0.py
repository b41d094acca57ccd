"""`a0` as a process."""

import subprocess
import sys


def test_wrong_arguments_are_one_sentence() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "flyte._entrypoints.a0", "--outputs-path", "/nowhere"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert process.stderr.startswith("a0: ")
    assert "--inputs" in process.stderr
    assert "Traceback" not in process.stderr
