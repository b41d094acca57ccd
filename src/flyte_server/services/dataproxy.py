"""DataProxyService: how data gets to and from a client that does not see our files."""

import base64
import posixpath
import secrets
from collections.abc import AsyncIterator
from typing import Any

from connectrpc.request import RequestContext
from flyteidl2.dataproxy import dataproxy_service_connect, dataproxy_service_pb2
from flyteidl2.logs.dataplane import payload_pb2

from flyte_server.blobs import Link, LocalBlobs
from flyte_server.domain.errors import Invalid, NotFound
from flyte_server.domain.records import Action
from flyte_server.services import links
from flyte_server.services.catalogue.tasks import TaskBook
from flyte_server.services.directory import Directory
from flyte_server.services.links import Links
from flyte_server.services.logs.tails import LogTails
from flyte_server.services.runs import details
from flyte_server.services.runs.creation import InputStore
from flyte_server.services.wire import actions as wire_actions
from flyte_server.services.wire import ids, specs, times
from flyte_server.services.wire.ids import ProjectName

Context = RequestContext[Any, Any]

REPORT_FILE = "report.html"
_MD5_BYTES = 16


class DataProxyService(dataproxy_service_connect.DataProxyService):
    """Upload, download, read values, tail logs."""

    def __init__(
        self,
        blobs: LocalBlobs,
        directory: Directory,
        tasks: TaskBook,
        *,
        links: Links,
        inputs: InputStore,
        details: details.Details,
        logs: LogTails,
    ) -> None:
        self._blobs = blobs
        self._directory = directory
        self._tasks = tasks
        self._links = links
        self._inputs = inputs
        self._details = details
        self._logs = logs

    async def create_upload_location(
        self, request: dataproxy_service_pb2.CreateUploadLocationRequest, ctx: Context
    ) -> dataproxy_service_pb2.CreateUploadLocationResponse:
        path = _upload_path(request)
        md5 = base64.b64encode(request.content_md5).decode()
        await self._blobs.renew(path)  # if it is there, the client may decide not to send it again
        expires_at = self._links.expiry(times.seconds(request.expires_in))
        link = Link("PUT", path, expires_at, md5, request.content_length or None)
        return dataproxy_service_pb2.CreateUploadLocationResponse(
            signed_url=self._links.url(link, ctx.request_headers()),
            native_url=str(self._blobs.confined(path)),
            expires_at=times.timestamp(expires_at),
            headers={"Content-MD5": md5} if md5 else {},
        )

    async def upload_inputs(
        self, request: dataproxy_service_pb2.UploadInputsRequest, ctx: Context
    ) -> dataproxy_service_pb2.UploadInputsResponse:
        project = _project(request)
        if request.WhichOneof("task") == "task_id":
            spec = (await self._tasks.deployed(ids.task(request.task_id))).spec
        else:
            spec = request.task_spec
        inputs = specs.with_defaults(request.inputs, spec.default_inputs)
        ignored = spec.task_template.metadata.cache_ignore_input_vars
        data = await self._inputs.save(project, inputs, ignored)
        return dataproxy_service_pb2.UploadInputsResponse(offloaded_input_data=data)

    async def create_download_link(
        self, request: dataproxy_service_pb2.CreateDownloadLinkRequest, ctx: Context
    ) -> dataproxy_service_pb2.CreateDownloadLinkResponse:
        uri = await self._artifact(request)
        path = self._blobs.relative(uri)
        if not self._blobs.confined(path).is_file():
            raise NotFound(
                f"There is no file at {uri} (yet); it appears when the attempt has written it."
            )
        expires_at = self._links.expiry(times.seconds(request.expires_in))
        link = Link("GET", path, expires_at)
        urls = dataproxy_service_pb2.PreSignedURLs(
            signed_url=[self._links.url(link, ctx.request_headers())],
            expires_at=times.timestamp(expires_at),
        )
        return dataproxy_service_pb2.CreateDownloadLinkResponse(pre_signed_urls=urls)

    async def get_action_data(
        self, request: dataproxy_service_pb2.GetActionDataRequest, ctx: Context
    ) -> dataproxy_service_pb2.GetActionDataResponse:
        _, action = await self._directory.action(ids.action(request.action_id))
        inputs, outputs = await self._details.data(action)
        return dataproxy_service_pb2.GetActionDataResponse(
            inputs=inputs,
            outputs=outputs,
            inputs_uri=action.input_uri,
            outputs_uri=details.outputs_uri(action),
        )

    def tail_logs(
        self, request: dataproxy_service_pb2.TailLogsRequest, ctx: Context
    ) -> AsyncIterator[dataproxy_service_pb2.TailLogsResponse]:
        return self._logs.follow(request.action_id, request.attempt, _log_lines)

    async def _artifact(self, request: dataproxy_service_pb2.CreateDownloadLinkRequest) -> str:
        """Address of the file that is asked for."""
        source = request.WhichOneof("source")
        if source == "task_id":
            deployed = await self._tasks.deployed(ids.task(request.task_id))
            return _bundle(deployed.spec.task_template.metadata.code_bundle_uri)
        if source != "action_attempt_id":
            raise Invalid(
                "CreateDownloadLink needs action_attempt_id or task_id; send one of them."
            )
        attempt = request.action_attempt_id
        facts, action = await self._directory.action(ids.action(attempt.action_id))
        if request.artifact_type == dataproxy_service_pb2.ARTIFACT_TYPE_CODE_BUNDLE:
            found = await self._details.action(facts, action)
            return _bundle(found.task.task_template.metadata.code_bundle_uri)
        return posixpath.join(_attempt_directory(action, attempt.attempt), REPORT_FILE)


def _attempt_directory(action: Action, number: int) -> str:
    if number in {0, action.attempt}:
        return wire_actions.output_uri(action)
    return f"{action.output_base}/{action.name}/{number}"


def _bundle(uri: str) -> str:
    if not uri:
        raise NotFound("The task has no code bundle: its code came with its image.")
    return uri


def _project(request: dataproxy_service_pb2.UploadInputsRequest) -> ProjectName:
    if request.WhichOneof("id") == "run_id":
        run = ids.run(request.run_id)
        return ProjectName(run.project, run.domain)
    return ids.project(request.project_id)


def _upload_path(request: dataproxy_service_pb2.CreateUploadLocationRequest) -> str:
    """Where an upload goes: under its checksum, so that equal contents meet and different ones
    never do."""
    md5 = request.content_md5
    if md5 and len(md5) != _MD5_BYTES:
        raise Invalid(
            f"content_md5 has {len(md5)} bytes; send the {_MD5_BYTES} raw bytes of the checksum."
        )
    folder = request.filename_root or (md5.hex() if md5 else secrets.token_hex(_MD5_BYTES))
    name = request.filename or "content"
    return links.upload_path(request.project, request.domain, f"{folder}/{name}")


def _log_lines(lines: list[payload_pb2.LogLine]) -> dataproxy_service_pb2.TailLogsResponse:
    if not lines:
        return dataproxy_service_pb2.TailLogsResponse()
    logs = dataproxy_service_pb2.TailLogsResponse.Logs(lines=lines)
    return dataproxy_service_pb2.TailLogsResponse(logs=[logs])
