"""Where clients find what they need to log in: as documents (RFC 8414) and as the public protocol's service."""

import json
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE
from connectrpc.request import RequestContext
from flyteidl2.auth import auth_service_connect, auth_service_pb2

from flyte_server.auth.oauth.clients import PUBLIC_CLIENT_ID, REDIRECT_URI, SCOPES
from flyte_server.auth.oauth.published import Published
from flyte_server.domain.errors import Invalid
from flyte_server.issuer import Issuer
from flyte_server.services.access.oauth import forms

Context = RequestContext[Any, Any]

TOKEN_PATH = "/oauth2/token"
AUTHORIZE_PATH = "/oauth2/authorize"
DEVICE_AUTHORIZATION_PATH = "/oauth2/device_authorization"
JWKS_PATH = "/oauth2/jwks"
DEVICE_PATH = "/device"
DOCUMENT_PATHS = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")
_HEADER = "authorization"
"""Under which clients send their token."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An issuer outside, at which people log in."""

    issuer: Issuer
    published: Published


def document(base: str) -> dict[str, Any]:
    """Our metadata, for clients that reach us at `base`."""
    return {
        "issuer": base,
        "authorization_endpoint": f"{base}{AUTHORIZE_PATH}",
        "token_endpoint": f"{base}{TOKEN_PATH}",
        "device_authorization_endpoint": f"{base}{DEVICE_AUTHORIZATION_PATH}",
        "jwks_uri": f"{base}{JWKS_PATH}",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [
            "authorization_code",
            "client_credentials",
            "refresh_token",
            DEVICE_CODE_GRANT_TYPE,
        ],
        "scopes_supported": list(SCOPES),
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "none",
        ],
        "code_challenge_methods_supported": ["S256"],
    }


def encoded(body: dict[str, Any]) -> bytes:
    """JSON as it is sent."""
    return json.dumps(body).encode()


class AuthMetadataService(auth_service_connect.AuthMetadataService):
    """The same in messages; open to everybody.

    Args:
        scheme: `http` or `https`: how this control plane is reached.
        elsewhere: the issuer at which people log in; None: they log in here.
    """

    def __init__(self, scheme: str, elsewhere: Elsewhere | None = None) -> None:
        self._scheme = scheme
        self._elsewhere = elsewhere

    async def get_o_auth2_metadata(
        self, request: auth_service_pb2.GetOAuth2MetadataRequest, ctx: Context
    ) -> auth_service_pb2.GetOAuth2MetadataResponse:
        known = document(self._base(ctx))
        if self._elsewhere is not None:
            theirs = await self._elsewhere.published.document()
            # Tokens are asked for here all the same: for API keys we answer, people's codes are handed on.
            known = {**theirs, "token_endpoint": known["token_endpoint"]}
        fields = auth_service_pb2.GetOAuth2MetadataResponse.DESCRIPTOR.fields_by_name
        return auth_service_pb2.GetOAuth2MetadataResponse(
            **{name: value for name, value in known.items() if name in fields}
        )

    async def get_public_client_config(
        self, request: auth_service_pb2.GetPublicClientConfigRequest, ctx: Context
    ) -> auth_service_pb2.GetPublicClientConfigResponse:
        issuer = None if self._elsewhere is None else self._elsewhere.issuer
        return auth_service_pb2.GetPublicClientConfigResponse(
            client_id=PUBLIC_CLIENT_ID if issuer is None else issuer.client_id,
            redirect_uri=REDIRECT_URI,
            scopes=SCOPES if issuer is None else issuer.scopes,
            authorization_metadata_key=_HEADER,
            service_http_endpoint=self._base(ctx),
            audience="" if issuer is None else issuer.audience,
        )

    def _base(self, ctx: Context) -> str:
        headers = ctx.request_headers()
        names = ("host", "x-forwarded-proto")
        pairs = [(name.encode(), (headers.get(name) or "").encode()) for name in names]
        try:
            return forms.base({"headers": pairs}, self._scheme)
        except forms.BadForm as error:
            raise Invalid(str(error)) from None
