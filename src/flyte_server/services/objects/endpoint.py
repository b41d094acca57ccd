"""The ASGI application of the bucket: who asks, for what, and the answer."""

import errno
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

from flyte_server.blobs import LocalBlobs
from flyte_server.clock import Clock
from flyte_server.domain.errors import Invalid
from flyte_server.services.http import asgi, giving
from flyte_server.services.http.asgi import Headers, Receive, Scope, Send
from flyte_server.services.objects import conditions, documents, errors, listing, payloads, requests
from flyte_server.services.objects.credentials import Credentials, Reach
from flyte_server.services.objects.errors import ObjectError
from flyte_server.services.objects.multipart import MOST_PARTS, Uploads
from flyte_server.services.objects.payloads import Payload
from flyte_server.services.objects.requests import Request
from flyte_server.services.objects.signatures import Signed

_US = 1_000_000
_LARGEST_DOCUMENT = 4 * 1024 * 1024
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_IN_THE_WAY = frozenset({errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY})
_CHANGES = frozenset({"PUT", "POST", "DELETE"})
_QUESTIONS = frozenset(
    {
        "acl",
        "attributes",
        "cors",
        "encryption",
        "legal-hold",
        "lifecycle",
        "notification",
        "object-lock",
        "policy",
    }
    | {
        "replication",
        "restore",
        "retention",
        "select",
        "tagging",
        "torrent",
        "versioning",
        "versions",
        "website",
    }
)
"""What S3 knows of objects and buckets, and we do not."""
_XML: Headers = [(b"content-type", b"application/xml")]
_SAFE: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox"),
    (b"content-type", b"application/octet-stream"),
]


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose caller is known."""

    request: Request
    signed: Signed
    secret: str
    reach: Reach
    scope: Scope
    receive: Receive
    send: Send

    @property
    def key(self) -> str:
        return self.request.key

    def payload(self) -> Payload:
        """The content that is sent along."""
        return payloads.payload(self.request, self.signed, self.secret, asgi.body(self.receive))

    async def document(self, blobs: LocalBlobs) -> bytes:
        """The whole of a body that is XML."""
        payload = self.payload()
        if (payload.announced.length or 0) > _LARGEST_DOCUMENT:
            raise errors.invalid("The document is too large.", "MaxMessageLengthExceeded")
        return await blobs.whole(payload.chunks, payload.announced)


Handle = Callable[[Call], Awaitable[None]]


class Objects:
    """Answers below `/<bucket>`.

    Args:
        work: a folder for parts of uploads.
    """

    def __init__(
        self, blobs: LocalBlobs, credentials: Credentials, clock: Clock, *, work: Path
    ) -> None:
        self._blobs = blobs
        self._credentials = credentials
        self._clock = clock
        self._uploads = Uploads(work, blobs)
        self._of_bucket: Mapping[tuple[str, str], Handle] = {
            ("GET", ""): self._list,
            ("HEAD", ""): self._head_bucket,
            ("GET", "location"): self._location,
            ("POST", "delete"): self._delete_many,
        }
        self._of_object: Mapping[tuple[str, str], Handle] = {
            ("GET", ""): self._get,
            ("HEAD", ""): self._get,
            ("PUT", ""): self._put,
            ("DELETE", ""): self._delete,
            ("POST", "uploads"): self._create,
            ("PUT", "uploadId"): self._put_part,
            ("GET", "uploadId"): self._list_parts,
            ("POST", "uploadId"): self._complete,
            ("DELETE", "uploadId"): self._abort,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        resource = ""
        try:
            request = Request.of(scope)
            resource = request.path
            call = await self._known(request, scope, receive, send=send)
            await self._handler(call)(call)
        except ObjectError as fault:
            await _refuse(send, scope, fault, resource)
        except Invalid as error:
            await _refuse(send, scope, errors.invalid(str(error), "BadDigest"), resource)
        except OSError as error:
            await _refuse(send, scope, _of_disk(error), resource)
        except asgi.Gone:
            return

    async def _known(self, request: Request, scope: Scope, receive: Receive, *, send: Send) -> Call:
        """The request, if its signature is right."""
        now_us = self._clock.now_us()
        signed = Signed.of(request)
        secret = self._credentials.secret(signed.access_key)
        signed.check(request, secret, now_us / _US)
        changes = request.method in _CHANGES
        reach = await self._credentials.reach(signed.access_key, now_us, changes=changes)
        return Call(request, signed, secret, reach, scope, receive, send)

    def _handler(self, call: Call) -> Handle:
        request = call.request
        names = {name for name, _ in request.query}
        if request.bucket != self._blobs.bucket.name:
            raise errors.ObjectError(
                HTTPStatus.NOT_FOUND, "NoSuchBucket", f"There is no bucket {request.bucket!r} here."
            )
        if unknown := names & _QUESTIONS:
            raise errors.unsupported(", ".join(sorted(unknown)))
        table = self._of_object if request.key else self._of_bucket
        about = next(
            (name for name in ("uploads", "uploadId", "location", "delete") if name in names), ""
        )
        handle = table.get((request.method, about))
        if handle is None:
            raise errors.ObjectError(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                f"There is no {request.method} {about} here.",
            )
        return handle

    # --- one object ---------------------------------------------------------------------------------

    def _readable(self, call: Call, key: str) -> Path:
        call.reach.check_read(requests.check_key(key))
        return self._blobs.confined(key)

    def _writable(self, call: Call, key: str) -> Path:
        call.reach.check_write(requests.check_key(key))
        path = self._blobs.confined(key)
        # A link that a task has made may lead to what it may not change: the place counts, not the name.
        call.reach.check_write(path.relative_to(self._blobs.root).as_posix())
        return path

    async def _get(self, call: Call) -> None:
        async with self._blobs.opened(self._readable(call, call.key)) as blob:
            if blob is None:
                raise errors.missing(call.key)
            changed = (b"last-modified", formatdate(blob.status.st_mtime, usegmt=True).encode())
            conditions.check_unchanged(call.request, blob.etag, blob.status.st_mtime)
            if conditions.is_known(call.request, blob.etag, blob.status.st_mtime):
                kept: Headers = [(b"etag", blob.etag.encode()), changed]
                await asgi.answer(call.send, HTTPStatus.NOT_MODIFIED, b"", headers=kept)
            elif not await giving.give(call.scope, blob, [changed, *_SAFE], send=call.send):
                raise errors.ObjectError(
                    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                    "InvalidRange",
                    f"The object has {blob.size} bytes; the range begins behind its end.",
                )

    async def _put(self, call: Call) -> None:
        path, only_new = self._writable(call, call.key), conditions.only_new(call.request)
        source = call.request.header("x-amz-copy-source")
        if source:
            await self._copy(call, source, path, only_new=only_new)
            return
        payload = call.payload()
        with conditions.kept(only_new):
            await self._blobs.receive(path, payload.chunks, payload.announced, only_new=only_new)
        etag, _ = await self._blobs.mark(path)
        await asgi.answer(call.send, HTTPStatus.OK, b"", headers=[(b"etag", etag.encode())])

    async def _copy(self, call: Call, source: str, path: Path, *, only_new: bool) -> None:
        bucket, _, key = unquote(source.partition("?")[0]).removeprefix("/").partition("/")
        if bucket != self._blobs.bucket.name:
            raise errors.invalid(f"Only objects of this bucket can be copied, not {source!r}.")
        if call.request.parameter("partNumber") is not None:
            raise errors.unsupported("copies of parts")
        origin = self._readable(call, key)
        with conditions.kept(only_new):
            try:
                await self._blobs.join(path, [origin], only_new=only_new)
            except FileNotFoundError:
                raise errors.missing(key) from None
        body = documents.copied(*await self._blobs.mark(path))
        await asgi.answer(call.send, HTTPStatus.OK, body, headers=_XML)

    async def _delete(self, call: Call) -> None:
        await self._blobs.remove(self._writable(call, call.key))
        await asgi.answer(call.send, HTTPStatus.NO_CONTENT, b"")

    # --- uploads in parts ---------------------------------------------------------------------------

    async def _create(self, call: Call) -> None:
        self._writable(call, call.key)
        upload_id = await self._uploads.create(call.key, call.signed.access_key)
        body = documents.created(self._blobs.bucket.name, call.key, upload_id)
        await asgi.answer(call.send, HTTPStatus.OK, body, headers=_XML)

    async def _upload(self, call: Call) -> tuple[Path, str]:
        upload_id = call.request.parameter("uploadId") or ""
        folder = await self._uploads.opened(upload_id, call.key, call.signed.access_key)
        return folder, upload_id

    async def _put_part(self, call: Call) -> None:
        if call.request.header("x-amz-copy-source"):
            raise errors.unsupported("copies of parts")
        folder, _ = await self._upload(call)
        number, payload = call.request.number("partNumber", 0, highest=MOST_PARTS), call.payload()
        etag = await self._uploads.put(folder, number, payload.chunks, payload.announced)
        await asgi.answer(call.send, HTTPStatus.OK, b"", headers=[(b"etag", etag.encode())])

    async def _list_parts(self, call: Call) -> None:
        folder, upload_id = await self._upload(call)
        found = await self._uploads.parts(folder)
        body = documents.parts(self._blobs.bucket.name, call.key, upload_id, found)
        await asgi.answer(call.send, HTTPStatus.OK, body, headers=_XML)

    async def _complete(self, call: Call) -> None:
        path, only_new = self._writable(call, call.key), conditions.only_new(call.request)
        folder, _ = await self._upload(call)
        wanted = documents.read_parts(await call.document(self._blobs))
        with conditions.kept(only_new):
            await self._uploads.complete(folder, wanted, path, only_new=only_new)
        etag, _ = await self._blobs.mark(path)
        body = documents.completed(self._blobs.bucket.name, call.key, etag)
        await asgi.answer(call.send, HTTPStatus.OK, body, headers=_XML)

    async def _abort(self, call: Call) -> None:
        folder, _ = await self._upload(call)
        await self._uploads.abort(folder)
        await asgi.answer(call.send, HTTPStatus.NO_CONTENT, b"")

    # --- the bucket ---------------------------------------------------------------------------------

    async def _list(self, call: Call) -> None:
        body = await listing.page(call.request, call.reach, self._blobs)
        await asgi.answer(call.send, HTTPStatus.OK, body, headers=_XML)

    async def _head_bucket(self, call: Call) -> None:
        await asgi.answer(call.send, HTTPStatus.OK, b"")

    async def _location(self, call: Call) -> None:
        await asgi.answer(call.send, HTTPStatus.OK, documents.location(), headers=_XML)

    async def _delete_many(self, call: Call) -> None:
        keys, quiet = documents.read_keys(await call.document(self._blobs))
        done: list[str] = []
        failed: list[tuple[str, ObjectError]] = []
        for key in keys:
            try:
                await self._blobs.remove(self._writable(call, key))
                done.append(key)
            except ObjectError as fault:
                failed.append((key, fault))
        body = documents.deleted(done, failed, quiet=quiet)
        await asgi.answer(call.send, HTTPStatus.OK, body, headers=_XML)


async def _refuse(send: Send, scope: Scope, fault: ObjectError, resource: str) -> None:
    body = b"" if scope["method"] == "HEAD" else documents.error(fault, resource)
    await asgi.answer(send, fault.status, body, headers=_XML)


def _of_disk(error: OSError) -> ObjectError:
    if error.errno in _FULL:
        said = "The disk of the control plane is full; make room, and send it again."
        return ObjectError(HTTPStatus.INSUFFICIENT_STORAGE, "InsufficientStorage", said)
    if error.errno in _IN_THE_WAY:
        said = "Objects are files here: a key cannot be both an object and the beginning of others."
        return ObjectError(HTTPStatus.CONFLICT, "OperationAborted", said)
    if error.errno == errno.ENAMETOOLONG:
        return errors.invalid("A part of the key is longer than 255 bytes.", "KeyTooLongError")
    said = f"The disk of the control plane fails ({error.strerror}); look at it."
    return ObjectError(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable", said)
