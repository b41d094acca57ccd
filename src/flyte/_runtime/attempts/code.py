"""The code of an attempt: fetched, unpacked and imported once in a process, however many attempts need it."""

from functools import cache
from pathlib import Path

from flyte import storage
from flyte._context import CodeBundle
from flyte._kit import aio
from flyte._runtime import bundles, loader
from flyte._runtime.arguments import TaskArguments
from flyte._task import TaskTemplate


def load(arguments: TaskArguments) -> tuple[Path | None, TaskTemplate]:
    """The folder with the bundle's files (None without one), and the task; blocks.

    Raises:
        flyte.errors.ModuleLoadError: when the task's module cannot be imported.
        flyte.errors.CodeBundleError: when the bundle is damaged.
        flyte.errors.StorageError: when the bundle cannot be fetched.
    """
    bundle, options = arguments.code_bundle, arguments.storage_options
    folder = unpacked(arguments)
    if bundle is not None and bundle.pkl is not None:
        return None, _unpickled(bundle.pkl, options)
    return folder, loader.resolve(arguments.resolver, arguments.loader_args)


def unpacked(arguments: TaskArguments) -> Path | None:
    """The folder with the bundle's files, from which nothing is imported yet; None without a bundle."""
    bundle, options = arguments.code_bundle, arguments.storage_options
    return _unpacked(bundle, arguments.home, options, arguments.sys_path)


@cache
def _unpacked(
    bundle: CodeBundle | None,
    home: str | None,
    storage_options: tuple[tuple[str, str], ...],
    sys_path: tuple[str, ...],
) -> Path | None:
    """The folder with the code, ready to be imported from; a child finds what its host has done."""
    folder = None
    if bundle is not None and bundle.tgz is not None:
        unpacking = bundles.unpack(bundle, home=home, options=dict(storage_options))
        folder = aio.finish(unpacking, waits=storage.is_remote(bundle.tgz))
    if folder is not None or sys_path:
        bundles.first_on_path(folder or Path.cwd(), sys_path)
    return folder


@cache
def _unpickled(uri: str, storage_options: tuple[tuple[str, str], ...]) -> TaskTemplate:
    reading = storage.read(uri, settings=dict(storage_options))
    return loader.unpickle(aio.finish(reading, waits=storage.is_remote(uri)), uri)
