"""The part of a TaskSpec that says how its process is started."""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flyteidl2.core import security_pb2, tasks_pb2
from flyteidl2.task import task_definition_pb2
from google.protobuf import json_format

from flyte_server.domain.errors import Invalid
from flyte_server.domain.secrets import WantedSecret

_BUNDLE_OPTIONS = frozenset({"--tgz", "--pkl"})
_QUANTITY = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(m?)")


@dataclass(frozen=True, slots=True)
class Template:
    """How a task's process is started, with placeholders."""

    task_name: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str]
    """The task's own variables."""
    image: str
    cpus: int
    """Upper bound of CPUs, at least 1."""
    bundle: str
    """Address of the code bundle among the arguments; empty: none."""
    secrets: tuple[WantedSecret, ...] = ()
    """What it gets to see that nobody else may."""


def template(spec: bytes) -> Template:
    """The template in a stored TaskSpec.

    Raises:
        Invalid: it says nothing that can be started.
    """
    task = task_definition_pb2.TaskSpec.FromString(spec).task_template
    target = task.WhichOneof("target")
    if target == "container":
        return _of_container(task)
    if target == "k8s_pod":
        return _of_pod(task)
    raise Invalid(
        f"Task {task.id.name!r} has no container to start (its target is {target or 'missing'}); "
        "this control plane starts container and k8s_pod tasks only."
    )


def cpus(quantities: Sequence[str]) -> int:
    """Whole CPUs of the first quantity that is given (`2`, `1.5`, `500m`), at least 1."""
    for text in quantities:
        match = _QUANTITY.fullmatch(text.strip())
        if match:
            return max(1, math.ceil(float(match[1]) / (1000 if match[2] else 1)))
    return 1


def _of_container(task: tasks_pb2.TaskTemplate) -> Template:
    container = task.container
    entries = [*container.resources.limits, *container.resources.requests]
    command, args = _command_line(container.command, container.args)
    return Template(
        task_name=task.id.name,
        command=command,
        args=args,
        env={pair.key: pair.value for pair in container.env},
        image=container.image,
        cpus=cpus([entry.value for entry in entries if entry.name == tasks_pb2.Resources.CPU]),
        bundle=_bundle(container.args),
        secrets=_secrets(task),
    )


def _of_pod(task: tasks_pb2.TaskTemplate) -> Template:
    pod: dict[str, Any] = json_format.MessageToDict(task.k8s_pod.pod_spec)
    wanted = task.k8s_pod.primary_container_name or task.config.get(
        "primary_container_name", "primary"
    )
    containers = [one for one in pod.get("containers", []) if one.get("name") == wanted]
    if not containers:
        raise Invalid(
            f"The pod template of task {task.id.name!r} has no container named {wanted!r}; name "
            "its primary container so."
        )
    container = containers[0]
    resources: dict[str, dict[str, object]] = container.get("resources", {})
    quantities = [
        str(resources[kind]["cpu"])
        for kind in ("limits", "requests")
        if "cpu" in resources.get(kind, {})
    ]
    command, args = _command_line(
        [str(word) for word in container.get("command", [])],
        [str(arg) for arg in container.get("args", [])],
    )
    return Template(
        task_name=task.id.name,
        command=command,
        args=args,
        env={
            pair["name"]: str(pair["value"]) for pair in container.get("env", []) if "value" in pair
        },
        image=str(container.get("image", "")),
        cpus=cpus(quantities),
        bundle=_bundle(args),
        secrets=_secrets(task),
    )


def _secrets(task: tasks_pb2.TaskTemplate) -> tuple[WantedSecret, ...]:
    return tuple(
        WantedSecret(
            secret.key,
            secret.group,
            secret.env_var,
            as_file=secret.mount_requirement == security_pb2.Secret.FILE,
        )
        for secret in task.security_context.secrets
    )


def _command_line(
    command: Sequence[str], args: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Command and arguments; clients leave the command empty and begin the arguments with it."""
    words = (*command, *args)
    split = len(command) or 1
    return tuple(words[:split]), tuple(words[split:])


def _bundle(args: Sequence[str]) -> str:
    for option, value in itertools.pairwise(args):
        if option in _BUNDLE_OPTIONS:
            return value
    return ""
