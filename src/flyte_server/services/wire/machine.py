"""What a task asks of a machine, in its spec: requests, limits, accelerators, and the pool that executes it."""

import hashlib
import json
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from flyteidl2.core import tasks_pb2
from flyteidl2.task import task_definition_pb2
from google.protobuf import json_format

from flyte_server.domain.errors import Invalid
from flyte_server.domain.needs import GLOBAL, RUN, Bounds, Needs, Pool
from flyte_server.services.wire import times

Amounts = dict[str, str]
"""Quantities as they were written, by `cpu`, `memory`, `disk`, `devices`."""

_ENTRIES = {
    tasks_pb2.Resources.CPU: "cpu",
    tasks_pb2.Resources.MEMORY: "memory",
    tasks_pb2.Resources.EPHEMERAL_STORAGE: "disk",
    tasks_pb2.Resources.GPU: "devices",
}
_POD_NAMES = {
    "cpu": "cpu",
    "memory": "memory",
    "ephemeral-storage": "disk",
    "gpu": "devices",
    "nvidia.com/gpu": "devices",
}
_SUFFIXES = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}
_CLASSES = {
    0: "NVIDIA_GPU",
    1: "GOOGLE_TPU",
    2: "AMAZON_NEURON",
    3: "AMD_GPU",
    4: "HABANA_GAUDI",
    5: "APPLE_SILICON",
}


def quantity(text: str, *, where: str) -> Decimal:
    """A Kubernetes quantity: `2`, `0.5`, `500m`, `2Gi`, `1e3`.

    Raises:
        Invalid: it is none, or below 0.

    Example:
        >>> quantity("2Gi", where="memory")
        Decimal('2147483648')
    """
    number = text.strip()
    suffix = next((s for s in ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei") if number.endswith(s)), "")
    if not suffix and number and number[-1] in "numkMGTPE":
        suffix = number[-1]
    try:
        amount = Decimal(number.removesuffix(suffix)) * _SUFFIXES[suffix]
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise Invalid(
            f"{where} is {text!r}, which is no quantity; write one such as 2, 500m or 2Gi."
        )
    return amount


def needs(template: tasks_pb2.TaskTemplate) -> Needs:
    """What is reserved for an attempt.

    Raises:
        Invalid: a quantity cannot be read.
    """
    requests, limits = _amounts(template)
    wanted = {**limits, **requests}  # without a request, the limit is one
    devices = int(_amount(template, wanted, "devices"))
    accelerator = template.extended_resources.gpu_accelerator
    return Needs(
        cpu_milli=int(_amount(template, wanted, "cpu") * 1000),
        memory=int(_amount(template, wanted, "memory")),
        disk=int(_amount(template, wanted, "disk")),
        devices=devices,
        device=accelerator.device if devices else "",
        device_class=_CLASSES.get(accelerator.device_class, "NVIDIA_GPU") if devices else "",
        partition=accelerator.partition_size if devices else "",
    )


def bounds(template: tasks_pb2.TaskTemplate) -> Bounds:
    """What an attempt may use: its limits, and its requests where it has none.

    Raises:
        Invalid: a quantity cannot be read.
    """
    requests, limits = _amounts(template)
    most = {**requests, **limits}
    shm = template.extended_resources.shared_memory.size_limit
    return Bounds(
        cpu_milli=int(_amount(template, most, "cpu") * 1000),
        memory=int(_amount(template, most, "memory")),
        disk=int(_amount(template, most, "disk")),
        shm=int(quantity(shm, where=f"shm of task {template.id.name!r}")) if shm else 0,
    )


def pool(spec: task_definition_pb2.TaskSpec, environment: str) -> Pool | None:
    """The processes that execute the task; None: each attempt gets its own."""
    template = spec.task_template
    if not template.HasField("reuse_policy"):
        return None
    reuse = template.reuse_policy
    custom = json_format.MessageToDict(template.custom)
    parts = [environment, str(custom.get("version", ""))]
    most = max(1, reuse.max_replicas)
    return Pool(
        key=hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20],
        environment=environment,
        min_replicas=min(reuse.min_replicas, most),
        max_replicas=most,
        concurrency=max(1, reuse.concurrency),
        idle_seconds=times.seconds(reuse.idle_ttl),
        scaledown_seconds=times.seconds(reuse.scaledown_ttl),
        scope=RUN if reuse.scope == tasks_pb2.ReusePolicy.RUN else GLOBAL,
    )


def _amount(template: tasks_pb2.TaskTemplate, amounts: Amounts, name: str) -> Decimal:
    if name not in amounts:
        return Decimal(0)
    return quantity(amounts[name], where=f"{name} of task {template.id.name!r}")


def _amounts(template: tasks_pb2.TaskTemplate) -> tuple[Amounts, Amounts]:
    """Requests and limits."""
    if template.WhichOneof("target") == "k8s_pod":
        return _of_pod(template)
    resources = template.container.resources
    return _entries(resources.requests), _entries(resources.limits)


def _entries(entries: Iterable[tasks_pb2.Resources.ResourceEntry]) -> Amounts:
    return {_ENTRIES[entry.name]: entry.value for entry in entries if entry.name in _ENTRIES}


def _of_pod(template: tasks_pb2.TaskTemplate) -> tuple[Amounts, Amounts]:
    pod = json_format.MessageToDict(template.k8s_pod.pod_spec)
    wanted = template.k8s_pod.primary_container_name or template.config.get(
        "primary_container_name", "primary"
    )
    for container in pod.get("containers", []):
        if container.get("name") == wanted:
            resources = container.get("resources", {})
            return _named(resources.get("requests", {})), _named(resources.get("limits", {}))
    return {}, {}


def _named(amounts: dict[str, object]) -> Amounts:
    return {_POD_NAMES[name]: str(value) for name, value in amounts.items() if name in _POD_NAMES}
