"""The container or pod that runs a task."""

import copy
from collections.abc import Mapping
from typing import Any

from flyteidl2.core import literals_pb2, tasks_pb2

from flyte import errors
from flyte._kit import optional
from flyte._pod import PodTemplate
from flyte._task import TaskTemplate
from flyte._wire import images, resources
from flyte._wire.serialization import SerializationContext

PRIMARY = "primary_container_name"
"""Key in a template's `config` that names the task's own container of a pod."""


def fill(
    template: tasks_pb2.TaskTemplate,
    task: TaskTemplate[..., Any, Any],
    context: SerializationContext,
) -> None:
    """Set the template's target: a container, a pod for a task with a `PodTemplate` of its own, a statement for a
    database, or nothing for a task that its backend runs by itself.
    """
    args, statement = task.container_args(context), task.sql(context)
    if statement is not None:
        template.sql.CopyFrom(tasks_pb2.Sql(statement=statement, dialect=tasks_pb2.Sql.ANSI))
    elif args and isinstance(task.pod_template, PodTemplate):
        template.k8s_pod.CopyFrom(_pod(task, task.pod_template, context, args))
        template.config[PRIMARY] = task.pod_template.primary_container_name
    elif args:
        template.container.CopyFrom(_container(task, context, args))


def _container(
    task: TaskTemplate[..., Any, Any], context: SerializationContext, args: list[str]
) -> tasks_pb2.Container:
    return tasks_pb2.Container(
        image=images.address(task, context.image_cache),
        args=args,
        resources=resources.container_resources(task.resources),
        data_config=task.data_loading_config(context),
        env=[
            literals_pb2.KeyValuePair(key=key, value=value)
            for key, value in (task.env_vars or {}).items()
        ],
    )


def _pod(
    task: TaskTemplate[..., Any, Any],
    template: PodTemplate,
    context: SerializationContext,
    args: list[str],
) -> tasks_pb2.K8sPod:
    spec = _spec(template)
    name = template.primary_container_name
    primary = next((each for each in spec["containers"] if each.get("name") == name), None)
    if primary is None:
        there = ", ".join(str(each.get("name")) for each in spec["containers"]) or "none"
        raise errors.DefinitionError(
            f"task {task.name!r}: its pod template has no container {name!r} (it has {there}); "
            "name the task's own container with primary_container_name"
        )
    _fill_primary(primary, task, context, args)
    pod = tasks_pb2.K8sPod(primary_container_name=name)
    pod.metadata.labels.update(template.labels or {})
    pod.metadata.annotations.update(template.annotations or {})
    pod.pod_spec.update(spec)
    return pod


def _spec(template: PodTemplate) -> dict[str, Any]:
    """The pod spec as Kubernetes' JSON, a copy."""
    given = template.pod_spec
    if given is None:
        spec: dict[str, Any] = {"containers": [{"name": template.primary_container_name}]}
    elif isinstance(given, Mapping):
        spec = copy.deepcopy(dict(given))
    else:
        client = optional.module("kubernetes.client", "a PodTemplate with a V1PodSpec")
        spec = client.ApiClient().sanitize_for_serialization(given)
    spec["containers"] = list(spec.get("containers") or [])
    if template.termination_grace_period is not None:
        spec["terminationGracePeriodSeconds"] = int(
            template.termination_grace_period.total_seconds()
        )
    return spec


def _fill_primary(
    primary: dict[str, Any],
    task: TaskTemplate[..., Any, Any],
    context: SerializationContext,
    args: list[str],
) -> None:
    """The task decides on command, arguments and resources; the template on the image, if it names one."""
    primary.pop("command", None)
    primary["args"] = args
    primary["image"] = primary.get("image") or images.address(task, context.image_cache)
    own = [{"name": key, "value": value} for key, value in (task.env_vars or {}).items()]
    if own or primary.get("env"):
        primary["env"] = own + list(primary.get("env") or [])
    asked: dict[str, Any] = dict(primary.get("resources") or {})
    for kind, amounts in resources.pod_resources(task.resources).items():
        asked[kind] = {**(asked.get(kind) or {}), **amounts}
    if asked:
        primary["resources"] = asked
