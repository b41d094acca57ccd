"""A control plane made of prepared answers, in the place of `flyte._client.ControlPlane`, for handles and verbs."""

import inspect
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from types import FunctionType
from typing import Any

from flyte import errors
from flyte._session import Address, Session


class FakePlane:
    """Answers calls by the name of the method, whichever service it belongs to; remembers what was asked.

    `answers[method]` are the unary answers one after the other (the last one stays; a function makes it of the
    request); `streams[method]` are the streams that are opened one after the other, each a list of messages.  An
    exception among them is raised, what can be awaited is awaited.
    """

    endpoint = "http://fake:1"
    http = None

    def transport_to(self, url: str) -> None:
        """Transfers use connections of their own."""

    def __init__(self) -> None:
        self.answers: dict[str, deque[Any]] = defaultdict(deque)
        self.streams: dict[str, deque[Iterable[Any]]] = defaultdict(deque)
        self.asked: list[tuple[str, Any]] = []
        self.runs = self.dataproxy = self.run_logs = self.projects = self.identity = self

    def answer(self, method: str, *answers: Any) -> None:
        """What the next calls of a method get."""
        self.answers[method].extend(answers)

    def stream(self, method: str, *streams: Iterable[Any]) -> None:
        """What the next streams of a method carry."""
        self.streams[method].extend(streams)

    def requests(self, method: str) -> list[Any]:
        """What a method was asked."""
        return [request for name, request in self.asked if name == method]

    def __getattr__(self, method: str) -> Any:
        if method.startswith("_"):
            raise AttributeError(method)
        return self._opened(method) if method in self.streams else self._called(method)

    async def own(self, service: str, method: str, payload: Any) -> Any:
        """A call of a service of ours; its answers are prepared under `Service/Method`."""
        return await self._called(f"{service}/{method}")(payload)

    def _called(self, method: str) -> Any:
        async def call(request: Any) -> Any:
            self.asked.append((method, request))
            prepared = self.answers[method]
            answer = prepared.popleft() if len(prepared) > 1 else prepared[0]
            if isinstance(answer, BaseException):
                raise answer
            return answer(request) if isinstance(answer, FunctionType) else answer

        return call

    def _opened(self, method: str) -> Any:
        async def messages(request: Any) -> AsyncIterator[Any]:
            self.asked.append((method, request))
            for message in self.streams[method].popleft():
                if isinstance(message, BaseException):
                    raise message
                if inspect.isawaitable(message):
                    await message
                else:
                    yield message

        return messages

    async def aclose(self) -> None:
        """Nothing is open."""


def attached(plane: FakePlane, **fields: Any) -> Session:
    """A session whose control plane is `plane`."""

    class KeptLink(type(Session().link)):
        """A link that is never lost for good: what is dropped is there again at once."""

        async def drop(self, lost: Any) -> None:
            pass

    session = Session(endpoint="http://fake:1", project="p", domain="d", **fields)
    object.__setattr__(session, "link", KeptLink())
    session.link.attach(Address("http://fake:1", insecure=True, embedded=False), plane)
    return session


def gone(code: str = "unavailable") -> errors.UnionRpcError:
    """What a client sees when a connection breaks, or of a refusal."""
    return errors.UnionRpcError(code, f"prepared failure {code}")
