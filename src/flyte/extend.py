"""What plugins may import: task templates, builders of images, and the wire form of resources.

Lives here: names only.  Types of one's own are registered with `flyte.types.TypeEngine`, codecs of tables with
`flyte.io.extend`.

A kind of task of one's own is a subclass, and a class of its configuration that leads to it:

    >>> @dataclass
    ... class Cluster:
    ...     workers: int
    >>> class ClusterTask(AsyncFunctionTaskTemplate):
    ...     async def pre(self, *args, **kwargs):
    ...         return {"cluster": await start(self.plugin_config.workers)}  # the task finds it in flyte.ctx().data
    >>> TaskPluginRegistry.register(Cluster, ClusterTask)
    >>> env = flyte.TaskEnvironment("jobs", plugin_config=Cluster(workers=3))
"""

from flyte._build import ImageBuildEngine
from flyte._image import Architecture
from flyte._images._protocols import ImageBuilder, ImageChecker
from flyte._kit.lazy import lazy_module
from flyte._pod import DEFAULT_CONTAINER as PRIMARY_CONTAINER_DEFAULT_NAME
from flyte._session import initialized as is_initialized
from flyte._task import AsyncFunctionTaskTemplate, RuntimeTaskTemplate, TaskTemplate
from flyte._task_plugins import TaskPluginRegistry
from flyte._wire.pods import pod_spec_from_resources
from flyte._wire.resources import container_resources as get_proto_resources
from flyte._wire.resources import extended_resources as get_proto_extended_resources
from flyte.remote._artifacts import download_code_bundle

__all__ = [
    "PRIMARY_CONTAINER_DEFAULT_NAME",
    "Architecture",
    "AsyncFunctionTaskTemplate",
    "ImageBuildEngine",
    "ImageBuilder",
    "ImageChecker",
    "RuntimeTaskTemplate",
    "TaskPluginRegistry",
    "TaskTemplate",
    "download_code_bundle",
    "get_proto_extended_resources",
    "get_proto_resources",
    "is_initialized",
    "lazy_module",
    "pod_spec_from_resources",
]
