"""Authlib's authorization server within one transaction: it knows the protocol, the ledger knows the rows."""

# pyright: reportIncompatibleMethodOverride=false
# The stubs that the type checker has for Authlib demand more than Authlib does: None is an answer of these hooks.

from dataclasses import dataclass, field
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749.errors import OAuth2Error
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from flyte_server.auth.claims import Claims
from flyte_server.auth.oauth import grants
from flyte_server.auth.oauth.clients import SCOPES, Client, KeyClient
from flyte_server.auth.oauth.ledger import Ledger
from flyte_server.auth.oauth.people import Login

_SOMEWHERE = "https://control-plane.invalid/oauth2"
"""Authlib refuses plain HTTP by the address of the request.  Here that was decided before: without TLS a control plane
binds to loopback only."""
_DEVICE_ENDPOINT = grants.DeviceEndpoint.ENDPOINT_NAME


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for tokens, as far as OAuth looks at it."""

    method: str
    values: dict[str, str]
    """Of the form or the query; none more than once."""
    authorization: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    status: int
    body: dict[str, Any] = field(default_factory=dict[str, Any])
    location: str = ""
    """Where the browser is to go."""


class _Request(OAuth2Request):
    def __init__(self, asked: Asked) -> None:
        headers = {"Authorization": asked.authorization} if asked.authorization else {}
        super().__init__(asked.method, _SOMEWHERE, headers=headers)
        self.payload = BasicOAuth2Payload(asked.values)
        self._values = asked.values

    @property
    def form(self) -> dict[str, str]:
        return self._values


class Server(AuthorizationServer):
    """Answers one request."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(scopes_supported=SCOPES)
        self.ledger = ledger
        self.verification_uri = ""
        """Where people type the code of a device."""
        generator: Any = self._tokens
        self.register_token_generator("default", generator)
        self.register_grant(grants.KeyGrant)
        self.register_grant(grants.CodeGrant, [grants.Challenge(required=True)])
        self.register_grant(grants.RefreshGrant)
        self.register_grant(grants.DeviceGrant)
        self.register_endpoint(grants.DeviceEndpoint)

    def token(self, asked: Asked) -> Answer:
        """Of the token endpoint."""
        answer: Any = self.create_token_response(asked)
        return answer

    def device(self, asked: Asked, verification_uri: str) -> Answer:
        """Of the endpoint where devices get their codes."""
        self.verification_uri = verification_uri
        answer: Any = self.create_endpoint_response(_DEVICE_ENDPOINT, asked)
        return answer

    def refusal(self, asked: Asked) -> Answer | None:
        """Why a program may not ask a person to let it in; None: it may."""
        try:
            self.get_consent_grant(asked)
        except OAuth2Error as error:
            return self._refused(error)
        return None

    def decided(self, asked: Asked, claims: Claims | None) -> Answer:
        """The way back for the browser, with a code, or (None) refused."""
        try:
            grant = self.get_consent_grant(asked)
        except OAuth2Error as error:
            return self._refused(error)
        answer: Any = self.create_authorization_response(grant.request, claims, grant)
        return answer

    def query_client(self, client_id: str) -> Client:
        return self.ledger.client(client_id)

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """Nothing is left to save: refresh tokens are rows already, access tokens are signed."""

    def create_oauth2_request(self, request: Asked | OAuth2Request) -> OAuth2Request:
        return request if isinstance(request, OAuth2Request) else _Request(request)

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def handle_response(self, status: int, body: Any, headers: Any) -> Answer:
        location = next((value for name, value in headers if name.lower() == "location"), "")
        return Answer(status, body if isinstance(body, dict) else {}, location)

    def _refused(self, error: OAuth2Error) -> Answer:
        status, body, headers = error()
        return self.handle_response(status, body, headers)

    def _tokens(
        self, *, client: Client, user: Login | None, scope: str | None, **_rest: object
    ) -> dict[str, Any]:
        wanted = client.get_allowed_scope(scope)
        if user is not None:
            return self.ledger.token(user.claims, wanted, user.session)
        if not isinstance(client, KeyClient) or client.claims is None:
            raise TypeError("only a program that has shown its key gets a token for itself")
        return self.ledger.token(client.claims, wanted, None)
