"""How a control plane is reached and how one logs in there: plain values, which the client package acts upon.

They stand here, below the client, so that `flyte.init` can make them without loading it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

LoginKind = Literal["Pkce", "ClientSecret", "ExternalCommand", "DeviceFlow", "Passthrough"]

RPC_RETRIES = 3

LOGIN_KINDS: Mapping[str, LoginKind] = {
    "pkce": "Pkce",
    "clientsecret": "ClientSecret",
    "appcredential": "ClientSecret",
    "externalcommand": "ExternalCommand",
    "command": "ExternalCommand",
    "custom": "ExternalCommand",
    "deviceflow": "DeviceFlow",
    "headless": "DeviceFlow",
    "passthrough": "Passthrough",
}
"""Every word for a way to log in, without capitals, dashes and underscores."""


def login_kind(word: str) -> LoginKind | None:
    """The way to log in that a word means, however it is written; None: it means none.

    >>> login_kind("client-secret"), login_kind("PKCE"), login_kind("magic")
    ('ClientSecret', 'Pkce', None)
    """
    return LOGIN_KINDS.get(word.lower().replace("-", "").replace("_", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How to get a token when the control plane asks for one."""

    kind: LoginKind = "Pkce"
    asked_for: bool = False
    """Whether somebody chose it by name or gave what only it needs.  Else what lies at hand goes first: the token of
    this machine's control plane."""
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    command: tuple[str, ...] = ()
    """Prints a token."""
    proxy_command: tuple[str, ...] = ()
    """Prints a token for a proxy that stands before the control plane."""
    scopes: tuple[str, ...] = ()
    headless: bool = False
    """Nobody has a browser here: links are printed."""
    use_keyring: bool = True
    client_config: Any = field(default=None, repr=False)
    """Endpoints and names to log in with, in the place of those that the control plane tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a control plane is reached, and who asks.

    Example:
        >>> Access(token_file=Path("~/.flyte/token").expanduser())
    """

    login: Login = field(default_factory=Login)
    token_file: Path | None = None
    """Has the token of this machine's own control plane; read anew when it is refused."""
    metadata: Callable[[], Mapping[str, str]] | None = None
    """Headers of the present moment, where the caller says who asks (`Passthrough`)."""
    ca_cert: bytes | None = field(default=None, repr=False)
    """PEM certificates of the authority to trust in place of the system's."""
    insecure_skip_verify: bool = False
    http_proxy_url: str | None = None
    rpc_retries: int = RPC_RETRIES
    """How often a call is tried again while the control plane is unavailable."""
