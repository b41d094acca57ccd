"""`flyte.run_python_script`: a plain script as a run, without a task in it.

The script and the files that it needs go as a folder, an input of one task that stands here; it runs the script in a
process of its own, in that folder.  So nothing of the script has to be importable, and its prints are the task's log.
"""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyte import errors
from flyte._image import Image
from flyte._policies import Timeout
from flyte._resources import Resources
from flyte._run import with_runcontext
from flyte._task_environment import TaskEnvironment
from flyte.io import Dir
from flyte.syncify import syncify

if TYPE_CHECKING:
    from flyte.remote import Run

_env = TaskEnvironment(name="python_script")


@_env.task
async def python_script(
    code: Dir, script: str, arguments: list[str], output_dir: str | None
) -> Dir | None:
    """Run a script that came as a folder; gives what it has left in `output_dir`."""
    folder = Path(await code.download(Path.cwd() / "script"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(folder / script), *arguments, cwd=folder
    )
    try:
        status = await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):  # it has ended, as it should
            process.kill()
    if status != 0:
        raise errors.CustomError(
            "ScriptFailed",
            f"{script} ended with exit status {status}; its last lines are in the log: flyte get logs RUN",
        )
    if output_dir is None:
        return None
    left = folder / output_dir
    if not await asyncio.to_thread(left.is_dir):
        raise errors.CustomError(
            "NoOutputDir",
            f"{script} has left no folder {output_dir!r}; let it make that, or name another",
        )
    return await Dir.from_local(left)


@syncify
async def run_python_script(  # noqa: PLR0913 - an official signature
    script: Path,
    *,
    cpu: int = 4,
    memory: str = "16Gi",
    gpu: int = 0,
    gpu_type: str = "T4",
    image: Image | list[str] | None = None,
    timeout: int = 3600,
    extra_args: list[str] | None = None,
    queue: str | None = None,
    wait: bool = False,
    name: str | None = None,
    debug: bool = False,
    output_dir: str | None = None,
    include_files: list[str] | None = None,
    plugin_config: Any = None,
    clustered: bool = False,
    replicas: int | None = None,
    nproc_per_node: int | None = None,
    runtime: Any = None,
    failure_policy: Any = None,
    ttl_seconds_after_finished: int | None = None,
) -> "Run":
    """Run a plain Python script on the control plane, as a run with one task; gives a handle of it.

    Args:
        script: the file.
        cpu: how many CPUs it gets, beside memory (`2Gi`) and GPUs of a type (`A100`).
        image: what is installed: an image, or names of packages.
        timeout: seconds after which it is ended.
        extra_args: what the script finds in `sys.argv`.
        wait: return when it has ended.
        output_dir: a folder that the script leaves, seen from its own; it becomes the output `o0`.
        include_files: further files that it needs: paths or patterns, seen from its folder.

    What stands after `include_files`, and `debug`, is not supported here.

    Raises:
        DefinitionError: there is no such file, or an argument asks for what is not supported.

    Example:
        >>> flyte.run_python_script(Path("train.py"), cpu=2, memory="4Gi", extra_args=["--epochs", "3"], wait=True)
    """
    given = locals()
    _refuse({name: given[name] for name in _UNSUPPORTED})
    resources = Resources(cpu=cpu, memory=memory, gpu=f"{gpu_type}:{gpu}" if gpu else None)  # type: ignore[arg-type]
    task = replace(
        python_script.override(
            resources=resources, timeout=Timeout(max_runtime=timeout), queue=queue
        ),
        image=_image(image),
    )
    with _gathered(Path(script), include_files or []) as folder:
        code = await Dir.from_local(folder)
    context = with_runcontext(mode="remote", name=name, copy_style="none", version="script")
    run: Any = await context.run.aio(task, code, Path(script).name, extra_args or [], output_dir)
    if wait:
        await run.wait.aio()
    return run


_UNSUPPORTED = (
    "debug",
    "plugin_config",
    "clustered",
    "replicas",
    "nproc_per_node",
    "runtime",
    "failure_policy",
    "ttl_seconds_after_finished",
)
"""Arguments about what one process on one machine is not."""


def _refuse(given: dict[str, Any]) -> None:
    """Say so when somebody asks for what is not supported.

    Raises:
        DefinitionError: naming the argument.
    """
    for name, value in given.items():
        if value:
            raise errors.DefinitionError(
                f"run_python_script({name}={value!r}): a script runs as one process on one machine here; leave it out"
            )


def _image(request: Image | Sequence[str] | None) -> Any:
    if request is None or isinstance(request, Image):
        return request or "auto"
    return Image.from_debian_base(name="python-script").with_pip_packages(*request)


@contextlib.contextmanager
def _gathered(script: Path, patterns: Sequence[str]) -> Generator[Path]:
    """A folder with the script and the files that it needs, which is removed afterwards.

    Raises:
        DefinitionError: the script, or what a pattern names, is not there.
    """
    if not script.is_file():
        raise errors.DefinitionError(f"there is no script {script}; correct the path")
    home = script.resolve().parent
    with tempfile.TemporaryDirectory(prefix="flyte-script-") as scratch:
        shutil.copy(script, Path(scratch, script.name))
        for pattern in patterns:
            for file in _matching(home, pattern):
                target = Path(scratch, file.relative_to(home))
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
        yield Path(scratch)


def _matching(home: Path, pattern: str) -> list[Path]:
    """The files below a folder that a path or a pattern names; of a folder, all in it."""
    if os.path.isabs(pattern) or ".." in Path(pattern).parts:  # noqa: PTH117 - of a pattern, not of a path
        raise errors.DefinitionError(
            f"include_files: {pattern!r} is not below {home}, the script's folder; name what lies there"
        )
    found = [path for path in home.glob(pattern) if path.is_file()]
    found += [
        path
        for top in home.glob(pattern)
        if top.is_dir()
        for path in top.rglob("*")
        if path.is_file()
    ]
    if not found:
        raise errors.DefinitionError(f"include_files: nothing in {home} is called {pattern!r}")
    return found
