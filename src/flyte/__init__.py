"""Flyte 2, independently written: what users import.

Lives here: the names.  Words (what one declares) are imported at once; verbs (what one does) and
everything that needs protobuf, asyncio or files come when they are first used, through one table.
Nothing else lives here.
"""

import importlib
from typing import TYPE_CHECKING, Any

from flyte import errors as errors
from flyte._cache import Cache, CachePolicy, CacheRequest
from flyte._context import ctx
from flyte._devices import (
    AMD_GPU,
    APPLE_SILICON,
    GPU,
    HABANA_GAUDI,
    TPU,
    Device,
    DeviceClass,
    Neuron,
)
from flyte._documentation import Documentation
from flyte._environment import Environment
from flyte._group import custom_context, get_custom_context, group
from flyte._image import Image, ImageBuild
from flyte._pod import PodTemplate
from flyte._policies import Backoff, RetryStrategy, ReusePolicy, Timeout, TimeoutType
from flyte._resources import Resources
from flyte._secret import Secret, SecretRequest
from flyte._task import AsyncFunctionTaskTemplate, TaskTemplate
from flyte._task_environment import TaskEnvironment
from flyte._trace import trace

if TYPE_CHECKING:
    from flyte import config as config
    from flyte import extend as extend
    from flyte import io as io
    from flyte import models as models
    from flyte import remote as remote
    from flyte import report as report
    from flyte import storage as storage
    from flyte import syncify as syncify
    from flyte import types as types
    from flyte._build import build, build_images
    from flyte._checkpoint import BaseCheckpoint, Checkpoint, latest_checkpoint
    from flyte._initialize import init, init_from_config
    from flyte._loggers import logger, system_logger
    from flyte._map import map  # noqa: A004 - an official name
    from flyte._rerun import rerun
    from flyte._run import run, with_runcontext
    from flyte._session import current_domain, current_project
    from flyte._version import __version__, version

_HOMES = {
    "BaseCheckpoint": "flyte._checkpoint",
    "Checkpoint": "flyte._checkpoint",
    "__version__": "flyte._version",
    "build": "flyte._build",
    "build_images": "flyte._build",
    "current_domain": "flyte._session",
    "current_project": "flyte._session",
    "init": "flyte._initialize",
    "latest_checkpoint": "flyte._checkpoint",
    "init_from_config": "flyte._initialize",
    "logger": "flyte._loggers",
    "map": "flyte._map",
    "rerun": "flyte._rerun",
    "run": "flyte._run",
    "system_logger": "flyte._loggers",
    "version": "flyte._version",
    "with_runcontext": "flyte._run",
}
"""Where the names live that are imported on first use."""

_MODULES = frozenset(
    {"config", "extend", "io", "models", "remote", "report", "storage", "syncify", "types"}
)
"""Public modules that are imported on first use."""

__all__ = [
    "AMD_GPU",
    "APPLE_SILICON",
    "GPU",
    "HABANA_GAUDI",
    "TPU",
    "AsyncFunctionTaskTemplate",
    "Backoff",
    "BaseCheckpoint",
    "Cache",
    "CachePolicy",
    "CacheRequest",
    "Checkpoint",
    "Device",
    "DeviceClass",
    "Documentation",
    "Environment",
    "Image",
    "ImageBuild",
    "Neuron",
    "PodTemplate",
    "Resources",
    "RetryStrategy",
    "ReusePolicy",
    "Secret",
    "SecretRequest",
    "TaskEnvironment",
    "TaskTemplate",
    "Timeout",
    "TimeoutType",
    "__version__",
    "build",
    "build_images",
    "ctx",
    "current_domain",
    "current_project",
    "custom_context",
    "get_custom_context",
    "group",
    "init",
    "init_from_config",
    "latest_checkpoint",
    "logger",
    "map",
    "rerun",
    "run",
    "system_logger",
    "trace",
    "version",
    "with_runcontext",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"flyte.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'flyte' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value  # the next time Python finds it without asking here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
