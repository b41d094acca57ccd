"""Task specs: the few things in them on which the control plane decides, read once when an action
comes in."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from flyteidl2.core import tasks_pb2
from flyteidl2.task import common_pb2, task_definition_pb2

from flyte_server.domain.records import Policy
from flyte_server.services.wire import identities, machine, times

CACHE_BEHAVIOR = "cache.behavior"
"""Entry of a task's `config` with what its author wants of the cache; other `cache.…` entries only explain the key."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the control plane wants to know of a task."""

    short_name: str
    """The function's name: what people see."""
    environment: str
    policy: Policy
    cached: bool
    executes_always: bool


@lru_cache(maxsize=1024)
def facts(body: bytes, task_name: str, *, cache_everywhere: bool) -> Facts:
    """What a TaskSpec says; a thousand children of one task have the same, so it is read once.

    Args:
        body: the message.
        task_name: the task's name.
        cache_everywhere: results of other projects and domains count too.

    Raises:
        Invalid: a quantity of resources cannot be read.
    """
    spec = task_definition_pb2.TaskSpec.FromString(body)
    return Facts(
        short_name=short_name(spec, task_name),
        environment=environment_name(spec, task_name),
        policy=policy(spec, task_name=task_name, cache_everywhere=cache_everywhere),
        cached=spec.task_template.metadata.discoverable,
        executes_always=executes_always(spec.task_template),
    )


def policy(
    spec: task_definition_pb2.TaskSpec,
    *,
    task_name: str = "",
    cache_everywhere: bool = False,
) -> Policy:
    """Retries, backoff, time limits, how results are used again, and what is needed of a machine.

    Args:
        spec: what the task says.
        task_name: its name, by which its environment is known.
        cache_everywhere: results of other projects and domains count too; it is the run that says so.

    Raises:
        Invalid: a quantity of resources cannot be read.
    """
    template = spec.task_template
    metadata = template.metadata
    backoff = metadata.retries.backoff
    return Policy(
        retries=metadata.retries.retries,
        backoff_base_seconds=times.seconds(backoff.base),
        backoff_factor=backoff.factor if backoff.HasField("factor") else 1.0,
        backoff_cap_seconds=times.seconds(backoff.cap),
        max_runtime_seconds=times.seconds(metadata.timeout),
        max_queued_seconds=times.seconds(metadata.timeouts.queued_timeout),
        deadline_seconds=times.seconds(metadata.timeouts.deadline),
        cache_max_age_seconds=times.seconds(metadata.cache_max_age),
        cache_serialize=metadata.discoverable and metadata.cache_serializable,
        cache_everywhere=metadata.discoverable and cache_everywhere,
        output_count=len(template.interface.outputs.variables),
        needs=machine.needs(template),
        bounds=machine.bounds(template),
        pool=machine.pool(spec, environment_name(spec, task_name)),
    )


def short_name(spec: task_definition_pb2.TaskSpec, task_name: str) -> str:
    """The function's name: what people see."""
    return spec.short_name or task_name.rpartition(".")[2]


def environment_name(spec: task_definition_pb2.TaskSpec, task_name: str) -> str:
    """The environment's name."""
    return spec.environment.name or task_name.rpartition(".")[0]


def with_defaults(
    inputs: common_pb2.Inputs, defaults: Iterable[common_pb2.NamedParameter]
) -> common_pb2.Inputs:
    """The inputs, and the task's default for each one that was not given."""
    given = {literal.name for literal in inputs.literals}
    merged = common_pb2.Inputs()
    merged.CopyFrom(inputs)
    for entry in defaults:
        if entry.name not in given and entry.parameter.HasField("default"):
            merged.literals.add(name=entry.name, value=entry.parameter.default)
    return merged


def executes_always(template: tasks_pb2.TaskTemplate) -> bool:
    """Whether the task executes although the cache has an entry, and replaces the entry."""
    return template.config.get(CACHE_BEHAVIOR, "") == "override"


def root_cache_key(
    template: tasks_pb2.TaskTemplate, task_name: str, hashed_inputs: str
) -> str | None:
    """The cache key of a root action: its caller sends none.  None if the task is not cached, or for inputs that
    nothing identifies."""
    if not template.metadata.discoverable or not identities.is_known(hashed_inputs):
        return None
    digest = hashlib.sha256()
    parts = (
        hashed_inputs.encode(),
        task_name.encode(),
        template.interface.SerializeToString(deterministic=True),
        template.metadata.discovery_version.encode(),
    )
    for part in parts:
        digest.update(f"{len(part)}\0".encode())
        digest.update(part)
    return digest.hexdigest()
