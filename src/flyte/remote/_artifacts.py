"""What an action has beside inputs, outputs and logs: the report that it writes, and the code that it runs."""

import asyncio
import tempfile
from pathlib import Path

from flyteidl2.common import identifier_pb2
from flyteidl2.dataproxy import dataproxy_service_pb2

from flyte import _session, errors
from flyte._client import documents
from flyte._context import CodeBundle
from flyte._runtime import bundles
from flyte.io import _place
from flyte.remote._details import ActionDetails


async def report(action_id: identifier_pb2.ActionIdentifier, attempt: int | None) -> str:
    """The report as it was written last: an HTML document.

    Args:
        action_id: the action.
        attempt: number of the attempt, from 1 (default: the latest).

    Raises:
        ActionNotFoundError: there is no such action.
        RuntimeUserError: the attempt has written no report (code `NoReport`).
        StorageError: the link does not give the file.
    """
    details = await ActionDetails.get_details.aio(action_id)
    number = attempt or max(details.attempts, 1)
    links = await _links(action_id, number)
    if not links:
        raise errors.RuntimeUserError(
            "NoReport",
            f"{details.run_name}/{details.name} has written no report in attempt {number}"
            + ("" if details.attempt_ended(number) else " yet")
            + "; a task writes one with flyte.report.log() and shows it with flyte.report.flush()",
        )
    plane = await _session.current().control_plane()
    http = plane.transport_to(links[0])
    return (await documents.whole(links[0], http)).decode("utf-8", "replace")


async def _links(action_id: identifier_pb2.ActionIdentifier, attempt: int) -> list[str]:
    """Signed links of the report; none if there is no report."""
    request = dataproxy_service_pb2.CreateDownloadLinkRequest(
        artifact_type=dataproxy_service_pb2.ARTIFACT_TYPE_REPORT,
        action_attempt_id=identifier_pb2.ActionAttemptIdentifier(
            action_id=action_id, attempt=attempt
        ),
    )
    plane = await _session.current().control_plane()
    try:
        response = await plane.dataproxy.create_download_link(request)
    except errors.UnionRpcError as error:
        if error.code == "not_found":
            return []
        raise
    return list(response.pre_signed_urls.signed_url)


async def download_code_bundle(code_bundle: CodeBundle) -> CodeBundle:
    """Fetch a code bundle and unpack it into its `destination`, relative to the working directory.

    It is read from its store, or through the session's control plane if this machine does not reach that.

    Returns:
        The same bundle with `downloaded_path`: the folder of its files, or the file of a pickled one.

    Raises:
        CodeBundleError: when it has no address, is damaged, or would write outside of its folder.
        StorageError: when it cannot be fetched.
    """
    folder = Path.cwd() / code_bundle.destination
    if code_bundle.tgz is not None:
        await _unpack(code_bundle.tgz, folder)
        return code_bundle.with_downloaded_path(folder)
    if code_bundle.pkl is not None:
        file = folder / Path(code_bundle.pkl).name
        await _place.fetch(code_bundle.pkl, file)
        return code_bundle.with_downloaded_path(file)
    raise errors.CodeBundleError(
        f"code bundle {code_bundle.computed_version!r} has no address (neither tgz nor pkl); "
        "its code is in the task's image"
    )


async def download_code(
    details: ActionDetails, dest: str | Path | None, *, extract: bool, attempt: int | None
) -> Path:
    """Bring the code of an action here; every attempt of it runs the same.

    Args:
        details: the action.
        dest: the folder for it; a new one by default.
        extract: False keeps the archive as it is.
        attempt: number of an attempt, from 1, which must exist.

    Returns:
        The folder of its files; the archive if it is not extracted, or a pickled bundle.

    Raises:
        DefinitionError: there is no such attempt.
        CodeBundleError: its code is in its image, or the archive would write outside of its folder.
        StorageError: it cannot be fetched.
    """
    what = f"{details.run_name}/{details.name}"
    if attempt is not None and not 1 <= attempt <= details.attempts:
        raise errors.DefinitionError(
            f"attempt={attempt}: {what} has {details.attempts} attempts; count from 1"
        )
    bundle = details.code_bundle
    uri = None if bundle is None else bundle.tgz or bundle.pkl
    if bundle is None or uri is None:
        raise errors.CodeBundleError(f"{what} has no code bundle: its code is in its image")
    folder = (
        Path(dest) if dest is not None else Path(tempfile.mkdtemp(prefix=f"{details.run_name}-"))
    )
    if extract and bundle.tgz is not None:
        await _unpack(uri, folder)
        return folder
    file = folder / uri.rpartition("/")[2]
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    await _place.fetch(uri, file)
    return file


async def _unpack(uri: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="flyte-bundle-") as scratch:
        archive = Path(scratch, "bundle.tgz")
        await _place.fetch(uri, archive)
        data = await asyncio.to_thread(archive.read_bytes)
    await asyncio.to_thread(bundles.extract, data, folder, uri)
