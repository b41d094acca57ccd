"""Code bundles in a worker: fetched and unpacked once, shared by all processes that use them."""

import hashlib
import io
import os
import secrets
import shutil
import stat
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from flyte import errors, storage
from flyte._context import CodeBundle

_DONE = ".unpacked"


async def unpack(bundle: CodeBundle, *, home: str | None, options: Mapping[str, str]) -> Path:
    """The folder with the bundle's files; it is made if this is the first process that needs it.

    With a `home` the folder is named after the bundle's address and version and shared by everyone;
    without one the files go to the bundle's own destination, which a container has to itself.

    Raises:
        flyte.errors.CodeBundleError: when the archive is damaged or would write outside of its
            folder.
        flyte.errors.StorageError: when it cannot be fetched.
    """
    assert bundle.tgz is not None, "pickled bundles are not unpacked"
    if home is None:
        target = Path.cwd() / bundle.destination
        extract(await storage.read(bundle.tgz, settings=options), target, bundle.tgz)
        return target
    target = Path(home, "work", "bundles", _identity(bundle))
    try:
        os.utime(target / _DONE)  # the control plane removes what no task has begun with for long
    except FileNotFoundError:
        _publish(await storage.read(bundle.tgz, settings=options), target, bundle.tgz)
    return target


def first_on_path(root: Path, entries: Sequence[str]) -> None:
    """Make the user's modules win over all others.

    Args:
        root: the folder with the code.
        entries: folders below it that were on the client's path, relative to it, in its order.
    """
    folders = [str(root / entry) for entry in entries]
    if str(root) not in folders:
        folders.insert(0, str(root))
    wanted = list(dict.fromkeys(folders))
    sys.path[:] = wanted + [entry for entry in sys.path if entry not in wanted]


def _identity(bundle: CodeBundle) -> str:
    # A bundle's address carries the hash of its content; the version keeps bundles of other makers
    # apart.
    identity = f"{bundle.tgz}\0{bundle.computed_version}".encode()
    return hashlib.blake2b(identity, digest_size=16).hexdigest()


def _publish(data: bytes, target: Path, uri: str) -> None:
    """Unpack beside the target and move it there: others see all of it or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    private = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        extract(data, private, uri)
        (private / _DONE).touch()
        try:
            os.rename(private, target)  # noqa: PTH104 - fails if the target is there, unlike Path.replace
        except OSError:
            # Another process was faster; only a folder without its mark (a crash of the past) is in
            # the way.
            if not (target / _DONE).exists():
                shutil.rmtree(target, ignore_errors=True)
                os.rename(private, target)  # noqa: PTH104 - as above
    finally:
        shutil.rmtree(private, ignore_errors=True)


def extract(data: bytes, folder: Path, uri: str) -> None:
    """Unpack a tar archive of plain files; nothing can be written outside of the folder.

    Raises:
        flyte.errors.CodeBundleError: when it is damaged or would write elsewhere.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
            for member in archive:
                _extract_member(archive, member, folder)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise errors.CodeBundleError(
            f"code bundle {uri} cannot be unpacked into {folder}: {error}; run again to build and "
            "upload a new one"
        ) from error


def _extract_member(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    # Not `extractall(filter="data")`: Python 3.11 before 3.11.4 does not have it.
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise ValueError(f"{member.name} would be written outside of the folder")
    target = folder / name
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    content = archive.extractfile(member) if member.isfile() else None
    if content is None:
        raise ValueError(f"{member.name} is neither a file nor a folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # never write through a link that was there before
    target.write_bytes(content.read())
    target.chmod(stat.S_IMODE(member.mode) & 0o777 | stat.S_IRUSR)
