"""IdentityService: who the bearer of a token is."""

from typing import Any

from connectrpc.request import RequestContext
from flyteidl2.auth import identity_connect, identity_pb2

from flyte_server.services.access import callers

Context = RequestContext[Any, Any]


class IdentityService(identity_connect.IdentityService):
    """Tells a caller who they are taken for.

    Args:
        user: name of the machine's user, for requests that did not come through the gate.
    """

    def __init__(self, user: str) -> None:
        self._user = user

    async def user_info(
        self, request: identity_pb2.UserInfoRequest, ctx: Context
    ) -> identity_pb2.UserInfoResponse:
        caller = callers.of(ctx.request_headers(), otherwise=self._user)
        return identity_pb2.UserInfoResponse(
            subject=caller.subject,
            name=caller.name,
            preferred_username=caller.name,
            email=caller.name if "@" in caller.name else "",
        )
