"""Run an app: load it, call its startup function, serve, call its shutdown function.

It ends when its server ends, by SIGTERM or Ctrl-C, and when the process that started it is gone: then nobody is left
who could end it.
"""

import asyncio
import contextlib
import importlib
import importlib.util
import inspect
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from flyte._kit import optional
from flyte._kit.signals import sigterm_interrupts
from flyte.app import AppEnvironment, _context

_GRACE_SECONDS = 5.0
"""How long the command of an app may take to end."""


def main() -> None:
    """Run the app that the first argument describes."""
    with sigterm_interrupts() as ending:
        threading.Thread(target=_end_with_parent, name="flyte-parent", daemon=True).start()
        try:
            status = _run(_loaded(json.loads(sys.argv[1])))
        except KeyboardInterrupt:
            status = 0
    sys.exit(0 if ending.asked else status)


def _end_with_parent() -> None:
    """End this process when the one that has started it lets go of our stdin."""
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


def _loaded(source: dict[str, Any]) -> AppEnvironment:
    sys.path[:] = source["path"]
    if source["pickle"]:
        unpickled: AppEnvironment = optional.module("cloudpickle", "an app").loads(
            Path(source["pickle"]).read_bytes()
        )
        return unpickled
    return getattr(_module(source["module"], Path(source["file"])), source["attribute"])


def _module(name: str, file: Path) -> ModuleType:
    """The module of a file: the one of that name, unless another file has the name here."""
    if name not in sys.modules:
        with contextlib.suppress(ModuleNotFoundError):
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.origin and Path(spec.origin).resolve() == file.resolve():
                return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file", name=name, path=str(file))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _run(env: AppEnvironment) -> int:
    """Serve until it ends; async functions share one loop."""
    with asyncio.Runner() as runner:
        try:
            _call(runner, env.function("on_startup"))
            if command := env.command_line():
                return _execute(command)
            _call(runner, env.function("server"))
            return 0
        finally:
            _call(runner, env.function("on_shutdown"))


def _call(runner: asyncio.Runner, function: Callable[..., Any] | None) -> None:
    if function is None:
        return
    given = _arguments(function)
    if inspect.iscoroutinefunction(function):
        runner.run(function(**given))
    else:
        function(**given)


def _arguments(function: Callable[..., Any]) -> dict[str, str]:
    """The app's parameters that the function has arguments for."""
    values = {name.replace("-", "_"): text for name, text in _context.parameters().items()}
    wanted = inspect.signature(function).parameters
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in wanted.values()):
        return values
    return {name: text for name, text in values.items() if name in wanted}


def _execute(command: list[str]) -> int:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        return process.wait()
    finally:
        process.terminate()
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
