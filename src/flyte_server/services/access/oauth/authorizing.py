"""The browser flow: a person proves who they are, sees which program asks, and lets it in or not."""

from flyte_server.auth.oauth.clients import PUBLIC_CLIENT_NAME
from flyte_server.auth.oauth.server import Answer, Asked
from flyte_server.services.access.oauth import forms, pages, proving
from flyte_server.services.access.oauth.forms import BadForm
from flyte_server.services.access.oauth.proving import Proving
from flyte_server.services.http import asgi
from flyte_server.services.http.asgi import Receive, Scope, Send

_KNOWN = frozenset(
    {
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "code_challenge",
        "code_challenge_method",
    }
)
"""Other parameters mean nothing here, as the standard wants it."""
_CANNOT = "This program cannot be let in"


class Authorizing(Proving):
    """Answers `/oauth2/authorize`."""

    async def show(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """The page, if the request is one that may be asked."""
        try:
            asked = _asked(forms.query(scope))
        except BadForm as error:
            await proving.say(send, error.status, _CANNOT, str(error))
            return
        refused = await self.desk.consider(asked)
        if refused is None:
            await self._page(scope, send, asked, 200)
        else:
            await _back(send, refused)

    async def take(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The form."""
        try:
            shown, values = await self.unsealed(scope, receive)
        except BadForm as error:
            await proving.say(send, error.status, _CANNOT, str(error))
            return
        asked = _asked(shown)
        if values.get("answer") == proving.REFUSE:
            await _back(send, await self.desk.decide(asked, None))
        elif self.exhausted(scope):
            await self._page(scope, send, asked, 429, wrong=proving.TOO_MANY)
        elif (claims := await self.proven(scope, values)) is None:
            await self._page(scope, send, asked, 403, wrong=proving.WRONG_PROOF)
        else:
            async with self.noted(scope, claims):
                answer = await self.desk.decide(asked, claims)
            await _back(send, answer)

    async def _page(
        self, scope: Scope, send: Send, asked: Asked, status: int, *, wrong: str = ""
    ) -> None:
        hidden, cookie = self.sealed(scope, asked.values)
        page = pages.authorize(PUBLIC_CLIENT_NAME, hidden, wrong=wrong)
        headers = [*pages.headers(asked.values["redirect_uri"]), *cookie]
        await proving.show(send, status, page, headers)


def _asked(values: dict[str, str]) -> Asked:
    return Asked("GET", {name: value for name, value in values.items() if name in _KNOWN})


async def _back(send: Send, answer: Answer) -> None:
    """Send the browser to the program; or, if nobody knows whether that is where it came from, say why not."""
    if not answer.location:
        sentence = answer.body.get("error_description") or answer.body.get("error", "")
        await proving.say(send, 400, _CANNOT, f"{sentence} Start the login again in your program.")
        return
    headers = [
        (b"location", answer.location.encode()),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
    ]
    # 303: the browser goes on with a GET, without the form and the key in it.
    await asgi.answer(send, 303, b"", headers=headers)
