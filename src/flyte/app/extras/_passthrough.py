"""FastAPIPassthroughAuthMiddleware: what an app asks of Flyte, it asks in the name of its caller.

Imported when it is used: it needs starlette, which comes with FastAPI.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response

from flyte.remote import auth_metadata

HeaderExtractor = Callable[[Request], tuple[str, str] | None]
"""Takes a header for Flyte from a request; None: the request has none."""

_UNAUTHENTICATED = 401


class FastAPIPassthroughAuthMiddleware(BaseHTTPMiddleware):
    """Middleware that passes the login of each request on to Flyte; call `flyte.init_passthrough` at the start.

    A request without any login is answered with status 401.

    Args:
        app: the app, as FastAPI gives it.
        header_extractors: what takes headers from a request; by default `Authorization` and `Cookie`.
        excluded_paths: paths that need no login.

    Example:
        >>> app.add_middleware(FastAPIPassthroughAuthMiddleware, excluded_paths={"/health"})
    """

    def __init__(
        self,
        app: Any,
        header_extractors: list[HeaderExtractor] | None = None,
        excluded_paths: set[str] | None = None,
    ) -> None:
        super().__init__(app)
        self.header_extractors = header_extractors or [
            self.extract_authorization_header,
            self.extract_cookie_header,
        ]
        self.excluded_paths = excluded_paths or set[str]()

    async def dispatch(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Answer one request."""
        if request.url.path in self.excluded_paths:
            return await call_next(request)
        found = [extract(request) for extract in self.header_extractors]
        headers = [header for header in found if header is not None]
        if not headers:
            return Response(
                "this app wants a login: send the header Authorization\n", _UNAUTHENTICATED
            )
        with auth_metadata(*headers):
            return await call_next(request)

    @staticmethod
    def extract_authorization_header(request: Request) -> tuple[str, str] | None:
        """The header `Authorization`."""
        return _header(request, "authorization")

    @staticmethod
    def extract_cookie_header(request: Request) -> tuple[str, str] | None:
        """The header `Cookie`."""
        return _header(request, "cookie")

    @staticmethod
    def extract_custom_header(header_name: str) -> HeaderExtractor:
        """What takes a header of another name."""
        return lambda request: _header(request, header_name.lower())


def _header(request: Request, name: str) -> tuple[str, str] | None:
    value = request.headers.get(name)
    return (name, value) if value else None
