"""`upload_file` and `upload_dir`: what tasks of the session's control plane shall find, without a run."""

import asyncio
import hashlib
import secrets
from pathlib import Path

from flyte import _session, errors
from flyte._client.data import DataLinks
from flyte.syncify import syncify

_AT_ONCE = 8


@syncify
async def upload_file(
    fp: Path, verify: bool = True, fname: str | None = None, content_type: str | None = None
) -> tuple[str, str]:
    """Send a file to the control plane's store.

    Args:
        fp: the file.
        verify: whether the connection's certificate is checked; it always is.
        fname: its name there; its own by default.
        content_type: what is in it; the store here keeps no types, so that only None is accepted.

    Returns:
        Its MD5 checksum as hexadecimal text, and its address, which tasks can read.

    Raises:
        DefinitionError: there is no such file, or an argument asks for what is not possible.
        StorageError: it could not be sent.

    Example:
        >>> md5, uri = flyte.remote.upload_file(Path("stations.csv"))
        >>> flyte.run(load, File(path=uri))
    """
    _check(verify)
    if content_type is not None:
        raise errors.DefinitionError(
            f"content_type={content_type!r}: the store keeps no types of contents; leave it out"
        )
    if not await asyncio.to_thread(fp.is_file):
        raise errors.DefinitionError(
            f"{fp} is no file; pass the path of one (a folder: upload_dir)"
        )
    links = await _links()
    md5, uri = await asyncio.gather(asyncio.to_thread(_md5, fp), links.upload(fp, fname or fp.name))
    return md5, uri


@syncify
async def upload_dir(dir_path: Path, verify: bool = True, prefix: str | None = None) -> str:
    """Send a folder with all below it to the control plane's store.

    Args:
        dir_path: the folder; links to files are followed, links to folders are not.
        verify: whether the connection's certificate is checked; it always is.
        prefix: name of the folder there; a new one by default.

    Returns:
        Its address, which tasks can read: `Dir(path=uri)`.

    Raises:
        DefinitionError: it is no folder, or has no files.
        StorageError: a file could not be sent.
    """
    _check(verify)
    if not await asyncio.to_thread(dir_path.is_dir):
        raise errors.DefinitionError(f"{dir_path} is no folder; pass the path of one")
    files = await asyncio.to_thread(_files, dir_path)
    if not files:
        raise errors.DefinitionError(f"{dir_path} has no files; there is nothing to send")
    links, folder = await _links(), prefix or secrets.token_hex(16)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def send(file: Path) -> str:
        name = file.relative_to(dir_path).as_posix()
        async with gate:
            uri = await links.upload(file, name, folder=folder)
        return uri.removesuffix(name).rstrip("/")

    async with asyncio.TaskGroup() as group:
        sent = [group.create_task(send(file)) for file in files]
    return sent[0].result()


def _check(verify: bool) -> None:
    if not verify:
        raise errors.DefinitionError(
            "verify=False would hide an impostor; name the authority's certificate in flyte.init(ca_cert_file_path=…)"
        )


async def _links() -> DataLinks:
    session = _session.current()
    plane = await session.control_plane()
    return DataLinks(plane, _session.current_project(), _session.current_domain(), session.org)


def _md5(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
