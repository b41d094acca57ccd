"""PodTemplate: own settings for the Kubernetes pod around a task's container."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from flyte import errors
from flyte._policies import duration

DEFAULT_CONTAINER = "primary"
"""Name of a task's own container unless its pod template names another."""


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """Own settings for a task's pod; executors that make no pods ignore it.

    Args:
        pod_spec: a `kubernetes.client.V1PodSpec`, or the same as a dictionary in the spelling of
            Kubernetes.
        primary_container_name: the container in `pod_spec` that becomes the task's own.
        labels: labels of the pod.
        annotations: annotations of the pod.
    """

    pod_spec: Any = None
    primary_container_name: str = DEFAULT_CONTAINER
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    termination_grace_period: timedelta | None = None
    """How long a container may clean up before it is killed (None: as the cluster has it)."""

    def __post_init__(self) -> None:
        if not self.primary_container_name:
            raise errors.DefinitionError(
                "PodTemplate: primary_container_name is empty; name the task's own container"
            )

    @classmethod
    def from_spec(
        cls,
        pod_spec: Any,
        *,
        primary_container_name: str | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> "PodTemplate":
        """A template around a pod spec."""
        name = (
            cls().primary_container_name
            if primary_container_name is None
            else primary_container_name
        )
        return cls(pod_spec, name, labels, annotations)

    def with_termination_grace_period(
        self, termination_grace_period: int | timedelta
    ) -> "PodTemplate":
        """The same template with another time for cleaning up, in seconds or as a `timedelta`."""
        period = duration("PodTemplate: termination_grace_period", termination_grace_period)
        return replace(self, termination_grace_period=period)
