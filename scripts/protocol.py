"""Generate `src/flyte_protocol` from `proto/`.

The generators are older than what we run with, on purpose: code that they make works with every later release of
protobuf and connectrpc that our dependencies allow.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_TOOLS = ("grpcio-tools==1.68.1", "protoc-gen-connectrpc==0.10.1")


def main() -> None:
    """Make a virtual environment with the generators, and run them on every file."""
    with tempfile.TemporaryDirectory() as folder:
        binaries = Path(folder) / "bin"
        _run(sys.executable, "-m", "venv", folder)
        _run(str(binaries / "pip"), "install", "--quiet", *_TOOLS)
        target = _ROOT / "src"
        files = [str(path.relative_to(_ROOT / "proto")) for path in _ROOT.glob("proto/**/*.proto")]
        _run(
            str(binaries / "python"),
            "-m",
            "grpc_tools.protoc",
            "-I.",
            f"--python_out={target}",
            f"--pyi_out={target}",
            f"--plugin={binaries / 'protoc-gen-connectrpc'}",
            f"--connectrpc_out={target}",
            *files,
        )


def _run(*command: str) -> None:
    subprocess.run(command, check=True, cwd=_ROOT / "proto")


if __name__ == "__main__":
    main()
