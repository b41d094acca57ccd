"""What a task needs of a machine as messages; facts of the names in the official protocol."""

from collections.abc import Mapping

from flyteidl2.core import tasks_pb2

from flyte._resources import Device, Resources

_ENTRY = tasks_pb2.Resources
_NAMES = {
    "cpu": _ENTRY.CPU,
    "memory": _ENTRY.MEMORY,
    "gpu": _ENTRY.GPU,
    "disk": _ENTRY.EPHEMERAL_STORAGE,
}
_POD_NAMES = {"disk": "ephemeral-storage"}

_CLASSES = {
    "GPU": 0,
    "TPU": 1,
    "NEURON": 2,
    "AMD_GPU": 3,
    "HABANA_GAUDI": 4,
    "APPLE_SILICON": 5,
}
"""`GPUAccelerator.DeviceClass`; the last one is not in every version of the protocol's package."""

_DEVICES = {
    **{
        name: f"nvidia-tesla-{name.lower()}"
        for name in ("A100", "H100", "T4", "V100", "K80", "M60", "P4", "P100")
    },
    "A100_80G": "nvidia-a100-80gb",
    **{name: f"nvidia-{name.lower()}" for name in ("A10", "A10G", "A100G", "L4", "L40s")},
    "L4_VWS": "nvidia-l4-vws",
    "V5E": "tpu-v5-lite-podslice",
    "V5P": "tpu-v5p-slice",
    "V6E": "tpu-v6e-slice",
    "RTX_PRO_4500": "nvidia-rtx-pro-4500",
    "RTX_PRO_6000": "nvidia-rtx-pro-6000",
}
"""Names of devices on the wire; those that are not here go as they are written."""


def container_resources(resources: Resources | None) -> tasks_pb2.Resources | None:
    """Requests and limits of the task's container; None when nothing is asked for."""
    if resources is None or not (resources.requests() or resources.limits()):
        return None
    return tasks_pb2.Resources(
        requests=_entries(resources.requests()), limits=_entries(resources.limits())
    )


def pod_resources(resources: Resources | None) -> dict[str, dict[str, str]]:
    """The same as a Kubernetes container has it; `gpu` is left for the backend to name."""
    if resources is None:
        return {}
    named = {"requests": resources.requests(), "limits": resources.limits()}
    return {
        kind: {_POD_NAMES.get(name, name): amount for name, amount in amounts.items()}
        for kind, amounts in named.items()
        if amounts
    }


def extended_resources(resources: Resources | None) -> tasks_pb2.ExtendedResources | None:
    """Model of the accelerators and size of the shared memory; None when neither is asked for."""
    if resources is None:
        return None
    device, shm = resources.get_device(), resources.get_shared_memory()
    message = tasks_pb2.ExtendedResources()
    if device is not None and device.device is not None:
        message.gpu_accelerator.CopyFrom(_accelerator(device, device.device))
    if shm is not None:
        message.shared_memory.mount_path = "/dev/shm"
        message.shared_memory.mount_name = "flyte-shm"
        message.shared_memory.size_limit = shm
    return message if message.ByteSize() else None


def _entries(amounts: Mapping[str, str]) -> list[tasks_pb2.Resources.ResourceEntry]:
    return [
        tasks_pb2.Resources.ResourceEntry(name=_NAMES[name], value=amount)
        for name, amount in amounts.items()
    ]


def _accelerator(device: Device, name: str) -> tasks_pb2.GPUAccelerator:
    message = tasks_pb2.GPUAccelerator(device=_DEVICES.get(name, name))
    setattr(message, "device_class", _CLASSES[device.device_class])  # noqa: B010 - 5 may be unknown here
    if device.partition:
        message.partition_size = device.partition
    return message
