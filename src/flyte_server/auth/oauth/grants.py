"""The four ways to a token, in the words of Authlib: its classes know the rules, these know our rows."""

# pyright: reportIncompatibleMethodOverride=false
# The stubs that the type checker has for Authlib demand more than Authlib does: None is an answer of these hooks.

from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    InvalidGrantError,
    InvalidRequestError,
    TokenMixin,
    grants,
)
from authlib.oauth2.rfc6749.errors import OAuth2Error
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import (
    DeviceAuthorizationEndpoint,
    DeviceCodeGrant,
    DeviceCredentialMixin,
)

from flyte_server.auth.oauth import codes
from flyte_server.auth.oauth.clients import Client
from flyte_server.auth.oauth.ledger import CODE_SECONDS, SECOND, Ledger
from flyte_server.auth.oauth.people import Login
from flyte_server.store.access.logins import Code, Device, Refresh

_S256 = "S256"
_DEVICE_SECONDS = 600
_DEVICE_PAUSE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class GivenCode(AuthorizationCodeMixin):
    """A code that a client has brought back."""

    row: Code

    @property
    def code_challenge(self) -> str:
        return self.row.challenge

    @property
    def code_challenge_method(self) -> str:
        return _S256

    def get_redirect_uri(self) -> str:
        return self.row.redirect_uri

    def get_scope(self) -> str:
        return self.row.scope


@dataclass(frozen=True, slots=True)
class GivenRefresh(TokenMixin):
    """A refresh token that a client has brought back."""

    row: Refresh
    login: Login

    def check_client(self, client: Client) -> bool:
        return client.get_client_id() == self.login.session.client

    def get_scope(self) -> str:
        return self.login.session.scope


@dataclass(frozen=True, slots=True)
class GivenDevice(DeviceCredentialMixin):
    """A device that asks whether somebody has let it in."""

    row: Device
    now: int

    def get_client_id(self) -> str:
        return self.row.client

    def get_scope(self) -> str:
        return self.row.scope

    def get_user_code(self) -> str:
        return self.row.user_code

    def is_expired(self) -> bool:
        return self.row.expires_at <= self.now


class Challenge(CodeChallenge):
    """PKCE for everybody, and by S256 only: with `plain` whoever sees the request can exchange the code."""

    SUPPORTED_CODE_CHALLENGE_METHOD = [_S256]  # noqa: RUF012 - as Authlib declares it

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        asked = grant.request.payload.data
        if not asked.get("code_challenge") or asked.get("code_challenge_method") != _S256:
            raise InvalidRequestError(
                "This server needs 'code_challenge' with 'code_challenge_method=S256' (PKCE)."
            )
        super().validate_code_challenge(grant, redirect_uri)


class CodeGrant(grants.AuthorizationCodeGrant):
    """The browser flow."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["none"]  # noqa: RUF012

    @property
    def _ledger(self) -> Ledger:
        return self.server.ledger

    def generate_authorization_code(self) -> str:
        return codes.fresh()

    def save_authorization_code(self, code: str, request: Any) -> None:
        client_id, scope = request.client.get_client_id(), request.scope
        session = self._ledger.begin(request.user, client_id, scope)
        self._ledger.save_code(
            Code(
                hash=codes.hashed(code),
                session=session.id,
                client=client_id,
                redirect_uri=request.payload.redirect_uri,
                scope=scope,
                challenge=request.payload.data["code_challenge"],
                expires_at=self._ledger.now + CODE_SECONDS * SECOND,
            )
        )

    def query_authorization_code(self, code: str, client: Client) -> GivenCode | None:
        found = self._ledger.code(code, client.get_client_id())
        return None if found is None else GivenCode(found)

    def delete_authorization_code(self, authorization_code: GivenCode) -> None:
        self._ledger.use_code(authorization_code.row)

    def authenticate_user(self, authorization_code: GivenCode) -> Login | None:
        return self._ledger.login(authorization_code.row.session)


class RefreshGrant(grants.RefreshTokenGrant):
    """New tokens for an old refresh token, which is used up by it."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["none"]  # noqa: RUF012
    INCLUDE_NEW_REFRESH_TOKEN = True

    @property
    def _ledger(self) -> Ledger:
        return self.server.ledger

    def authenticate_refresh_token(self, refresh_token: str) -> GivenRefresh | None:
        found = self._ledger.refresh(refresh_token)
        return None if found is None else GivenRefresh(*found)

    def authenticate_user(self, refresh_token: GivenRefresh) -> Login:
        return refresh_token.login

    def revoke_old_credential(self, refresh_token: GivenRefresh) -> None:
        self._ledger.use_refresh(refresh_token.row)


class KeyGrant(grants.ClientCredentialsGrant):
    """A program with an API key."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]  # noqa: RUF012


class DeviceGrant(DeviceCodeGrant):
    """A device whose person is elsewhere."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["none"]  # noqa: RUF012

    @property
    def _ledger(self) -> Ledger:
        return self.server.ledger

    def query_device_credential(self, device_code: str) -> GivenDevice:
        device = self._ledger.device(device_code)
        if device is None:
            raise InvalidGrantError("The device code is unknown, or was exchanged before.")
        return GivenDevice(device, self._ledger.now)

    def query_user_grant(self, user_code: str) -> tuple[Login | None, bool] | None:
        device = self._ledger.shown(user_code)
        if device is None or not device.answer:
            return None
        login = self._ledger.login(device.session) if device.session else None
        return login, login is not None

    def should_slow_down(self, credential: GivenDevice) -> bool:
        return self._ledger.too_early(credential.row)

    def save_token(self, token: dict[str, Any]) -> None:
        given: GivenDevice = self.request.credential  # pyright: ignore[reportAssignmentType]
        self._ledger.delete_device(given.row)


class DeviceEndpoint(DeviceAuthorizationEndpoint):
    """Where a device gets its codes."""

    CLIENT_AUTH_METHODS = ["none"]  # noqa: RUF012
    EXPIRES_IN = _DEVICE_SECONDS
    INTERVAL = _DEVICE_PAUSE_SECONDS

    def generate_device_code(self) -> str:
        return codes.fresh()

    def generate_user_code(self) -> str:
        return codes.shown()

    def get_verification_uri(self) -> str:
        return self.server.verification_uri

    def save_device_credential(
        self, client_id: str, scope: str | None, data: dict[str, Any]
    ) -> None:
        ledger: Ledger = self.server.ledger
        device = Device(
            hash=codes.hashed(data["device_code"]),
            user_code=data["user_code"],
            client=client_id,
            scope=self.server.query_client(client_id).get_allowed_scope(scope),
            expires_at=ledger.now + _DEVICE_SECONDS * SECOND,
            interval_seconds=_DEVICE_PAUSE_SECONDS,
        )
        if not ledger.save_device(device):
            raise OAuth2Error(
                error="temporarily_unavailable",
                description="Too many devices wait to be let in; try again in ten minutes.",
                status_code=503,
            )
