"""What an attempt does between its inputs and its outputs."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from flyteidl2.task import common_pb2

from flyte import _checkpoint, storage
from flyte._context import (
    CheckpointPaths,
    RawDataPath,
    Runtime,
    Scope,
    TaskContext,
    entered,
)
from flyte._kit import aio
from flyte._runtime import carriers
from flyte._runtime.arguments import TaskArguments
from flyte._runtime.failing import watchdog
from flyte._task import AsyncFunctionTaskTemplate, TaskTemplate
from flyte._wire import values
from flyte._wire.carriers import Carrier
from flyte.report import _live
from flyte.storage import seals

Execute = Callable[[TaskTemplate, Mapping[str, Any]], Awaitable[Any]]
"""Calls a task on the running loop, or elsewhere on its behalf."""


async def execute(task: TaskTemplate, given: Mapping[str, Any]) -> Any:
    """Call the task on the running loop."""
    return await task.execute(**given)


async def perform(
    arguments: TaskArguments, task: TaskTemplate, runtime: Runtime, call: Execute = execute
) -> bytes:
    """Outputs of the attempt, ready to be written; raises what the task raised.

    Args:
        arguments: of the attempt.
        task: what they name.
        runtime: takes the calls that the task makes.
        call: calls the task.
    """
    options = dict(arguments.storage_options)
    inputs = _inputs(await storage.read(arguments.inputs, settings=options), arguments)
    context = _checkpoint.attached(_context(arguments, task, inputs), settings=options)
    context = _live.opened(context, options)
    carrier = carriers.of_attempt(arguments)
    try:
        with entered(Scope(runtime=runtime, task=context)):
            given = await values.arguments(task.interface, inputs, carrier=carrier)
            with watchdog.watching():
                returned = await call(task, given)
            return await _document(task, returned, carrier)
    finally:
        await _live.close_aio(context)
        _checkpoint.discard(context)


def perform_blocking(arguments: TaskArguments, task: TaskTemplate, runtime: Runtime) -> bytes:
    """`perform` for a process that the attempt has to itself."""
    options = dict(arguments.storage_options)
    reading = storage.read(arguments.inputs, settings=options)
    content = aio.finish(reading, waits=storage.is_remote(arguments.inputs))
    inputs = _inputs(content, arguments)
    # On a machine with others the working directory is the attempt's own, and goes with it however it ends.
    parent = Path.cwd() if arguments.home else None
    context = _context(arguments, task, inputs)
    context = _checkpoint.attached(context, settings=options, parent=parent)
    carrier = carriers.of_attempt(arguments)
    reported = _live.reported(context, options)
    with reported as context, entered(Scope(runtime=runtime, task=context)):
        if is_plain(task):
            # No loop runs while a plain function does: it may start one of its own.
            given = aio.run_main(values.arguments(task.interface, inputs, carrier=carrier))
            returned = task.func(**given)
            return aio.run_main(_document(task, returned, carrier))
        return aio.run_main(_perform_async(task, inputs, carrier))


def is_plain(task: TaskTemplate) -> TypeGuard[AsyncFunctionTaskTemplate]:
    """Whether its work is a plain function, which would block a loop that runs it."""
    return isinstance(task, AsyncFunctionTaskTemplate) and task.is_plain


async def _perform_async(task: TaskTemplate, inputs: common_pb2.Inputs, carrier: Carrier) -> bytes:
    given = await values.arguments(task.interface, inputs, carrier=carrier)
    with watchdog.watching():
        returned = await task.execute(**given)
    return await _document(task, returned, carrier)


async def _document(task: TaskTemplate, returned: object, carrier: Carrier) -> bytes:
    limit = task.max_inline_io_bytes
    outputs = await values.outputs(task.interface, returned, limit=limit, carrier=carrier)
    return seals.sealed(outputs.SerializeToString(deterministic=True))


def _inputs(content: bytes, arguments: TaskArguments) -> common_pb2.Inputs:
    return common_pb2.Inputs.FromString(seals.opened(content, arguments.inputs))


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
        hidden=arguments.hidden,
        attempt_number=arguments.attempt_number,
    )
