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
from flyte._trigger import (
    Cron,
    FixedRate,
    OnArtifact,
    Trigger,
    TriggeredArtifact,
    TriggeredPartition,
    TriggerTime,
)

if TYPE_CHECKING:
    from flyte import app as app
    from flyte import config as config
    from flyte import durable as durable
    from flyte import extend as extend
    from flyte import extras as extras
    from flyte import git as git
    from flyte import io as io
    from flyte import models as models
    from flyte import notify as notify
    from flyte import remote as remote
    from flyte import report as report
    from flyte import storage as storage
    from flyte import syncify as syncify
    from flyte import types as types
    from flyte._build import build, build_images
    from flyte._checkpoint import BaseCheckpoint, Checkpoint, latest_checkpoint
    from flyte._condition import ConditionWebhook, new_condition
    from flyte._deploy import deploy
    from flyte._initialize import (
        init,
        init_from_api_key,
        init_from_config,
        init_in_cluster,
        init_passthrough,
    )
    from flyte._loggers import logger, system_logger
    from flyte._map import map  # noqa: A004 - an official name
    from flyte._rerun import rerun
    from flyte._run import run, with_runcontext
    from flyte._scripts import run_python_script
    from flyte._serve import AppHandle, serve, with_servecontext
    from flyte._session import current_domain, current_project, is_control_plane_available
    from flyte._version import __version__, version

_HOMES = {
    "AppHandle": "flyte._serve",
    "BaseCheckpoint": "flyte._checkpoint",
    "Checkpoint": "flyte._checkpoint",
    "ConditionWebhook": "flyte._condition",
    "__version__": "flyte._version",
    "build": "flyte._build",
    "build_images": "flyte._build",
    "current_domain": "flyte._session",
    "current_project": "flyte._session",
    "deploy": "flyte._deploy",
    "init": "flyte._initialize",
    "latest_checkpoint": "flyte._checkpoint",
    "init_from_api_key": "flyte._initialize",
    "init_from_config": "flyte._initialize",
    "init_in_cluster": "flyte._initialize",
    "init_passthrough": "flyte._initialize",
    "is_control_plane_available": "flyte._session",
    "logger": "flyte._loggers",
    "map": "flyte._map",
    "new_condition": "flyte._condition",
    "rerun": "flyte._rerun",
    "run": "flyte._run",
    "run_python_script": "flyte._scripts",
    "serve": "flyte._serve",
    "system_logger": "flyte._loggers",
    "version": "flyte._version",
    "with_runcontext": "flyte._run",
    "with_servecontext": "flyte._serve",
}
"""Where the names live that are imported on first use."""

_MODULES = frozenset(
    {
        "app",
        "config",
        "durable",
        "extend",
        "extras",
        "git",
        "io",
        "models",
        "notify",
        "remote",
        "report",
        "storage",
        "syncify",
        "types",
    }
)
"""Public modules that are imported on first use."""

__all__ = [
    "AMD_GPU",
    "APPLE_SILICON",
    "GPU",
    "HABANA_GAUDI",
    "TPU",
    "AppHandle",
    "AsyncFunctionTaskTemplate",
    "Backoff",
    "BaseCheckpoint",
    "Cache",
    "CachePolicy",
    "CacheRequest",
    "Checkpoint",
    "ConditionWebhook",
    "Cron",
    "Device",
    "DeviceClass",
    "Documentation",
    "Environment",
    "FixedRate",
    "Image",
    "ImageBuild",
    "Neuron",
    "OnArtifact",
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
    "Trigger",
    "TriggerTime",
    "TriggeredArtifact",
    "TriggeredPartition",
    "__version__",
    "build",
    "build_images",
    "ctx",
    "current_domain",
    "current_project",
    "custom_context",
    "deploy",
    "get_custom_context",
    "group",
    "init",
    "init_from_api_key",
    "init_from_config",
    "init_in_cluster",
    "init_passthrough",
    "is_control_plane_available",
    "latest_checkpoint",
    "logger",
    "map",
    "new_condition",
    "rerun",
    "run",
    "run_python_script",
    "serve",
    "system_logger",
    "trace",
    "version",
    "with_runcontext",
    "with_servecontext",
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
