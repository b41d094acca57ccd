"""What a cluster would decide and one machine answers with a constant: which cluster, which image."""

from typing import Any

from connectrpc.request import RequestContext
from flyteidl2.cluster import payload_pb2 as cluster_pb2
from flyteidl2.cluster import service_connect as cluster_connect
from flyteidl2.imagebuilder import definition_pb2
from flyteidl2.imagebuilder import payload_pb2 as image_pb2
from flyteidl2.imagebuilder import service_connect as image_connect

from flyte_server.services.wire import ids

Context = RequestContext[Any, Any]


class ClusterService(cluster_connect.ClusterService):
    """An empty endpoint means: the one that was asked."""

    async def select_cluster(
        self, request: cluster_pb2.SelectClusterRequest, ctx: Context
    ) -> cluster_pb2.SelectClusterResponse:
        return cluster_pb2.SelectClusterResponse(cluster_endpoint="", cluster=ids.ORG)


class ImageService(image_connect.ImageService):
    """Every image exists: tasks run in Python environments of this machine, and no image is ever
    built."""

    async def get_image(
        self, request: image_pb2.GetImageRequest, ctx: Context
    ) -> image_pb2.GetImageResponse:
        name = request.id.name
        return image_pb2.GetImageResponse(
            image=definition_pb2.Image(id=request.id, fqin=name or "flyte-local/any:latest")
        )
