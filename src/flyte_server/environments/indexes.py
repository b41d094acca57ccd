"""Where packages come from on this machine: what pip is configured with, in uv's words."""

import configparser
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

_SECTIONS = ("global", "install")
"""Of pip's files; the later one wins."""
_FOREIGN = (
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "CONDA_DEFAULT_ENV",
    "PYTHONPATH",
    "PYTHONHOME",
    "__PYVENV_LAUNCHER__",
)
"""Variables that would lead uv or the new interpreter elsewhere."""
_UV_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")


def variables(base: Mapping[str, str]) -> dict[str, str]:
    """The environment of uv: `base` without what belongs to another interpreter, and pip's indexes.

    What is configured for uv itself wins over what is configured for pip.
    """
    env = {name: value for name, value in base.items() if name not in _FOREIGN}
    pip = {**_of_files(base), **_of_variables(base)}
    if not any(base.get(name) for name in _UV_INDEXES):
        _put(env, "UV_DEFAULT_INDEX", pip.get("index-url", ""))
        _put(env, "UV_INDEX", " ".join(pip.get("extra-index-url", "").split()))
    if "UV_FIND_LINKS" not in base:
        places = [each for each in pip.get("find-links", "").split() if _is_there(each)]
        _put(env, "UV_FIND_LINKS", ",".join(places))
    if pip.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        env.setdefault("UV_NO_INDEX", "1")
    if "SSL_CERT_FILE" not in base:
        _put(env, "SSL_CERT_FILE", pip.get("cert", ""))
    if "UV_INSECURE_HOST" not in base:
        _put(env, "UV_INSECURE_HOST", " ".join(pip.get("trusted-host", "").split()))
    env["PATH"] = ":".join(_unshimmed(base))
    return env


def _put(env: dict[str, str], name: str, value: str) -> None:
    if value:
        env[name] = value


def _of_variables(base: Mapping[str, str]) -> dict[str, str]:
    prefix = "PIP_"
    found = {name: value for name, value in base.items() if name.startswith(prefix) and value}
    return {
        name.removeprefix(prefix).lower().replace("_", "-"): value for name, value in found.items()
    }


def _of_files(base: Mapping[str, str]) -> dict[str, str]:
    """What pip's files say, of the machine, the user and our own interpreter, the later over the earlier."""
    home = Path(base.get("HOME", "/nonexistent"))
    user = Path(base.get("XDG_CONFIG_HOME") or home / ".config")
    chosen = base.get("PIP_CONFIG_FILE")
    places = [
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        user / "pip/pip.conf",
        Path(sys.prefix, "pip.conf"),
    ]
    parser = configparser.RawConfigParser()
    try:
        parser.read([*places, *([chosen] if chosen else [])])
    except configparser.Error:
        return {}  # pip itself complains about such a file; uv goes its own way
    found: dict[str, str] = {}
    for section in _SECTIONS:
        if parser.has_section(section):
            found |= dict(parser.items(section))
    return found


def _is_there(place: str) -> bool:
    """pip passes over a directory that does not exist, uv refuses it."""
    return "://" in place or Path(place).exists()


def _unshimmed(base: Mapping[str, str]) -> Iterator[str]:
    """The path with pyenv's real interpreters in the place of its shims: a shim of a version that is not chosen fails,
    and uv does not look further."""
    root = base.get("PYENV_ROOT")
    for part in base.get("PATH", "").split(":"):
        if root and Path(part) == Path(root, "shims"):
            yield from map(str, sorted(Path(root, "versions").glob("*/bin"), reverse=True))
        elif not part.endswith("/shims"):
            yield part
