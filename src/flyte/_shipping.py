"""The code of tasks on its way to a control plane: bundled, sent once, and remembered."""

import asyncio
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flyte._client import ControlPlane
from flyte._client.data import DataLinks
from flyte._code import bundle, uploads
from flyte._code.bundle import Bundle
from flyte._context import CodeBundle
from flyte._options import CopyFiles
from flyte._session import Address, Session
from flyte.config import _read

_log = logging.getLogger("flyte.run")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where code is sent: a control plane, and a project on it."""

    plane: ControlPlane
    address: Address
    project: str
    domain: str
    org: str | None

    @property
    def name(self) -> str:
        """What is remembered of it."""
        # The embedded control plane may have another port next time, but its files stay.
        server = str(_read.flyte_home()) if self.address.embedded else self.address.endpoint
        return f"{server}\0{self.project}\0{self.domain}"


async def bundled(
    style: CopyFiles, root: Path, *, include: Sequence[str] = (), copy_to: Path | None = None
) -> Bundle | None:
    """The code below `root`; None if the style sends none.

    Args:
        style: which files.
        root: where names of modules and files begin.
        include: further files, as paths below the root (`Environment.include`).
        copy_to: a folder that also gets the archive, to look at.

    Raises:
        CodeBundleError: there is no code, or a file cannot be read.
    """
    if style == "none":
        return None
    made = await asyncio.to_thread(bundle.build, style, root, include)
    if copy_to is not None:
        await asyncio.to_thread(_copied, made, copy_to)
    return made


def _copied(made: Bundle, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / made.filename).write_bytes(made.archive())


def code_bundle(made: Bundle, native_url: str) -> CodeBundle:
    """What a specification says of a bundle."""
    return CodeBundle(computed_version=made.version, tgz=native_url)


def unsent(made: Bundle) -> CodeBundle:
    """The same, where nothing is sent."""
    return code_bundle(made, f"<dry-run>/{made.filename}")


async def sent(made: Bundle, to: Destination) -> CodeBundle:
    """The bundle with the address under which tasks read it; it is sent unless the control plane got it within a day.

    Raises:
        UnionRpcError: the control plane cannot be reached, or refuses.
    """
    known = uploads.recall(to.name, made.filename)
    if known is not None:
        return code_bundle(made, known)
    data = await asyncio.to_thread(made.archive)
    links = DataLinks(to.plane, to.project, to.domain, to.org, direct=False)
    native_url = await links.upload([data], made.filename)
    uploads.remember(to.name, made.filename, native_url)
    _log.debug(
        "code bundle %s (%d files, %d bytes) sent", made.filename, len(made.files), len(data)
    )
    return code_bundle(made, native_url)


def places(session: Session, root: Path, *, embedded: bool) -> dict[str, str]:
    """Variables that say where modules are, and with which Python tasks run.

    Args:
        session: whether it gives its `sys.path` to tasks.
        root: the root of the code.
        embedded: the control plane is that of this machine.
    """
    found: dict[str, str] = {}
    if session.sync_local_sys_paths:
        found["_F_SYS_PATH"] = ":".join(bundle.relative_sys_path(root))
    if embedded:
        # Tasks on this machine run in the interpreter of the caller, with the packages that it has.
        found["VIRTUAL_ENV"] = sys.prefix
    return found
