"""Clients of object stores: one per bucket and settings, so that connections are used again.

obstore is imported at the first use of one, because it starts threads: a process that forks must not
have any.
"""

import logging
import os
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from flyte import errors
from flyte._context import ctx
from flyte._kit import optional
from flyte.storage import _addresses
from flyte.storage._config import kinds
from flyte.storage._config.kinds import Settings
from flyte.storage._config.profile import Profile

logger = logging.getLogger(__name__)

_NEEDED_FOR = "reading and writing object stores"

# How long a store may be silent while it is read, and how long it may take to accept a part. A whole
# response may take long: its parts keep coming.
_READING = {"read_timeout": "30s", "timeout": "3600s", "connect_timeout": "10s"}
_WRITING = {"timeout": "120s", "connect_timeout": "10s"}


def obstore() -> Any:
    """The library.

    Raises:
        flyte.errors.StorageError: this process was forked from one that has used it already. Its
            threads are not there any more, and a request would wait for them forever.
    """
    if _first_user() != os.getpid():
        raise errors.StorageError(
            "this process was forked from one that had used an object store, so it cannot use any; "
            "use object stores only after the fork, or start the process anew"
        )
    return optional.module("obstore", _NEEDED_FOR)


@cache
def _first_user() -> int:
    return os.getpid()


@dataclass(frozen=True, slots=True)
class Place:
    """An object's address, and the client and key to reach it by."""

    uri: str
    store: Any
    key: str
    attributes: dict[str, str] | None = None
    """What to write beside the content."""


def reading(uri: str, settings: Settings) -> Place:
    """How to read what is at an address."""
    base, key = _split(uri)
    profile = _profile(uri, settings)
    wait = dict(profile.client).get("timeout")
    _log("read", uri, profile)
    patience = {**_READING, **dict(profile.client), "timeout": _READING["timeout"]}
    if wait:
        patience["read_timeout"] = wait
    return Place(uri, _client(base, profile.with_words(patience)), key)


def writing(uri: str, settings: Settings) -> Place:
    """How to write to an address, look what is there, list or delete below it."""
    base, key = _split(uri)
    profile = _profile(uri, settings)
    _log("write", uri, profile)
    patient = profile.with_words({**_WRITING, **dict(profile.client)})
    return Place(uri, _client(base, patient), key, _attributes(uri, profile))


def _log(purpose: str, uri: str, profile: Profile) -> None:
    if profile.enable_debug:
        endpoint = dict(profile.config).get("endpoint", "the store's own address")
        logger.info("connect to %s %s by %s", purpose, uri, endpoint)


def below(place: Place, key: str) -> str:
    """The address of a key in the same store."""
    base, _ = _split(place.uri)
    return base + key


def _split(uri: str) -> tuple[str, str]:
    """Everything up to the key, and the key; what a key consists of is never interpreted."""
    scheme, _, rest = uri.partition("://")
    if scheme == "memory":
        key = rest.lstrip("/")
        return uri.removesuffix(key), key
    bucket, _, key = rest.partition("/")
    return f"{scheme}://{bucket}/", key.lstrip("/")


def _profile(uri: str, settings: Settings) -> Profile:
    scheme = uri.partition("://")[0].lower()
    if scheme not in kinds.SCHEMES:
        raise errors.StorageError(
            f"{uri}: there is no store for {scheme}://; use a path or one of "
            + ", ".join(sorted(f"{known}://" for known in kinds.SCHEMES))
        )
    profile = kinds.profile(scheme, settings)
    if _addresses.is_of_plane(uri) and not dict(profile.config).get("endpoint"):
        raise errors.StorageAccessError(
            f"{uri} is kept by a control plane and by no store of the cloud; read it in a session with that control"
            " plane (flyte.init), or give its endpoint and an access key in the storage settings"
        )
    return profile


def _attributes(uri: str, profile: Profile) -> dict[str, str] | None:
    task = ctx()
    if task is None or uri.startswith("memory:") or not profile.attach_execution_metadata:
        return None
    found = {"flyte_run": task.action.run_name, "flyte_action": task.action.name}
    return {name: word for name, word in found.items() if word} or None


@lru_cache(maxsize=64)
def _client(base: str, profile: Profile) -> Any:
    if base.startswith("memory:"):
        return memory()
    stores = optional.module("obstore.store", _NEEDED_FOR)
    kwargs = profile.fsspec_kwargs()
    if base.startswith(("http://", "https://")):
        del kwargs["config"]
    return stores.from_url(base.replace("gcs://", "gs://", 1), **kwargs)


@cache
def memory() -> Any:
    """The one store in memory, which lives as long as the process."""
    return optional.module("obstore.store", _NEEDED_FOR).MemoryStore()
