"""Other settings for a deployed task: changes of its specification."""

from collections.abc import Callable, Mapping
from typing import Any

from flyteidl2.core import literals_pb2, tasks_pb2
from flyteidl2.task import task_definition_pb2
from google.protobuf import json_format

from flyte import _cache, _env_vars, _policies, _resources, errors
from flyte._wire import containers, resources, task_spec
from flyte._wire.caching import keys

TaskSpec = task_definition_pb2.TaskSpec
Template = tasks_pb2.TaskTemplate

_PYTHON = "VIRTUAL_ENV"
PLACES = (_PYTHON, "_F_SYS_PATH")
"""Variables of a deployed task that say where its code runs; they stay when its own are replaced."""


def overridden(spec: TaskSpec, changes: Mapping[str, Any]) -> TaskSpec:
    """A copy of the specification with some settings changed.

    Args:
        spec: the deployed one.
        changes: settings by the names that `override` has.

    Raises:
        RemoteTaskUsageError: for a setting that a deployed task cannot have, or that is wrong for it.
    """
    changed = TaskSpec()
    changed.CopyFrom(spec)
    for name, value in changes.items():
        check(spec.task_template.id.name, name)
        _CHANGES[name](changed, value)
    return changed


def for_any_python(spec: TaskSpec) -> TaskSpec:
    """A specification that says which Python it wants, also if that is none in particular.

    A run says for the tasks of its own code which Python has their packages; what was deployed by another client, whose
    package may be another one, must not run there.
    """
    template = spec.task_template
    named = any(pair.key == _PYTHON for pair in template.container.env)
    if named or not template.HasField("container"):
        return spec
    changed = TaskSpec()
    changed.CopyFrom(spec)
    changed.task_template.container.env.add(key=_PYTHON, value="")
    return changed


def check(task_name: str, setting: str) -> None:
    """Refuse a setting that a deployed task does not have.

    Raises:
        RemoteTaskUsageError: naming those that it has.
    """
    if setting not in KNOWN:
        raise errors.RemoteTaskUsageError(
            f"deployed task {task_name!r}: override() cannot change {setting!r}; it can change: "
            f"{', '.join(sorted(KNOWN))}"
        )


def _short_name(spec: TaskSpec, value: str) -> None:
    spec.short_name = value


def _retries(spec: TaskSpec, value: Any) -> None:
    made = task_spec.retries(_policies.retry_strategy(value))
    spec.task_template.metadata.retries.CopyFrom(made)


def _timeout(spec: TaskSpec, value: Any) -> None:
    metadata = spec.task_template.metadata
    metadata.ClearField("timeout")
    metadata.ClearField("timeouts")
    task_spec.fill_timeouts(metadata, _policies.timeout(value))


def _secrets(spec: TaskSpec, value: Any) -> None:
    context = spec.task_template.security_context
    context.ClearField("secrets")
    context.secrets.extend(task_spec.secrets(value))


def _service_account(spec: TaskSpec, value: str) -> None:
    spec.task_template.security_context.run_as.k8s_service_account = value


def _produces_artifacts(spec: TaskSpec, value: bool) -> None:
    spec.task_template.metadata.produces_artifacts = value


def _change_resources(spec: TaskSpec, value: Any) -> None:
    template = spec.task_template
    asked = _resources.resources(_where(template), value)
    template.ClearField("extended_resources")
    if (extended := resources.extended_resources(asked)) is not None:
        template.extended_resources.CopyFrom(extended)
    if template.HasField("k8s_pod"):
        _in_pod(template, {"resources": resources.pod_resources(asked)})
        return
    template.container.ClearField("resources")
    if (needed := resources.container_resources(asked)) is not None:
        template.container.resources.CopyFrom(needed)


def _change_variables(spec: TaskSpec, value: Any) -> None:
    template = spec.task_template
    own = _env_vars.env_vars(_where(template), value) or {}
    if template.HasField("k8s_pod"):
        _in_pod(template, {"env": [{"name": name, "value": text} for name, text in own.items()]})
        return
    kept = [pair for pair in template.container.env if pair.key in PLACES and pair.key not in own]
    pairs = [literals_pb2.KeyValuePair(key=name, value=text) for name, text in own.items()]
    template.container.ClearField("env")
    template.container.env.extend([*pairs, *kept])


def _in_pod(template: Template, settings: Mapping[str, Any]) -> None:
    """Set fields of the task's own container of a pod."""
    pod = template.k8s_pod
    name = pod.primary_container_name or template.config.get(containers.PRIMARY, "")
    written = json_format.MessageToDict(pod.pod_spec)
    primary = next((each for each in written["containers"] if each.get("name") == name), None)
    if primary is None:
        raise errors.RemoteTaskUsageError(
            f"{_where(template)}: its pod has no container {name!r}, so nothing of it can be overridden"
        )
    primary.update(settings)
    pod.pod_spec.Clear()
    pod.pod_spec.update(written)


def _change_cache(spec: TaskSpec, value: Any) -> None:
    template, wanted = spec.task_template, _cache.cache(value)
    metadata = template.metadata
    before = metadata.discovery_version if metadata.discoverable else ""
    metadata.discoverable = wanted.is_enabled()
    template.config.pop(keys.BEHAVIOR, "")
    if not wanted.is_enabled():
        return
    version = wanted.version_override or before
    if not version:
        raise errors.RemoteTaskUsageError(
            f"{_where(template)} is deployed without a cache, so its code's version is not known here; name one: "
            "flyte.Cache(…, version_override='1')"
        )
    keys.describe(template, wanted, version)


def _where(template: Template) -> str:
    return f"deployed task {template.id.name!r}"


_CHANGES: Mapping[str, Callable[[TaskSpec, Any], None]] = {
    "short_name": _short_name,
    "resources": _change_resources,
    "retries": _retries,
    "timeout": _timeout,
    "env_vars": _change_variables,
    "secrets": _secrets,
    "service_account": _service_account,
    "cache": _change_cache,
    "produces_artifacts": _produces_artifacts,
}

KNOWN = frozenset({*_CHANGES, "queue", "max_inline_io_bytes"})
"""What `override` of a deployed task can change."""
