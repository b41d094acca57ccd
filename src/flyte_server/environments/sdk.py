"""What of the SDK an environment has: our packages by a link, what they need by their metadata.

The package index has another project under our name, and must not be asked: the environments of this machine see the
very packages that are installed beside the control plane, so that control plane and task cannot differ.
"""

import hashlib
import importlib.util
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

_DISTRIBUTION = "flyte-standalone"
_PACKAGES = ("flyte", "flyte_protocol")
NOT_FROM_AN_INDEX = ("flyte", _DISTRIBUTION)
"""Names in users' requirements that mean this SDK."""
_OF_THE_CONTROL_PLANE = frozenset({"aiosql", "httptools", "uv", "uvicorn"})
"""What tasks never import."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def identity() -> str:
    """Changes when an environment made for this SDK cannot serve it any more: eight hexadecimal digits."""
    text = "\n".join((metadata.version(_DISTRIBUTION), *sorted(requirements())))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def requirements() -> list[str]:
    """What our packages need, as they declare it."""
    return [
        text
        for text in metadata.requires(_DISTRIBUTION) or ()
        if not _is_extra(text) and _name(text) not in _OF_THE_CONTROL_PLANE
    ]


def pins() -> list[str]:
    """The same and all that it needs in turn, in the versions that are installed here."""
    found: dict[str, str] = {}
    waiting = [_name(text) for text in requirements()]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # not needed on this system
        needed = metadata.requires(name) or ()
        waiting.extend(_name(text) for text in needed if not _is_extra(text))
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def link(folder: Path) -> Path:
    """Make the folder that holds our packages and nothing else, as links; what was there is corrected.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for target in _places():
        place = folder / target.name
        if place.is_symlink() and place.readlink() == target:
            continue
        place.unlink(missing_ok=True)
        place.symlink_to(target)
    return folder


def _places() -> Iterator[Path]:
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None, f"{package} is installed beside the control plane"
        yield from map(Path, spec.submodule_search_locations or ())
    distribution = metadata.distribution(_DISTRIBUTION)
    for file in distribution.files or ():
        if file.name == "METADATA":
            yield Path(str(distribution.locate_file(file))).parent


def _is_extra(requirement: str) -> bool:
    return "extra ==" in requirement


def _name(requirement: str) -> str:
    match = _NAME.match(requirement)
    return match[0].lower().replace("_", "-").replace(".", "-") if match else ""
