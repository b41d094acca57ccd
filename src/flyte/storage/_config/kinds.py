"""How stores are reached: `S3`, `GCS`, `ABFS`, and what the environment says about them.

Settings become a `Profile`, the words of obstore. Whatever is not set here, obstore itself looks up
where the store's own tools do (variables, tokens of a pod, roles).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any, Self

from flyte import errors
from flyte.config import _read
from flyte.storage._config import aws
from flyte.storage._config.profile import Profile, as_words


@dataclass(frozen=True, slots=True)
class Storage:
    """What holds for every kind of store.

    Args:
        retries: how often a request that broke off, timed out or met a busy store is made again.
        backoff: the longest pause before that; pauses start at a tenth of a second and double.
        enable_debug: log which object is reached by which endpoint.
        attach_execution_metadata: whether objects that a task writes carry the names of its run and
            action (`flyte_run`, `flyte_action`), where a store keeps such.

    Example:
        >>> flyte.init(storage=flyte.storage.S3(endpoint="http://localhost:9000"))
    """

    retries: int = 3
    backoff: timedelta = timedelta(seconds=5)
    enable_debug: bool = False
    attach_execution_metadata: bool = True

    @classmethod
    def auto(cls) -> Self:
        """What the environment says.

        `FLYTE_STORAGE_RETRIES`, `FLYTE_STORAGE_BACKOFF_SECONDS`, `FLYTE_STORAGE_ENABLE_DEBUG`.

        Raises:
            flyte.errors.ConfigError: a variable is not a number; names it.
        """
        return cls(**_common())

    def get_fsspec_kwargs(self, anonymous: bool = False, **kwargs: Any) -> dict[str, Any]:
        """Arguments of `obstore.fsspec.FsspecStore` for these settings.

        Args:
            anonymous: do not sign requests, for public buckets.
            kwargs: further arguments; `config` and `client_options` are added to those made here.
        """
        made = self.profile(anonymous=anonymous).fsspec_kwargs()
        for name in ("config", "client_options"):
            made[name] = {**made[name], **kwargs.pop(name, {})}
        return {**made, **kwargs}

    def profile(self, *, anonymous: bool = False) -> Profile:
        """These settings in obstore's words."""
        config = {"skip_signature": "true"} if anonymous else self._config()
        return Profile(
            config=as_words(config),
            client=(),
            retries=self.retries,
            backoff=self.backoff,
            attach_execution_metadata=self.attach_execution_metadata,
            enable_debug=self.enable_debug,
        )

    def _config(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True, slots=True)
class S3(Storage):
    """Amazon S3, or a store that speaks its protocol.

    Args:
        endpoint: address of the store; None is Amazon's of the region.
        access_key_id: with `secret_access_key` the credentials; without them those of the
            environment, of a profile in `~/.aws`, or of the role of the pod or machine.
        secret_access_key: see `access_key_id`.
        region: such as `eu-west-1`.
        addressing_style: `"path"` (default) or `"virtual"`, which puts the bucket into the host name.

    Example:
        >>> S3(endpoint="http://localhost:9000", access_key_id="minio", secret_access_key="…")
    """

    endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    region: str | None = None
    addressing_style: str | None = None

    @classmethod
    def auto(cls, region: str | None = None) -> Self:
        """What the environment says.

        `FLYTE_AWS_ENDPOINT`, `FLYTE_AWS_ACCESS_KEY_ID`, `FLYTE_AWS_SECRET_ACCESS_KEY` win over the
        variables of Amazon's own tools (`AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`,
        `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_DEFAULT_REGION`).

        Args:
            region: wins over the environment's.
        """
        owner = "FLYTE_AWS" if _first("FLYTE_AWS_ACCESS_KEY_ID") else "AWS"
        return cls(
            **_common("FLYTE_AWS"),
            endpoint=_first("FLYTE_AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
            region=region or _first("FLYTE_AWS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
            addressing_style=_first("FLYTE_AWS_S3_ADDRESSING_STYLE"),
            access_key_id=_first(f"{owner}_ACCESS_KEY_ID"),
            secret_access_key=_first(f"{owner}_SECRET_ACCESS_KEY"),
        )

    @classmethod
    def for_sandbox(cls) -> Self:
        """The store of a local sandbox cluster."""
        return cls(
            endpoint="http://localhost:4566",
            access_key_id="minio",
            secret_access_key="miniostorage",
        )

    def _config(self) -> dict[str, str]:
        virtual = None if self.addressing_style is None else self.addressing_style == "virtual"
        return _given(
            endpoint=self.endpoint,
            region=self.region,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            virtual_hosted_style_request=None if virtual is None else str(virtual).lower(),
        )


@dataclass(frozen=True, slots=True)
class GCS(Storage):
    """Google Cloud Storage, with Google's application default credentials.

    `GOOGLE_APPLICATION_CREDENTIALS` or `GOOGLE_SERVICE_ACCOUNT` name a file with credentials.
    """

    @classmethod
    def auto(cls) -> Self:
        """What the environment says."""
        return cls(**_common("FLYTE_GCP"))

    def _config(self) -> dict[str, str]:
        return _given(base_url=_first("STORAGE_EMULATOR_HOST"))


@dataclass(frozen=True, slots=True)
class ABFS(Storage):
    """Azure Blob Storage and Data Lake.

    Args:
        account_name: the storage account; an address such as
            `abfss://container@account.dfs.core.windows.net/…` names it, too.
        account_key: its key; or
        tenant_id, client_id, client_secret: a service principal; without either, what
            the environment or the managed identity of the machine gives.
    """

    account_name: str | None = None
    account_key: str | None = field(default=None, repr=False)
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)

    @classmethod
    def auto(cls) -> Self:
        """What the environment says.

        `FLYTE_AZURE_STORAGE_ACCOUNT_NAME`, `FLYTE_AZURE_STORAGE_ACCOUNT_KEY`,
        `FLYTE_AZURE_TENANT_ID`, `FLYTE_AZURE_CLIENT_ID`, `FLYTE_AZURE_CLIENT_SECRET`, or the same
        names without `FLYTE_`.
        """
        return cls(
            **_common("FLYTE_AZURE"),
            account_name=_either("AZURE_STORAGE_ACCOUNT_NAME"),
            account_key=_either("AZURE_STORAGE_ACCOUNT_KEY"),
            tenant_id=_either("AZURE_TENANT_ID"),
            client_id=_either("AZURE_CLIENT_ID"),
            client_secret=_either("AZURE_CLIENT_SECRET"),
        )

    def _config(self) -> dict[str, str]:
        return _given(
            account_name=self.account_name,
            account_key=self.account_key,
            tenant_id=self.tenant_id,
            client_id=self.client_id,
            client_secret=self.client_secret,
        )


Settings = Storage | Mapping[str, Any] | None
"""Settings of a store, or words of them; None: what the environment says.

Words are the fields of the store's class above (`endpoint`, `access_key_id`, `retries`, …) and obstore's own
(`skip_signature`, `server_side_encryption`, `timeout`, `proxy_url`, …); they win over the environment.
"""

_FAMILIES: dict[str, type[Storage]] = {
    "s3": S3,
    "s3a": S3,
    "gs": GCS,
    "gcs": GCS,
    "abfs": ABFS,
    "abfss": ABFS,
    "az": ABFS,
    "azure": ABFS,
    "memory": Storage,
    "http": Storage,
    "https": Storage,
}
SCHEMES = frozenset(_FAMILIES)
"""The schemes of addresses that are served."""


def for_scheme(scheme: str, settings: Settings) -> Storage:
    """The settings that hold for a kind of store.

    Settings of another kind of store (a session has one for all) only say how often and how patiently.
    """
    family = _FAMILIES[scheme]
    if isinstance(settings, family) and family is not Storage:
        return settings
    found = family.auto()
    if isinstance(settings, Storage):
        return replace(found, **{f.name: getattr(settings, f.name) for f in fields(Storage)})
    return found


def combined(settings: Settings, words: Mapping[str, Any]) -> Settings:
    """The settings with words that win over them."""
    if not words:
        return settings
    if isinstance(settings, Storage):
        own = {f.name: getattr(settings, f.name) for f in fields(settings)}
        settings = {name: word for name, word in own.items() if word is not None}
    return {**(settings or {}), **words}


def profile(scheme: str, settings: Settings) -> Profile:
    """How to reach stores of a scheme."""
    storage = for_scheme(scheme, settings)
    words = dict(settings) if isinstance(settings, Mapping) else {}
    own = {f.name: words.pop(f.name) for f in fields(storage) if f.name in words}
    found = replace(storage, **_typed(own)).profile().with_words(words)
    return replace(found, config=aws.completed(found.config)) if _FAMILIES[scheme] is S3 else found


def _common(prefix: str = "FLYTE_STORAGE") -> dict[str, Any]:
    """Fields that every kind has, by the variables of its own kind or of all."""
    found = {
        "retries": _first(f"{prefix}_RETRIES", "FLYTE_STORAGE_RETRIES"),
        "backoff": _first(f"{prefix}_BACKOFF_SECONDS", "FLYTE_STORAGE_BACKOFF_SECONDS"),
        "enable_debug": _first(f"{prefix}_ENABLE_DEBUG", "FLYTE_STORAGE_ENABLE_DEBUG"),
    }
    return _typed({name: word for name, word in found.items() if word})


def _typed(words: Mapping[str, Any]) -> dict[str, Any]:
    """Words of the environment or of a mapping as the fields' types."""
    try:
        return {name: _READERS.get(name, str)(word) for name, word in words.items()}
    except ValueError as error:
        raise errors.ConfigError(
            f"settings of the storage cannot be read ({error}): retries is a whole number and "
            f"backoff a number of seconds, not {dict(words)!r}; correct the setting or its variable"
        ) from error


def _seconds(word: Any) -> timedelta:
    return word if isinstance(word, timedelta) else timedelta(seconds=float(word))


def _flag(word: Any) -> bool:
    return word if isinstance(word, bool) else str(word).strip().lower() in _YES


_YES = {"1", "true", "t", "yes", "y", "on"}
_READERS: dict[str, Any] = {
    "retries": int,
    "backoff": _seconds,
    "enable_debug": _flag,
    "attach_execution_metadata": _flag,
}


def _first(*names: str) -> str | None:
    """The first of these environment variables that is set."""
    found = _read.environment()
    return next((found[name] for name in names if found.get(name)), None)


def _either(name: str) -> str | None:
    return _first(f"FLYTE_{name}", name)


def _given(**words: str | None) -> dict[str, str]:
    return {name: word for name, word in words.items() if word is not None}
