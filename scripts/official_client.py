"""Make `.venv-official`: the official `flyte` package from PyPI, the witness of our control plane's protocol."""

import subprocess
import sys
import venv
from pathlib import Path

ENVIRONMENT = Path(__file__).resolve().parent.parent / ".venv-official"
PYTHON = ENVIRONMENT / "bin" / "python"
VERSION = "2.12.1"
FRAMES = ("pandas", "pyarrow")
"""What its tasks need for tables, in the versions that we test with."""


def pins() -> list[str]:
    """The libraries for tables, as `constraints.txt` has them."""
    lines = (ENVIRONMENT.parent / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line.partition("==")[0] in FRAMES]


def main() -> None:
    stamp = ENVIRONMENT / f".stamp-{VERSION}-frames"
    if stamp.exists():
        return
    print(f"setting up .venv-official (flyte {VERSION}) …", flush=True)
    if not PYTHON.exists():
        venv.create(ENVIRONMENT, with_pip=False, symlinks=True)
    # The pip of the running environment installs into the other one: ensurepip may be missing.
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(PYTHON),
        "install",
        "--quiet",
        f"flyte=={VERSION}",
        *pins(),
    ]
    done = subprocess.run(command, check=False)
    if done.returncode:
        sys.exit(
            f"flyte=={VERSION} could not be installed into {ENVIRONMENT}; the lines above say why"
        )
    stamp.touch()


if __name__ == "__main__":
    main()
