"""Make or refresh the virtual environment `.venv` with nothing but a Python 3.11+ interpreter.

    python3 scripts/bootstrap.py [EXTRA ...]     # for instance: dev examples

Debian ships `venv` without `ensurepip` unless python3-venv is installed; then pip itself is fetched from the package
index (`PIP_INDEX_URL`, else PyPI) and run from its wheel.  A stamp makes the second call a matter of milliseconds.
"""

import hashlib
import json
import os
import re
import ssl
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
OLDEST = (3, 11)


def main(extras: list[str]) -> None:
    if sys.version_info < OLDEST:
        sys.exit(
            f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}: set PYTHON=…"
        )
    stamp = ENVIRONMENT / f".stamp-{'-'.join(extras) or 'base'}"
    wanted = fingerprint()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"setting up .venv ({', '.join(extras) or 'base'}) …", flush=True)
    if not PYTHON.exists():
        venv.create(ENVIRONMENT, with_pip=False, symlinks=True)
    target = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    pip(
        "install",
        "--quiet",
        "--constraint",
        str(ROOT / "constraints.txt"),
        "--editable",
        target,
        "pip",
    )
    stamp.write_text(wanted)


def fingerprint() -> str:
    """What the environment depends on: the declared dependencies, the pins and the interpreter."""
    digest = hashlib.sha256(sys.version.encode())
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def pip(*arguments: str) -> None:
    """Run the environment's own pip; get it first if there is none."""
    if not has_pip():
        wheel = ENVIRONMENT / "pip.whl"
        wheel.write_bytes(latest_pip())
        # Seen from inside its own wheel, pip is "installed" already.
        run(str(PYTHON), f"{wheel}/pip", "install", "--quiet", "--ignore-installed", "pip")
        wheel.unlink()
    run(str(PYTHON), "-m", "pip", *arguments)


def run(*command: str) -> None:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, env=environment, check=False)
    if done.returncode:
        sys.exit(
            f"{' '.join(command)} failed with status {done.returncode}; the lines above say why"
        )


def has_pip() -> bool:
    probe = [str(PYTHON), "-c", "import pip"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def latest_pip() -> bytes:
    """The newest pip wheel of the configured package index, its digest verified."""
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
    request = urllib.request.Request(
        f"{index}/pip/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    context = ssl.create_default_context(cafile=os.environ.get("PIP_CERT"))
    with urllib.request.urlopen(request, context=context) as answer:
        files = json.load(answer)["files"]
    wheels = [
        file for file in files if re.fullmatch(r"pip-[\d.]+-py3-none-any\.whl", file["filename"])
    ]
    newest = max(
        wheels, key=lambda file: [int(part) for part in file["filename"].split("-")[1].split(".")]
    )
    with urllib.request.urlopen(newest["url"], context=context) as answer:
        data: bytes = answer.read()
    if hashlib.sha256(data).hexdigest() != newest["hashes"]["sha256"]:
        sys.exit(f"{newest['url']} does not have the digest that {index} gives for it; try again")
    return data


if __name__ == "__main__":
    main(sys.argv[1:])
