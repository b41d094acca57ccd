"""What the cache of a control plane, and that of local runs, needs to know of a task and its inputs."""

import functools
import hashlib
import logging
from typing import Any

from flyteidl2.core import tasks_pb2
from flyteidl2.task import common_pb2
from google.protobuf import duration_pb2

from flyte import _cache, _image
from flyte._task import TaskTemplate
from flyte._wire import identities, interfaces
from flyte.storage import digests

Task = TaskTemplate[..., Any, Any]

BEHAVIOR = "cache.behavior"
"""Entry of a task's `config` on the wire: `override` executes always and replaces the result that is kept."""
PROBLEM = "cache.problem"
"""Entry that says why a task that asks for a cache has none."""
DISABLE_CACHE = "_F_DISABLE_CACHE"
"""Variable of a run's tasks: what they call uses no cache."""
DISABLED = "the run uses no cache (disable_run_cache)"
_PREFIX = "cache."
_ABOUT_THE_TASK = (BEHAVIOR, PROBLEM)

logger = logging.getLogger("flyte.cache")


def template(task: Task) -> tasks_pb2.TaskTemplate:
    """As much of a task on the wire as its key needs: for runs without a control plane."""
    made = tasks_pb2.TaskTemplate(interface=interfaces.typed(task.interface))
    made.id.name = task.name
    fill(made, task)
    return made


def fill(template: tasks_pb2.TaskTemplate, task: Task) -> None:
    """Write down how the task's results are kept; `cache.…` entries of `config` explain a key and are not part of it.

    A version that cannot be made means that nothing is kept: the task runs, and one warning says why.
    """
    cache = _cache.cache(task.cache)
    if not cache.is_enabled():
        return
    image = task.image if isinstance(task.image, str) else _image.image(task.image)
    try:
        version = cache.version(_cache.VersionParameters(getattr(task, "func", None), image))
    except Exception as error:  # noqa: BLE001 - policies are users' code, and the task must run without them
        problem = f"{type(error).__name__}: {error}"
        template.config[PROBLEM] = problem
        warn(task.name, problem)
        return
    describe(template, cache, version.text)
    template.config.update({f"{_PREFIX}{name}": part for name, part in version.parts.items()})


def describe(template: tasks_pb2.TaskTemplate, cache: _cache.Cache, version: str) -> None:
    """Write down how results are kept of a task whose code has a version."""
    metadata = template.metadata
    metadata.discoverable = True
    metadata.discovery_version = version
    metadata.cache_serializable = cache.serialize
    metadata.ClearField("cache_ignore_input_vars")
    metadata.cache_ignore_input_vars.extend(cache.get_ignored_inputs())
    metadata.ClearField("cache_max_age")
    if cache.max_age is not None:
        metadata.cache_max_age.CopyFrom(_duration(cache.max_age))
    if cache.executes_always():
        template.config[BEHAVIOR] = "override"


def disable(template: tasks_pb2.TaskTemplate) -> None:
    """Let a task that asks for a cache have none."""
    if template.metadata.discoverable:
        template.metadata.discoverable = False
        template.config[PROBLEM] = DISABLED


def key(template: tasks_pb2.TaskTemplate, inputs: common_pb2.Inputs) -> str | None:
    """Identity of a task's result, the same for equal inputs in every run; None if it is not cached.

    The control plane makes the same key for the first action of a run (`services/wire/specs`): golden keys in
    `tests/histories` hold both.
    """
    if not template.metadata.discoverable or warn_of(template, inputs):
        return None
    ignored = template.metadata.cache_ignore_input_vars
    digest = hashlib.sha256()
    for part in (
        identities.input_hash(inputs, ignored).encode(),
        template.id.name.encode(),
        template.interface.SerializeToString(deterministic=True),
        template.metadata.discovery_version.encode(),
    ):
        digest.update(f"{len(part)}\0".encode())
        digest.update(part)
    return digest.hexdigest()


def parts(template: tasks_pb2.TaskTemplate, inputs: common_pb2.Inputs) -> dict[str, Any]:
    """Everything that a key is made of: two of them say what has changed (`decisions.changed`)."""
    metadata = template.metadata
    ignored = sorted(metadata.cache_ignore_input_vars)
    of_version = {
        name.removeprefix(_PREFIX): part
        for name, part in template.config.items()
        if name.startswith(_PREFIX) and name not in _ABOUT_THE_TASK
    }
    interface = template.interface.SerializeToString(deterministic=True)
    return {
        "version": metadata.discovery_version,
        "of_version": of_version,
        "interface": digests.digest([interface]),
        "ignored": ignored,
        "inputs": identities.by_name(inputs, ignored),
    }


def warn_of(template: tasks_pb2.TaskTemplate, inputs: common_pb2.Inputs) -> bool:
    """Whether a call is not cached because of its inputs; a warning says so."""
    metadata = template.metadata
    if not metadata.discoverable:
        return False
    names = identities.without_identity(inputs, metadata.cache_ignore_input_vars)
    if not names:
        return False
    listed = ", ".join(map(repr, names))
    warn(
        template.id.name,
        f"nothing identifies its input {listed}: a pickle does not say whether two values are equal; name it in "
        "Cache(ignored_inputs=…), or give its type a TypeTransformer that sets Literal.hash",
    )
    return True


@functools.lru_cache(maxsize=1024)
def warn(task: str, reason: str) -> None:
    """Say once why results of a task are not kept."""
    logger.warning("task %s is executed and not cached: %s", task, reason)


def _duration(value: Any) -> duration_pb2.Duration:
    message = duration_pb2.Duration()
    message.FromTimedelta(value)
    return message
