"""A task as the control plane registers and runs it."""

import hashlib
from datetime import timedelta
from typing import Any

from flyteidl2.core import identifier_pb2, literals_pb2, security_pb2, tasks_pb2
from flyteidl2.task import task_definition_pb2
from google.protobuf import duration_pb2

from flyte import _policies, _secret
from flyte._kit import stepping
from flyte._task import TaskTemplate
from flyte._version import __version__
from flyte._wire import containers, images, interfaces, resources
from flyte._wire.caching import keys
from flyte._wire.serialization import SerializationContext as SerializationContext

Task = TaskTemplate[..., Any, Any]

_LONGEST_SUMMARY = 255
_LONGEST_DESCRIPTION = 2048


def task_spec(task: Task, context: SerializationContext) -> task_definition_pb2.TaskSpec:
    """Everything that the control plane and a worker must know of a task.

    Raises:
        ModuleLoadError: when a worker could not find the task again.
        TypeTransformerFailedError, RestrictedTypeError: for a type or a default that cannot travel.
        DefinitionError: for a pod template without its primary container.
    """
    spec = task_definition_pb2.TaskSpec(
        task_template=_template(task, context),
        default_inputs=stepping.drive(interfaces.defaults(task.interface)),
        short_name=task.short_name,
    )
    if task.parent_env_name:
        spec.environment.name = task.parent_env_name
        env = task.parent_env() if task.parent_env else None
        spec.environment.description = _cut(env.description if env else None, _LONGEST_SUMMARY)
    text = task.docs.description if task.docs else task.interface.docstring
    if text:
        spec.documentation.short_description = _cut(text.split("\n\n", 1)[0], _LONGEST_SUMMARY)
        spec.documentation.long_description = _cut(text, _LONGEST_DESCRIPTION)
    return spec


def task_hash(task: Any) -> str:
    """Identity of a task for the names of its actions: its full name, so that editing it renames nothing."""
    return hashlib.sha256(task.name.encode()).hexdigest()


def _template(task: Task, context: SerializationContext) -> tasks_pb2.TaskTemplate:
    template = tasks_pb2.TaskTemplate(
        id=identifier_pb2.Identifier(
            resource_type=identifier_pb2.TASK,
            project=context.project,
            domain=context.domain,
            org=context.org,
            name=task.name,
            version=context.version,
        ),
        type=task.task_type,
        task_type_version=task.task_type_version,
        metadata=_metadata(task, context),
        interface=interfaces.typed(task.interface),
        security_context=_security_context(task),
        extended_resources=resources.extended_resources(task.resources),
    )
    containers.fill(template, task, context)
    template.config.update(task.config(context))
    keys.fill(template, task)
    template.custom.update(task.custom_config(context))
    if task.reusable is not None:
        _fill_reuse(template, task, task.reusable, context)
    return template


def _metadata(task: Task, context: SerializationContext) -> tasks_pb2.TaskMetadata:
    metadata = tasks_pb2.TaskMetadata(
        runtime=tasks_pb2.RuntimeMetadata(
            type=tasks_pb2.RuntimeMetadata.FLYTE_SDK, version=__version__, flavor="python"
        ),
        retries=retries(_policies.retry_strategy(task.retries)),
        interruptible=task.interruptible,
        debuggable=task.debuggable and task.reusable is None,
        is_entrypoint=task.entrypoint,
        produces_artifacts=task.produces_artifacts,
    )
    metadata.generates_deck.value = task.report
    if isinstance(task.pod_template, str):
        metadata.pod_template_name = task.pod_template
    if context.code_bundle is not None:
        metadata.code_bundle_uri = context.code_bundle.tgz or context.code_bundle.pkl or ""
    fill_timeouts(metadata, _policies.timeout(task.timeout))
    return metadata


def fill_timeouts(metadata: tasks_pb2.TaskMetadata, timeout: _policies.Timeout | None) -> None:
    """Write down the limits of a task's attempts; None: there are none."""
    if timeout is None:
        return
    if timeout.max_runtime is not None:
        metadata.timeout.CopyFrom(_duration(timeout.max_runtime))
    if timeout.max_queued_time is not None:
        metadata.timeouts.queued_timeout.CopyFrom(_duration(timeout.max_queued_time))
    if timeout.deadline is not None:
        metadata.timeouts.deadline.CopyFrom(_duration(timeout.deadline))


def retries(strategy: _policies.RetryStrategy) -> literals_pb2.RetryStrategy:
    """How often, and how soon, a task is tried again."""
    message = literals_pb2.RetryStrategy(retries=strategy.count)
    if strategy.backoff is not None:
        message.backoff.base.CopyFrom(_duration(strategy.backoff.base))
        message.backoff.factor = strategy.backoff.factor
        if strategy.backoff.cap is not None:
            message.backoff.cap.CopyFrom(_duration(strategy.backoff.cap))
    return message


def _security_context(task: Task) -> security_pb2.SecurityContext | None:
    asked = secrets(task.secrets)
    if not asked and not task.service_account:
        return None
    context = security_pb2.SecurityContext(secrets=asked)
    if task.service_account:
        context.run_as.k8s_service_account = task.service_account
    return context


def secrets(request: _secret.SecretRequest | None) -> list[security_pb2.Secret]:
    """The stored values that a task asks for."""
    return [_wire_secret(secret) for secret in _secret.secrets(request)]


def _wire_secret(secret: _secret.Secret) -> security_pb2.Secret:
    return security_pb2.Secret(
        key=secret.key,
        group=secret.group,
        mount_requirement=security_pb2.Secret.FILE if secret.mount else security_pb2.Secret.ENV_VAR,
        env_var=secret.as_env_var,
    )


def _fill_reuse(
    template: tasks_pb2.TaskTemplate,
    task: Task,
    policy: _policies.ReusePolicy,
    context: SerializationContext,
) -> None:
    """The policy itself, and the older form that some backends still read: type `actor` and its `custom`."""
    scope = tasks_pb2.ReusePolicy.RUN if policy.scope == "run" else tasks_pb2.ReusePolicy.GLOBAL
    reuse = tasks_pb2.ReusePolicy(
        min_replicas=policy.min_replicas,
        max_replicas=policy.max_replicas,
        concurrency=policy.concurrency,
        idle_ttl=_duration(policy.idle_ttl),
        scaledown_ttl=_duration(policy.scaledown_ttl),
        scope=scope,
    )
    template.reuse_policy.CopyFrom(reuse)
    template.type = "actor"
    template.custom.update(
        {
            "name": task.parent_env_name or task.name,
            "version": _pool(template, task, context),
            "type": "actor",
            "spec": {
                "container_image": images.address(task, context.image_cache),
                "backlog_length": None,
                "parallelism": policy.concurrency,
                "min_replica_count": policy.min_replicas,
                "replica_count": policy.max_replicas,
                "ttl_seconds": reuse.idle_ttl.seconds,
                "scaledown_ttl_seconds": reuse.scaledown_ttl.seconds,
            },
        }
    )


def _pool(template: tasks_pb2.TaskTemplate, task: Task, context: SerializationContext) -> str:
    """Which processes the task may share: those that differ from its own in nothing but the task."""
    container = tasks_pb2.Container()
    container.CopyFrom(template.container)
    container.ClearField("args")
    reuse = template.reuse_policy
    digest = hashlib.sha256()
    for part in (
        (task.parent_env_name or task.name).encode(),
        container.SerializeToString(deterministic=True),
        f"{reuse.min_replicas},{reuse.max_replicas}".encode(),
        f"{reuse.idle_ttl.ToMilliseconds()},{reuse.scaledown_ttl.ToMilliseconds()}".encode(),
        (context.code_bundle.computed_version if context.code_bundle else context.version).encode(),
        template.security_context.SerializeToString(deterministic=True),
        str(template.metadata.interruptible).encode(),
        template.metadata.pod_template_name.encode(),
    ):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:15]


def _duration(value: timedelta | int) -> duration_pb2.Duration:
    span = value if isinstance(value, timedelta) else timedelta(seconds=value)
    message = duration_pb2.Duration()
    message.FromTimedelta(span)
    return message


def _cut(text: str | None, longest: int) -> str:
    text = (text or "").strip()
    return text if len(text) <= longest else text[: longest - 1] + "…"
