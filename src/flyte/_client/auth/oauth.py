"""OAuth 2 with the endpoints that a control plane names: what is there, and tokens for grants."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

import pyqwest
from flyteidl2.auth.auth_service_connect import AuthMetadataServiceClient
from flyteidl2.auth.auth_service_pb2 import (
    GetOAuth2MetadataRequest,
    GetPublicClientConfigRequest,
)

from flyte import errors
from flyte._client import transport
from flyte._client.auth.credentials import AUTHORIZATION
from flyte._client.auth.renewing import unauthenticated
from flyte._client.auth.tokens import Token, seconds
from flyte._client.faults import Faults
from flyte._client.reasons import reason
from flyte.config._access import Access

_ANSWER_SECONDS = 30.0
_LARGEST_ANSWER = 1024 * 1024
_OK = 200
_REFRESH = "refresh_token"
_NO_SUCH_SERVICE = frozenset({"unimplemented", "not_found"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Who gives tokens for a control plane, and what it wants to be asked."""

    token_endpoint: str
    authorization_endpoint: str = ""
    device_authorization_endpoint: str = ""
    client_id: str = ""
    """Of clients that have no secret, such as this one."""
    redirect_uri: str = ""
    scopes: tuple[str, ...] = ()
    audience: str = ""
    header: str = AUTHORIZATION


class RefusedGrant(Exception):  # noqa: N818 - named by what happened
    """A token endpoint said no."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code


class OAuth:
    """Speaks with the provider of one control plane.

    Args:
        access: how the control plane is reached; its provider is reached likewise.
        base: address of the control plane.
        http: connections to it.
    """

    def __init__(self, access: Access, base: str, http: pyqwest.Transport) -> None:
        self.base = base
        self.login = access.login
        self._access = access
        self._http = http

    async def provider(self) -> Provider:
        """What the control plane tells about it; what the user has told goes first.

        Raises:
            flyte.errors.UnionRpcError: it tells nothing: it is asked by nobody, or cannot be reached.
        """
        told = self.login.client_config
        found = _configured(told) if told is not None else await self._discovered()
        for endpoint in (
            found.token_endpoint,
            found.authorization_endpoint,
            found.device_authorization_endpoint,
        ):
            self._check(endpoint)
        return found

    async def granted(
        self, provider: Provider, form: Mapping[str, str], *, secret: str | None = None
    ) -> Token:
        """The token for a grant.

        Args:
            form: `grant_type` and what belongs to it.
            secret: of the client whose `client_id` stands in the form; it is sent in a header.

        Raises:
            RefusedGrant: with the provider's code and words.
            flyte.errors.UnionRpcError: it cannot be reached, or gives no sensible answer.
        """
        headers = {"accept": "application/json"}
        fields = {name: value for name, value in form.items() if value}
        if secret is not None:
            pair = f"{quote(fields.pop('client_id'), safe='')}:{quote(secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        answer, skew = await self.post(provider.token_endpoint, fields, headers)
        return _token(answer, provider, skew)

    async def refreshed(
        self, provider: Provider, before: Token | None, client_id: str
    ) -> Token | None:
        """The token after `before`, without a login; None: it takes one."""
        if before is None or not before.refresh:
            return None
        form = {"grant_type": _REFRESH, _REFRESH: before.refresh, "client_id": client_id}
        try:
            token = await self.granted(provider, form)
        except RefusedGrant:
            return None  # used, too old, or revoked
        return token

    async def post(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[dict[str, Any], float]:
        """Send a form; gives the answer, and by how much our clock is ahead.

        Raises:
            RefusedGrant: with the provider's code and words.
            flyte.errors.UnionRpcError: it cannot be reached, or gives no sensible answer.
        """
        own = transport.http_transport(
            url, ca_cert=self._access.ca_cert, http_proxy_url=self._access.http_proxy_url
        )
        same = transport.same_place(url, self.base)
        sent = {**headers, "content-type": "application/x-www-form-urlencoded"}
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                client = pyqwest.Client(self._http if same else own)
                answer = await client.post(url, headers=sent, content=urlencode(form).encode())
        except (OSError, TimeoutError, pyqwest.ReadError, pyqwest.RemoteProtocolError) as error:
            raise errors.ControlPlaneUnreachableError(
                "unavailable", f"cannot log in at {url}: {reason(str(error), url)}"
            ) from error
        finally:
            await own.aclose()
        return _checked(url, answer), _skew(answer)

    async def _discovered(self) -> Provider:
        service = AuthMetadataServiceClient(
            self.base,
            interceptors=(Faults(self.base),),
            http_client=pyqwest.Client(self._http),
            send_compression=None,
            accept_compression=(),
        )
        limit = int(_ANSWER_SECONDS * 1000)
        try:
            metadata, public = await asyncio.gather(
                service.get_o_auth2_metadata(GetOAuth2MetadataRequest(), timeout_ms=limit),
                service.get_public_client_config(GetPublicClientConfigRequest(), timeout_ms=limit),
            )
        except errors.UnionRpcError as error:
            if error.code not in _NO_SUCH_SERVICE:
                raise
            raise unauthenticated(
                f"the control plane at {self.base} wants to know who asks, but does not say where to log in; ask who "
                "runs it"
            ) from error
        return Provider(
            token_endpoint=metadata.token_endpoint,
            authorization_endpoint=metadata.authorization_endpoint,
            device_authorization_endpoint=metadata.device_authorization_endpoint,
            client_id=public.client_id,
            redirect_uri=public.redirect_uri,
            scopes=tuple(public.scopes),
            audience=public.audience,
            header=public.authorization_metadata_key.lower() or AUTHORIZATION,
        )

    def _check(self, endpoint: str) -> None:
        if endpoint and not transport.is_private(endpoint):
            raise unauthenticated(
                f"the control plane at {self.base} sends logins to {endpoint}, which is plain HTTP to another machine: "
                "nothing secret is sent there; correct its configuration"
            )


def _configured(told: Any) -> Provider:
    def get(name: str) -> Any:
        return (told.get(name) if isinstance(told, Mapping) else getattr(told, name, None)) or ""

    return Provider(
        token_endpoint=str(get("token_endpoint")),
        authorization_endpoint=str(get("authorization_endpoint")),
        device_authorization_endpoint=str(get("device_authorization_endpoint")),
        client_id=str(get("client_id")),
        redirect_uri=str(get("redirect_uri")),
        scopes=tuple(get("scopes") or ()),
        audience=str(get("audience")),
        header=str(get("header_key")).lower() or AUTHORIZATION,
    )


def _checked(url: str, answer: pyqwest.FullResponse) -> dict[str, Any]:
    try:
        found: Any = json.loads(answer.content[:_LARGEST_ANSWER])
    except ValueError:
        found = None
    if isinstance(found, dict) and "error" in found:
        description = found.get("error_description")
        raise RefusedGrant(str(found["error"]), description if isinstance(description, str) else "")
    if answer.status != _OK or not isinstance(found, dict):
        raise unauthenticated(
            f"{url} answered with status {answer.status} and no token; is that where one logs in?"
        )
    return found


def _token(answer: Mapping[str, Any], provider: Provider, skew: float) -> Token:
    access, life, refresh = (
        answer.get(name) for name in ("access_token", "expires_in", "refresh_token")
    )
    if not isinstance(access, str) or not access:
        raise unauthenticated(f"{provider.token_endpoint} gave no access_token")
    now = seconds()
    known = isinstance(life, int | float) and life > 0
    return Token(
        access=access,
        refresh=refresh if isinstance(refresh, str) else "",
        made_at=now,
        expires_at=now + float(life) if known and life is not None else None,
        header=provider.header,
        skew_seconds=skew,
    )


def _skew(answer: pyqwest.FullResponse) -> float:
    told = answer.headers.get("date")
    if not told:
        return 0.0
    try:
        return seconds() - parsedate_to_datetime(told).timestamp()
    except ValueError:
        return 0.0
