"""From what `flyte.init` was told to one way to log in, checked before anything is connected."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flyte import errors
from flyte.config import _api_key
from flyte.config._access import Login, LoginKind, login_kind
from flyte.config._api_key import ApiKey

KEY_VARIABLE = "FLYTE_API_KEY"
_LABELS = 3
_NEEDED_BY_SECRETS = ("client_id", "client_credentials_secret")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """How to log in, and what an API key says besides."""

    login: Login
    endpoint: str | None
    org: str | None


def chosen(given: Mapping[str, Any], *, key_around: str | None) -> Chosen:
    """The way to log in that arguments of `flyte.init` mean.

    What is said goes first; then the key in `FLYTE_API_KEY`, if it is for the same control plane, or none is named.

    Args:
        given: the arguments by name.
        key_around: the value of `FLYTE_API_KEY`.

    Raises:
        flyte.errors.InitializationError: for words that are unknown, arguments that contradict each other or need
            others, and keys that cannot be read.
    """
    kind = _kind(given)
    if given["api_key"]:
        return _with_key(given, _api_key.parse(given["api_key"], "api_key"), is_said=True)
    login = Login(
        kind=kind,
        asked_for=kind != "Pkce" or bool(given["client_id"] or given["headless"]),
        client_id=given["client_id"],
        client_secret=given["client_credentials_secret"],
        command=tuple(given["command"] or ()),
        client_config=given["auth_client_config"],
        **_common(given),
    )
    _check(login)
    if key_around and not login.asked_for:
        return _with_key(
            given, _api_key.parse(key_around, KEY_VARIABLE), is_said=False, other=login
        )
    return _of_host(login, given)


def _of_host(login: Login, given: Mapping[str, Any]) -> Chosen:
    endpoint = given["endpoint"]
    return Chosen(login=login, endpoint=endpoint, org=given["org"] or organisation(endpoint or ""))


def organisation(endpoint: str) -> str | None:
    """The organisation that the name of a host stands for, as the official client has it: the first of three labels.

    >>> organisation("dns:///acme.flyte.cloud"), organisation("http://127.0.0.1:8090"), organisation("flyte.local")
    ('acme', None, None)
    """
    text = endpoint.strip().removeprefix("dns:///")
    host = urlsplit(text if "://" in text else f"//{text}").hostname or ""
    labels = host.split(".")
    is_number = labels[-1].isdecimal() or ":" in host
    return labels[0] if len(labels) >= _LABELS and not is_number else None


def _kind(given: Mapping[str, Any]) -> LoginKind:
    kind = login_kind(given["auth_type"])
    if kind is None:
        raise _unusable(
            f"auth_type {given['auth_type']!r} is unknown; use Pkce, ClientSecret, ExternalCommand, DeviceFlow or "
            "Passthrough"
        )
    if kind != "Pkce":
        return kind
    # Whoever gives a secret or a command means it, without naming the way.
    if given["client_credentials_secret"]:
        return "ClientSecret"
    return "ExternalCommand" if given["command"] else kind


def _check(login: Login) -> None:
    if login.kind == "ClientSecret" and not (login.client_id and login.client_secret):
        raise _unusable(
            "auth_type ClientSecret needs client_id and client_credentials_secret; give both, or an api_key"
        )
    if login.kind == "ExternalCommand" and not login.command:
        raise _unusable(
            "auth_type ExternalCommand needs a command that prints a token; give it as command=['program', 'argument']"
        )


def _with_key(
    given: Mapping[str, Any], key: ApiKey, *, is_said: bool, other: Login | None = None
) -> Chosen:
    """The login of an API key; of another control plane's key that only lies around: `other`."""
    if given["endpoint"] and _place(given["endpoint"], key) != _place(key.endpoint, key):
        if other is not None:
            return _of_host(other, given)
        raise _unusable(
            f"the API key is for {key.endpoint}, but endpoint is {given['endpoint']}; leave endpoint out, or take a "
            "key of that one"
        )
    if is_said and any(given[name] for name in _NEEDED_BY_SECRETS):
        raise _unusable("api_key and client credentials are both given; give one of them")
    login = Login(
        kind="ClientSecret",
        asked_for=True,
        client_id=key.client_id,
        client_secret=key.client_secret,
        **_common(given),
    )
    org = given["org"] or key.org or organisation(key.endpoint)
    return Chosen(login=login, endpoint=key.endpoint, org=org)


def _common(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "proxy_command": tuple(given["proxy_command"] or ()),
        "scopes": tuple(given["scopes"] or ()),
        "headless": given["headless"],
        "use_keyring": not given["disable_keyring"],
    }


def _place(endpoint: str, key: ApiKey) -> tuple[str, str | None, int | None]:
    text = endpoint.strip().removeprefix("dns:///")
    scheme = urlsplit(key.endpoint).scheme
    parts = urlsplit(text if "://" in text else f"{scheme}://{text}")
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, parts.hostname, port or {"http": 80, "https": 443}.get(parts.scheme)


def _unusable(sentence: str) -> errors.InitializationError:
    return errors.InitializationError("InvalidLogin", "user", sentence)
