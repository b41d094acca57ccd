"""Tasks with secrets: what they see of them, and what they do that they should not."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import flyte
import flyte.report

env = flyte.TaskEnvironment("secretive", secrets="api-key")
plain = flyte.TaskEnvironment("plain")
grouping = flyte.TaskEnvironment("grouping", secrets=flyte.Secret("key", group="open-ai"))
pool = flyte.TaskEnvironment(
    "pool",
    secrets=["api-key", flyte.Secret("cert", mount=Path("/etc/flyte/secrets"))],
    reusable=flyte.ReusePolicy(replicas=1),
)
mounting = flyte.TaskEnvironment(
    "mounting",
    secrets=[flyte.Secret("cert", mount=Path("/etc/flyte/secrets"), as_env_var="CERT_FILE")],
)

AT_IMPORT = os.environ.get("API_KEY")
"""As many a program does it: the client of a service is made when the module is imported."""


@env.task
async def length() -> tuple[int, bool]:
    """Length of the secret, and whether the module saw it when it was imported."""
    key = os.environ["API_KEY"]
    return len(key), key == AT_IMPORT


@plain.task
async def without() -> tuple[bool, bool]:
    """Whether a task without secrets sees one of its sibling's."""
    return "API_KEY" in os.environ, AT_IMPORT is not None


@mounting.task
def mounted() -> tuple[bytes, str, str, str]:
    """Content, name, mode of file and folder, and where the folder is."""
    file = Path(os.environ["CERT_FILE"])
    assert file.parent == Path(os.environ["FLYTE_SECRETS_DEFAULT_DIR"])
    modes = f"{file.stat().st_mode & 0o777:o} {file.parent.stat().st_mode & 0o777:o}"
    return file.read_bytes(), file.name, modes, str(file)


@grouping.task
async def grouped() -> str:
    return os.environ["OPEN_AI_KEY"].upper()


@env.task(report=True)
def leaky(how: str, folder: str) -> str:
    """Tell the secret to everybody, wait until the test has looked around, and end as it says."""
    key = os.environ["API_KEY"]
    print(f"the key is {key}")
    print(f"once more: {key!r}", file=sys.stderr, flush=True)
    child = "import os; print('from below', os.environ['API_KEY'])"
    subprocess.run([sys.executable, "-c", child], check=True)
    flyte.report.log(f"the report has {key}")
    flyte.report.flush()
    broken(key)
    Path(folder, how).write_text("told")
    while not Path(folder, f"go-{how}").exists():
        time.sleep(0.02)
    if how == "raise":
        raise RuntimeError(f"401 for key {key}") from ValueError({"key": key})
    if how == "crash":
        print(f"last words {key}", flush=True)
        os.abort()
    return how


@flyte.trace
def recorded(count: int) -> str:
    """Its failure is kept, so that it need not run again."""
    raise ValueError(f"recorded with {os.environ['API_KEY']} {count}")


def broken(key: str) -> None:
    with contextlib.suppress(ValueError, flyte.errors.RuntimeUserError):
        recorded(len(key))


@env.task
async def leaking_at_once() -> str:
    raise RuntimeError(f"401 for key {os.environ['API_KEY']}")


@pool.task
async def pooled(how: str) -> tuple[int, bool, int, bool]:
    """What a task in a process that stays sees: variable, at import, file, and whether its folder is private."""
    key = os.environ["API_KEY"]
    print(f"the key is {key}")
    if how == "raise":
        raise RuntimeError(f"401 for key {key}")
    folder = Path(os.environ["FLYTE_SECRETS_DEFAULT_DIR"])
    private = await asyncio.to_thread(lambda: folder.stat().st_mode & 0o777 == 0o700)
    content = await asyncio.to_thread((folder / "cert").read_bytes)
    return len(key), key == AT_IMPORT, len(content), private
