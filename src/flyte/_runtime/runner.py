"""The life of one attempt: read inputs, load the task, call it, write outputs or the error.

A host calls `preload` once and `run` in each forked child; `a0` calls `run` alone.  Neither starts
a thread or opens a connection before the task itself calls another task or a traced function
(object stores excepted: their client has threads, so with code or data there a host must not fork).
"""

import asyncio
import logging
import sys
import traceback
from collections.abc import Coroutine, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from flyteidl2.task import common_pb2

from flyte import errors, storage
from flyte._context import (
    CheckpointPaths,
    CodeBundle,
    RawDataPath,
    Scope,
    TaskContext,
    entered,
)
from flyte._kit import aio, signals
from flyte._runtime import actions, bundles, carriers, loader, writing
from flyte._runtime.arguments import TaskArguments
from flyte._runtime.remote import RemoteRuntime
from flyte._task import AsyncFunctionTaskTemplate, TaskTemplate
from flyte._wire import failures, interfaces, values
from flyte._wire.carriers import Carrier
from flyte.report import _live
from flyte.storage import seals

logger = logging.getLogger(__name__)

_NOT_THE_USERS = (str(Path(errors.__file__).parent), str(Path(asyncio.__file__).parent))
_INTERRUPTED, _TERMINATED = 130, 143
"""Exit codes of shells for programs that SIGINT and SIGTERM have ended; the control plane reads them so."""
_FAILED_TO_REPORT = 1


def preload(arguments: TaskArguments) -> Path | None:
    """Do once what all attempts of the same code need: unpack the bundle, import the module.

    Returns:
        The folder with the bundle's files; None without a bundle.

    Raises:
        flyte.errors.ModuleLoadError: when the task's module cannot be imported.
        flyte.errors.CodeBundleError: when the bundle is damaged.
        flyte.errors.StorageError: when the bundle cannot be fetched.
    """
    folder, task = _load(arguments)
    # Resolves the hints of the interface, so that children do not do it each.
    interfaces.typed(task.interface)
    return folder


def run(arguments: TaskArguments) -> int:
    """Perform one attempt.

    SIGTERM, as an abort or a time limit sends it, does to the task what Ctrl-C does to a script: an
    `async` task is cancelled, a plain function gets a KeyboardInterrupt where it is.  So it can clean
    up in `finally`, until the grace period is over and SIGKILL comes.  A task that catches the one or
    the other and returns has ended well, unless it was aborted or out of time.

    Returns:
        The exit code.  0 also when the task failed: then `error.pb` says why.  Anything else means
        that there is no answer at all, as after a crash.
    """
    runtime = RemoteRuntime(arguments)
    file, document = actions.OUTPUTS, b""
    ending = signals.Ending()
    try:
        with signals.sigterm_interrupts() as ending:
            try:
                document = _perform(arguments, runtime)
            finally:
                runtime.close()
    except KeyboardInterrupt:
        # Somebody outside, not the task: nothing to report, and no verdict on the task.
        return _TERMINATED if ending.asked else _INTERRUPTED
    except BaseException as error:  # noqa: BLE001 - a process's edge: everything else is the task's failure
        _print(error)
        file, document = actions.ERROR, _serialized(failures.error_document(error))
    try:
        uri = storage.join(arguments.outputs_path, file)
        writing.until_there_is_room(
            lambda: _finish(
                storage.write(uri, document, settings=dict(arguments.storage_options)), uri
            )
        )
    except errors.StorageError:
        logger.exception("the attempt has ended, but its result cannot be written")
        return _FAILED_TO_REPORT
    return 0


def _load(arguments: TaskArguments) -> tuple[Path | None, TaskTemplate]:
    """Code and task."""
    folder = _code(
        arguments.code_bundle, arguments.home, arguments.storage_options, arguments.sys_path
    )
    bundle = arguments.code_bundle
    if bundle is not None and bundle.pkl is not None:
        data = _read(bundle.pkl, dict(arguments.storage_options))
        return None, loader.unpickle(data, bundle.pkl)
    return folder, loader.resolve(arguments.resolver, arguments.loader_args)


@cache
def _code(
    bundle: CodeBundle | None,
    home: str | None,
    storage_options: tuple[tuple[str, str], ...],
    sys_path: tuple[str, ...],
) -> Path | None:
    """The folder with the code, ready to be imported from; a child finds what its host has done."""
    folder = None
    if bundle is not None and bundle.tgz is not None:
        unpacking = bundles.unpack(bundle, home=home, options=dict(storage_options))
        folder = _finish(unpacking, bundle.tgz)
    if folder is not None or sys_path:
        bundles.first_on_path(folder or Path.cwd(), sys_path)
    return folder


def _perform(arguments: TaskArguments, runtime: RemoteRuntime) -> bytes:
    """Outputs of the attempt, ready to be written; raises what the task raised."""
    _, task = _load(arguments)
    content = _read(arguments.inputs, dict(arguments.storage_options))
    inputs = common_pb2.Inputs.FromString(seals.opened(content, arguments.inputs))
    context = _context(arguments, task, inputs)
    carrier = carriers.of_attempt(arguments)
    reported = _live.reported(context, dict(arguments.storage_options))
    with reported as context, entered(Scope(runtime=runtime, task=context)):
        if isinstance(task, AsyncFunctionTaskTemplate) and task.is_plain:
            # No loop runs while a plain function does: it may start one of its own.
            given = aio.run_main(values.arguments(task.interface, inputs, carrier=carrier))
            returned = task.func(**given)
            outputs = aio.run_main(_outputs(task, returned, carrier))
        else:
            outputs = aio.run_main(_perform_async(task, inputs, carrier))
    return seals.sealed(_serialized(outputs))


async def _perform_async(
    task: TaskTemplate, inputs: common_pb2.Inputs, carrier: Carrier
) -> common_pb2.Outputs:
    given = await values.arguments(task.interface, inputs, carrier=carrier)
    returned = await task.execute(**given)
    return await _outputs(task, returned, carrier)


async def _outputs(task: TaskTemplate, returned: object, carrier: Carrier) -> common_pb2.Outputs:
    limit = task.max_inline_io_bytes
    return await values.outputs(task.interface, returned, limit=limit, carrier=carrier)


def _context(
    arguments: TaskArguments, task: TaskTemplate, inputs: common_pb2.Inputs
) -> TaskContext:
    return TaskContext(
        action=arguments.action,
        version=arguments.version,
        raw_data_path=RawDataPath(arguments.raw_data_path),
        output_path=arguments.outputs_path,
        run_base_dir=arguments.run_base,
        input_path=arguments.inputs,
        checkpoint_paths=CheckpointPaths(arguments.prev_checkpoint, arguments.checkpoint_path),
        code_bundle=arguments.code_bundle,
        compiled_image_cache=arguments.image_cache,
        custom_context=values.context(inputs),
        run_start_time=arguments.run_start_time,
        disable_run_cache=arguments.disable_run_cache,
        task_name=task.name,
        attempt_number=arguments.attempt_number,
    )


def _read(uri: str, options: Mapping[str, str]) -> bytes:
    return _finish(storage.read(uri, settings=options), uri)


def _finish(coro: Coroutine[Any, Any, Any], uri: str) -> Any:
    """Run a coroutine of the storage: paths never wait, so they need no loop."""
    return aio.drive(coro) if storage.is_local(uri) else aio.run_main(coro)


def _serialized(message: Any) -> bytes:
    return message.SerializeToString(deterministic=True)


def _print(error: BaseException) -> None:
    """Tell the log what happened, with the traceback from the user's first frame on.

    An error that the SDK raised about a value or a declaration has no such frame, and says everything in its message;
    one that nobody meant to raise is shown as a whole.
    """
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_NOT_THE_USERS):
        frames = frames.tb_next
    if frames is not None or not isinstance(error, errors.BaseRuntimeError):
        traceback.print_exception(error.with_traceback(frames or error.__traceback__))
    else:
        print(*traceback.format_exception_only(error), end="", file=sys.stderr)  # noqa: T201 - the attempt's log
