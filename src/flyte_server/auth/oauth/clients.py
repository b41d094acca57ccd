"""Who may ask for tokens: one program that people log in with, and every API key."""

# pyright: reportIncompatibleMethodOverride=false
# The stubs that the type checker has for Authlib demand more than Authlib does: None is an answer of these hooks.

from collections.abc import Callable
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE

from flyte_server.auth.claims import Claims

PUBLIC_CLIENT_ID = "flyte-cli"
PUBLIC_CLIENT_NAME = "The flyte command on your machine"
REDIRECT_URI = "http://localhost:53593/callback"
"""The registered one; the port may be another, as the system gives them out (RFC 8252, 7.3)."""
SCOPES = ("all", "offline")
"""One scope for everything that the person may do: roles are the finer measure.  `offline` is asked for by clients that
want a refresh token, which everybody gets."""
_CALLBACK = "/callback"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback_callback(uri: str) -> bool:
    """Whether a code sent there reaches a program on the person's own machine, and nobody else.

    Example:
        >>> is_loopback_callback("http://127.0.0.1:9/callback")
        True
        >>> is_loopback_callback("http://localhost.example.com/callback")
        False
    """
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return False
    if parts.hostname not in _LOOPBACK or port == 0:
        return False
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    # Written the one plain way, or not at all: no user name, query, fragment, escape or other case hides anything.
    return uri == f"http://{host}{'' if port is None else f':{port}'}{_CALLBACK}"


class Client(ClientMixin):
    """What both kinds have in common, in the words of Authlib.

    Args:
        grants: the kinds of grants that it may ask for.
        methods: how it proves who it is.
    """

    def __init__(self, client_id: str, *, grants: frozenset[str], methods: frozenset[str]) -> None:
        self.client_id = client_id
        self._grants = grants
        self._methods = methods

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        return None

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or SCOPES[0]

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return False

    def check_client_secret(self, client_secret: str) -> bool:
        return False

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in self._methods

    def check_response_type(self, response_type: str) -> bool:
        return False

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self._grants


class PublicClient(Client):
    """The program on a person's machine.  It has no secret: who gets its code is proven by PKCE."""

    def __init__(self) -> None:
        super().__init__(
            PUBLIC_CLIENT_ID,
            grants=frozenset({"authorization_code", "refresh_token", DEVICE_CODE_GRANT_TYPE}),
            methods=frozenset({"none"}),
        )

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return is_loopback_callback(redirect_uri)

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"


class KeyClient(Client):
    """A program with an API key.

    A client id that does not exist is one whose secret is always wrong: nobody learns which ids there are.
    """

    def __init__(self, client_id: str, verify: Callable[[str, str], Claims | None]) -> None:
        super().__init__(
            client_id,
            grants=frozenset({"client_credentials"}),
            methods=frozenset({"client_secret_basic", "client_secret_post"}),
        )
        self._verify = verify
        self.claims: Claims | None = None
        """Known once its secret was right."""

    def check_client_secret(self, client_secret: str) -> bool:
        self.claims = self._verify(self.client_id, client_secret)
        return self.claims is not None
