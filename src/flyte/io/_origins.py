"""What has to be copied before its address may travel: what the next task would not find there."""

from enum import Enum
from pathlib import Path

from flyte import _session, storage
from flyte._context import TaskContext, ctx
from flyte.config import _read
from flyte.io import _place

_DATA = "data"
"""Folder of a control plane's data in its home."""


class Origin(Enum):
    """How a value came to its address, which says whether the data stays there."""

    PENDING = "pending"
    """A local file that the user gave to be copied."""
    STORED = "stored"
    """Written by the SDK, or received as an input or output."""
    REFERRED = "referred"
    """The user says that it is there to stay (`from_existing_remote`)."""
    NAMED = "named"
    """Just named (`File(path=…)`): a path is a local file like any other."""


def must_copy(address: str, origin: Origin) -> bool:
    """Whether a value must be copied into the store before its address may travel.

    A path that the next task does not see, or that goes away with the attempt's working directory, must not; neither
    is an address of an object store ever copied, nor what a control plane has.  A path that is nowhere must: the copy
    fails with its name.
    """
    if origin is Origin.PENDING:
        return True
    task = ctx()
    path = storage.local_path(address)
    if path is None or (origin is Origin.STORED and not _place.sends()):
        return False
    match origin:
        case Origin.STORED:
            # What a script made for itself; a control plane need not see it.
            return _is_below(path, [_place.home_of_local()]) and path.exists()
        case Origin.REFERRED:
            away = _goes_away(path, task) or (_place.sends() and not _session.current().embedded)
            return away and path.exists()
        case Origin.NAMED:
            stays = address.startswith("file://") or _is_below(path, _roots(task))
            return not stays and (path.exists() or not _place.reads_links())


def _goes_away(path: Path, task: TaskContext | None) -> bool:
    in_task = task is not None and task.is_in_cluster()
    return in_task and _is_below(path, [Path.cwd()]) and not _is_below(path, _roots(task))


def _roots(task: TaskContext | None) -> list[Path]:
    """Folders whose content stays and is seen by the tasks to come."""
    here = [] if _place.sends() else [_place.home_of_local()]
    given = [task.raw_data_path.path, task.run_base_dir] if task else []
    local = [path for address in given if address and (path := storage.local_path(address))]
    return [_read.flyte_home() / _DATA, *here, *local]


def _is_below(path: Path, folders: list[Path]) -> bool:
    resolved = path.resolve()
    return any(resolved.is_relative_to(folder.resolve()) for folder in folders)
