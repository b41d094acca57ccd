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
from flyte._ids import ActionID
from flyte._interface import NativeInterface
from flyte._phases import ActionPhase
from flyte._task import MAX_INLINE_IO_BYTES

if TYPE_CHECKING:
    from flyte._wire.task_spec import SerializationContext

__all__ = [
    "MAX_INLINE_IO_BYTES",
    "ActionID",
    "ActionPhase",
    "CheckpointPaths",
    "CodeBundle",
    "GroupData",
    "NativeInterface",
    "RawDataPath",
    "SerializationContext",
    "TaskContext",
]


def __getattr__(name: str) -> Any:
    if name == "SerializationContext":
        return importlib.import_module("flyte._wire.task_spec").SerializationContext
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
