"""Where the SDK reads the machine's settings: the environment and the configuration file.

No other module of the SDK reads the environment or parses YAML.  What a file says becomes the frozen classes of
`_config`; this module knows where files are and which type an entry must have, not what the entries mean.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from flyte import errors
from flyte._kit import optional

CONFIG_VARIABLES = ("FLYTECTL_CONFIG", "UCTL_CONFIG")
"""Environment variables that name a configuration file; the first one that is set wins."""


def environment() -> Mapping[str, str]:
    """The process's environment variables (a live, read-only view)."""
    return MappingProxyType(os.environ)  # noqa: TID251 - this is the one home of the environment


def flyte_home() -> Path:
    """The directory of the embedded control plane and of the SDK's caches: `$FLYTE_HOME`, else `~/.flyte`."""
    named = environment().get("FLYTE_HOME")
    return Path(named).expanduser().absolute() if named else Path.home() / ".flyte"


@dataclass(frozen=True, slots=True)
class YamlConfigEntry:
    """One entry of a configuration file: `switch` is its dotted place, such as `admin.endpoint`."""

    switch: str
    expected: type = str
    """`str`, `bool`, `int`, `list` (of strings; one string is a list of one) or `dict` (of strings)."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration file that was read: where it is, and what it says.

    Raises:
        ConfigError: by `get`, when an entry has another type than it must have; names the file and the entry.
    """

    path: Path
    yaml_config: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)

    def get(self, c: YamlConfigEntry) -> Any:
        """The value of an entry; None when the file does not have it."""
        value: Any = self.yaml_config
        walked: list[str] = []
        for key in c.switch.split("."):
            if value is None:
                return None
            if not isinstance(value, dict):
                raise self._mistyped(".".join(walked), value, "a mapping")
            walked.append(key)
            value = value.get(key)
        return None if value is None else self._checked(c, value)

    def _checked(self, entry: YamlConfigEntry, value: Any) -> Any:
        if entry.expected is list and isinstance(value, str):
            return [value]
        fits = isinstance(value, entry.expected) and (
            entry.expected is not int or not isinstance(value, bool)
        )
        members = list(value.values()) if isinstance(value, dict) else value
        if fits and isinstance(members, list):
            fits = all(isinstance(member, str) for member in members)
        if not fits:
            raise self._mistyped(entry.switch, value, _EXPECTED[entry.expected])
        return value

    def _mistyped(self, place: str, value: object, expected: str) -> errors.ConfigError:
        return errors.ConfigError(
            f"{self.path}: {place} must be {expected}, not {value!r} ({type(value).__name__}); correct the entry"
        )


_EXPECTED = {
    str: "a string (put it in quotes)",
    bool: "true or false",
    int: "a whole number",
    list: "a list of strings",
    dict: "a mapping of strings to strings",
}


def locate(explicit: str | Path | None = None) -> Path | None:
    """The configuration file in effect, by the search order; None when there is none.

    Order: `explicit`, `$FLYTECTL_CONFIG`, `$UCTL_CONFIG`, `./config.yaml`, `./.flyte/config.yaml`,
    `~/.flyte/config.yaml`.

    Raises:
        ConfigError: `explicit`, or the file that an environment variable names, does not exist.
    """
    if explicit is not None:
        return _existing(Path(explicit), "pass the path of an existing file")
    for variable in CONFIG_VARIABLES:
        if named := environment().get(variable):
            return _existing(
                Path(named), f"it is named by {variable}: correct or unset the variable"
            )
    candidates = (
        Path("config.yaml"),
        Path(".flyte") / "config.yaml",
        Path.home() / ".flyte" / "config.yaml",
    )
    found = next((path for path in candidates if path.is_file()), None)
    return found.absolute() if found else None


def load(path: Path) -> ConfigFile:
    """Read a configuration file.

    Raises:
        ConfigError: it cannot be read, is not YAML (names the line), or is not a mapping.
    """
    yaml = optional.module("yaml", needed_for="configuration files")
    try:
        document = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise errors.ConfigError(
            f"{path} cannot be read ({error.strerror}); correct its permissions"
        ) from error
    except yaml.YAMLError as error:
        raise errors.ConfigError(f"{_place(path, error)}; correct the YAML") from error
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise errors.ConfigError(
            f"{path} must be a mapping with the sections admin, task, image and local, "
            f"not a {type(document).__name__}; correct it, or name another file with FLYTECTL_CONFIG"
        )
    return ConfigFile(path, document)


def _existing(path: Path, next_step: str) -> Path:
    path = path.expanduser().absolute()
    if not path.is_file():
        raise errors.ConfigError(f"configuration file {path} does not exist; {next_step}")
    return path


def _place(path: Path, error: Any) -> str:
    problem = getattr(error, "problem", None) or "is not YAML"
    mark = getattr(error, "problem_mark", None)
    return f"{path}, line {mark.line + 1}: {problem}" if mark else f"{path}: {problem}"
