"""The frozen values that a configuration file holds, one class per section.

A field knows its entry in the file, so that reading is one loop.  Entries that no field knows are left alone: the
same file serves other tools, too.
"""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from flyte.config import _read
from flyte.config._read import ConfigFile, YamlConfigEntry

S = TypeVar("S")


class _Section:
    """Shows only what differs from the defaults."""

    def __repr__(self) -> str:
        declared = [each for each in fields(self) if getattr(self, each.name) != each.default]  # pyright: ignore[reportArgumentType]
        shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in declared)
        return f"{type(self).__name__}({shown})"


def _at(switch: str, expected: type) -> dict[str, YamlConfigEntry]:
    """Metadata of a field: its place in the file."""
    return {"entry": YamlConfigEntry(switch, expected)}


@dataclass(frozen=True, repr=False)
class PlatformConfig(_Section):
    """Section `admin`: which control plane, and how to talk to it."""

    endpoint: str | None = field(default=None, metadata=_at("admin.endpoint", str))
    """`dns:///host:port`, `http://host:port`, `https://host`, or `local` for the control plane of this machine."""
    insecure: bool = field(default=False, metadata=_at("admin.insecure", bool))
    """Plain HTTP instead of TLS."""
    insecure_skip_verify: bool = field(
        default=False, metadata=_at("admin.insecureSkipVerify", bool)
    )
    ca_cert_file_path: str | None = field(default=None, metadata=_at("admin.caCertFilePath", str))
    scopes: list[str] = field(default_factory=list[str], metadata=_at("admin.scopes", list))
    auth_mode: str | None = field(default=None, metadata=_at("admin.authType", str))
    command: list[str] | None = field(default=None, metadata=_at("admin.command", list))
    proxy_command: list[str] | None = field(default=None, metadata=_at("admin.proxyCommand", list))
    client_id: str | None = field(default=None, metadata=_at("admin.clientId", str))
    client_credentials_secret: str | None = field(
        default=None, metadata=_at("admin.clientSecretEnvVar", str)
    )
    """Name of the environment variable with the client's secret."""
    http_proxy_url: str | None = field(default=None, metadata=_at("admin.httpProxyURL", str))
    rpc_retries: int = field(default=3, metadata=_at("admin.defaultRpcRetries", int))


@dataclass(frozen=True, repr=False)
class TaskConfig(_Section):
    """Section `task`: where runs and tasks belong."""

    org: str | None = field(default=None, metadata=_at("task.org", str))
    project: str | None = field(default=None, metadata=_at("task.project", str))
    domain: str | None = field(default=None, metadata=_at("task.domain", str))


@dataclass(frozen=True, repr=False)
class ImageConfig(_Section):
    """Section `image`: how images are built, and names for existing ones."""

    builder: str | None = field(default=None, metadata=_at("image.builder", str))
    image_refs: dict[str, str] = field(
        default_factory=dict[str, str], metadata=_at("image.image_refs", dict)
    )


@dataclass(frozen=True, repr=False)
class LocalConfig(_Section):
    """Section `local`: runs in the caller's own process."""

    persistence: bool = field(default=False, metadata=_at("local.persistence", bool))
    tracked: bool = field(default=False, metadata=_at("local.tracked", bool))


@dataclass(frozen=True)
class Config:
    """Everything that a configuration file holds.

    Example:
        >>> config = flyte.config.auto()
        >>> config.platform.endpoint, config.task.project
        ('dns:///flyte.example.com', 'weather')
    """

    platform: PlatformConfig = PlatformConfig()
    task: TaskConfig = TaskConfig()
    image: ImageConfig = ImageConfig()
    local: LocalConfig = LocalConfig()
    source: Path | None = None
    """The file that it came from; None when no file was found."""

    def with_params(
        self,
        platform: PlatformConfig | None = None,
        task: TaskConfig | None = None,
        image: ImageConfig | None = None,
    ) -> "Config":
        """A copy with some sections replaced."""
        return replace(
            self,
            platform=platform or self.platform,
            task=task or self.task,
            image=image or self.image,
        )

    @classmethod
    def auto(cls, config_file: str | Path | ConfigFile | None = None) -> "Config":
        """The configuration in effect: the file given, else the one found by the search order, else defaults.

        Raises:
            ConfigError: the file does not exist, is not YAML, or an entry has the wrong type.
        """
        found = get_config_file(config_file)
        if found is None:
            return cls()
        return cls(
            platform=_section(PlatformConfig, found),
            task=_section(TaskConfig, found),
            image=_section(ImageConfig, found),
            local=_section(LocalConfig, found),
            source=found.path,
        )


def auto(config_file: str | Path | ConfigFile | None = None) -> Config:
    """The configuration in effect; see `Config.auto`."""
    return Config.auto(config_file)


def get_config_file(c: str | Path | ConfigFile | None) -> ConfigFile | None:
    """The configuration file given, or the one found by the search order, read; None when there is none."""
    if isinstance(c, ConfigFile):
        return c
    path = _read.locate(c)
    return _read.load(path) if path else None


def set_if_exists(d: dict[str, Any], k: str, val: Any) -> dict[str, Any]:
    """`d` with `k` set to `val`, unless `val` is None or empty; `d` is changed and returned."""
    if isinstance(val, bool) or val:
        d[k] = val
    return d


def _section(section: type[S], file: ConfigFile) -> S:
    """A section's fields as the file has them; fields that it leaves out keep their defaults."""
    found: dict[str, Any] = {}
    for declared in fields(section):  # pyright: ignore[reportArgumentType]
        value = file.get(declared.metadata["entry"])
        if value is not None:
            found[declared.name] = value
    return section(**found)
