"""The life of one attempt in a process of its own: read inputs, load the task, call it, write outputs or the error.

A host calls `preload` once and `run` in each forked child; `a0` calls `run` alone.  Neither starts
a thread or opens a connection before the task itself calls another task or a traced function
(object stores excepted: their client has threads, so with code or data there a host must not fork).
"""

import logging
from pathlib import Path

from flyte import errors, storage
from flyte._kit import aio, signals
from flyte._runtime import actions, writing
from flyte._runtime.arguments import TaskArguments
from flyte._runtime.attempts import code, endings, performing
from flyte._runtime.failing import scenes
from flyte._runtime.remote import RemoteRuntime
from flyte._wire import interfaces
from flyte._wire.failing import tracebacks

logger = logging.getLogger(__name__)

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
    if arguments.wants_secrets:
        return code.unpacked(
            arguments
        )  # what is imported may look for them: each child imports by itself
    folder, task = code.load(arguments)
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
    ending, scene = signals.Ending(), scenes.of_process()
    try:
        with signals.sigterm_interrupts(scene.note) as ending, scene.kept():
            try:
                _, task = code.load(arguments)
                document = performing.perform_blocking(arguments, task, runtime)
            finally:
                runtime.close()
    except KeyboardInterrupt as error:
        if ending.asked or not tracebacks.is_raised_by_user(error):
            # Somebody outside, not the task: nothing to report, and no verdict on the task.
            return _TERMINATED if ending.asked else _INTERRUPTED
        file, document = actions.ERROR, endings.serialized(endings.failed(error, arguments.hidden))
    except BaseException as error:  # noqa: BLE001 - a process's edge: everything else is the task's failure
        if ending.asked:
            endings.failed(
                error, arguments.hidden
            )  # for the log: what came of being ended is no failure of the task
            return _TERMINATED
        file, document = actions.ERROR, endings.serialized(endings.failed(error, arguments.hidden))
    try:
        uri = storage.join(arguments.outputs_path, file)
        writing.until_there_is_room(
            lambda: aio.finish(
                storage.write(uri, document, settings=dict(arguments.storage_options)),
                waits=storage.is_remote(uri),
            )
        )
    except errors.StorageError:
        logger.exception("the attempt has ended, but its result cannot be written")
        return _FAILED_TO_REPORT
    return 0
