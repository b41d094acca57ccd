"""Values that describe a running task, gathered from where they live.

Lives here: names only.  What needs protobuf (`SerializationContext`) is imported when it is asked
for.
"""

import importlib
from typing import TYPE_CHECKING, Any

from flyte._context import (
    CheckpointPaths,
    CodeBundle,
    GroupData,
    RawDataPath,
    TaskContext,
)
from flyte._ids import ActionID, CallCounter
from flyte._ids import random_run_name as generate_random_name
from flyte._interface import NativeInterface
from flyte._phases import ActionPhase
from flyte._position import CLUSTERED_WORKER_ENV, is_clustered_worker_env
from flyte._task import MAX_INLINE_IO_BYTES

if TYPE_CHECKING:
    from flyte._wire.task_spec import SerializationContext

__all__ = [
    "CLUSTERED_WORKER_ENV",
    "MAX_INLINE_IO_BYTES",
    "ActionID",
    "ActionPhase",
    "CallCounter",
    "CheckpointPaths",
    "CodeBundle",
    "GroupData",
    "NativeInterface",
    "RawDataPath",
    "SerializationContext",
    "TaskContext",
    "generate_random_name",
    "is_clustered_worker_env",
]


def __getattr__(name: str) -> Any:
    if name == "SerializationContext":
        return importlib.import_module("flyte._wire.task_spec").SerializationContext
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
