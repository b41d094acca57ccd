"""What a task needs of a machine, as a Kubernetes pod has it."""

from typing import Any

from flyte._kit import optional
from flyte._pod import DEFAULT_CONTAINER
from flyte._resources import Resources

_SHARED_MEMORY = "flyte-shm"


def pod_spec_from_resources(
    primary_container_name: str = DEFAULT_CONTAINER,
    requests: Resources | None = None,
    limits: Resources | None = None,
    k8s_gpu_resource_key: str = "nvidia.com/gpu",
) -> Any:
    """A `kubernetes.client.V1PodSpec` with one container that has these resources.

    Args:
        primary_container_name: name of the container.
        requests: what the scheduler sets aside; the second of a pair such as `cpu=(1, 2)` is a limit.
        limits: what the container may use at most.
        k8s_gpu_resource_key: under which name the cluster has its accelerators.  They are a limit as well: Kubernetes
            knows no request for them without one.

    Raises:
        ImportError: when the package `kubernetes` is not installed.

    Example:
        >>> spec = pod_spec_from_resources(requests=Resources(cpu=(1, 2), memory="1Gi", gpu=1))
        >>> spec.containers[0].resources.limits
        {'cpu': '2', 'nvidia.com/gpu': '1'}
    """
    client = optional.module("kubernetes.client", "pod_spec_from_resources()")
    names = {"gpu": k8s_gpu_resource_key, "disk": "ephemeral-storage"}
    requested = requests.requests() if requests else {}
    limited = requests.limits() if requests else {}
    if limits is not None:
        limited = {**limited, **limits.requests(), **limits.limits()}
    if "gpu" in requested:
        limited.setdefault("gpu", requested["gpu"])
    mounts, volumes = _shared_memory(client, requests, limits)
    container = client.V1Container(
        name=primary_container_name,
        volume_mounts=mounts,
        resources=client.V1ResourceRequirements(
            requests={names.get(name, name): amount for name, amount in requested.items()},
            limits={names.get(name, name): amount for name, amount in limited.items()},
        ),
    )
    return client.V1PodSpec(containers=[container], volumes=volumes)


def _shared_memory(
    client: Any, *given: Resources | None
) -> tuple[list[Any] | None, list[Any] | None]:
    """A volume in memory at /dev/shm; one without a size (`auto`) may grow as far as the container's memory."""
    sizes = [each.get_shared_memory() for each in given if each and each.shm is not None]
    if not sizes:
        return None, None
    mount = client.V1VolumeMount(name=_SHARED_MEMORY, mount_path="/dev/shm")
    source = client.V1EmptyDirVolumeSource(medium="Memory", size_limit=sizes[-1] or None)
    return [mount], [client.V1Volume(name=_SHARED_MEMORY, empty_dir=source)]
