"""The device flow's page: a person types the code that a program shows elsewhere, and lets it in or not."""

from flyte_server.auth.claims import Claims
from flyte_server.services.access.oauth import forms, pages, proving, tries
from flyte_server.services.access.oauth.forms import BadForm
from flyte_server.services.access.oauth.proving import Proving
from flyte_server.services.http.asgi import Receive, Scope, Send

_CANNOT = "This device cannot be let in"
_NO_DEVICE = "No device waits with this code: check it, or start the login there again."


class LettingIn(Proving):
    """Answers `/device`."""

    async def show(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """The page; a link may bring the code with it."""
        try:
            user_code = forms.query(scope).get("user_code", "")
        except BadForm as error:
            await proving.say(send, error.status, _CANNOT, str(error))
            return
        await self._page(scope, send, user_code, 200)

    async def take(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The form."""
        try:
            _, values = await self.unsealed(scope, receive)
        except BadForm as error:
            await proving.say(send, error.status, _CANNOT, str(error))
            return
        user_code = values.get("user_code", "")
        if self.exhausted(scope):
            await self._page(scope, send, user_code, 429, wrong=proving.TOO_MANY)
        elif values.get("answer") == proving.REFUSE:
            await self._answer(scope, send, user_code, None)
        elif (claims := await self.proven(scope, values)) is None:
            await self._page(scope, send, user_code, 403, wrong=proving.WRONG_PROOF)
        else:
            async with self.noted(scope, claims):
                await self._answer(scope, send, user_code, claims)

    async def _answer(
        self, scope: Scope, send: Send, user_code: str, claims: Claims | None
    ) -> None:
        if not await self.desk.answer(user_code, claims):
            self.tries.failed(tries.address(scope))
            await self._page(scope, send, user_code, 404, wrong=_NO_DEVICE)
        elif claims is None:
            await proving.say(send, 200, "Refused", "The device was not let in.")
        else:
            await proving.say(
                send,
                200,
                "Done",
                "The device is let in; you can close this page and go back to it.",
            )

    async def _page(
        self, scope: Scope, send: Send, user_code: str, status: int, *, wrong: str = ""
    ) -> None:
        hidden, cookie = self.sealed(scope, {})
        page = pages.device(user_code, hidden, wrong=wrong)
        await proving.show(send, status, page, [*pages.headers(), *cookie])
