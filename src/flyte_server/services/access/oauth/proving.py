"""What both pages have in common: a sealed form that comes from our own page, and a proof of who the person is."""

import logging
from contextlib import AbstractAsyncContextManager

from flyte_server.auth.claims import Claims
from flyte_server.auth.oauth.clients import PUBLIC_CLIENT_ID
from flyte_server.auth.oauth.desk import Desk
from flyte_server.services.access import callers
from flyte_server.services.access.auditing import Audit
from flyte_server.services.access.oauth import forms, pages, tries
from flyte_server.services.access.oauth.forms import BadForm
from flyte_server.services.access.oauth.seals import COOKIE, FIELD, Seals
from flyte_server.services.access.oauth.tries import Tries
from flyte_server.services.access.places import Place
from flyte_server.services.http import asgi
from flyte_server.services.http.asgi import Headers, Receive, Scope, Send

ALLOW = "allow"
REFUSE = "refuse"
WRONG_PROOF = "This is no key that holds here: check that it is whole, and that it has not expired."
TOO_MANY = "Too many wrong tries from your address; wait a minute and try again."
_OWN_FIELDS = frozenset({FIELD, "answer", "proof", "user_code"})
_log = logging.getLogger(__name__)
_SAME_SITE = frozenset({"same-origin", "none", ""})


class Proving:
    """Shows sealed forms and takes them back."""

    def __init__(
        self, desk: Desk, seals: Seals, failures: Tries, *, audit: Audit, scheme: str
    ) -> None:
        self.desk = desk
        self.tries = failures
        self.scheme = scheme
        self._seals = seals
        self._audit = audit

    def sealed(self, scope: Scope, shown: dict[str, str]) -> tuple[dict[str, str], Headers]:
        """The hidden fields of a form, and the cookie that goes with it."""
        browser = self._seals.browser(forms.cookie(scope, COOKIE))
        secure = "; Secure" if self.scheme == "https" else ""
        cookie = f"{COOKIE}={browser}; Path=/; HttpOnly; SameSite=Strict; Max-Age=3600{secure}"
        hidden = {**shown, FIELD: self._seals.seal(browser, shown)}
        return hidden, [(b"set-cookie", cookie.encode())]

    async def unsealed(
        self, scope: Scope, receive: Receive
    ) -> tuple[dict[str, str], dict[str, str]]:
        """What the form showed, and what the person has written.

        Raises:
            BadForm: it does not come from our page, or was altered.
        """
        self._refuse_foreign(scope)
        values = await forms.body(scope, receive)
        shown = {name: value for name, value in values.items() if name not in _OWN_FIELDS}
        if not self._seals.holds(values.get(FIELD, ""), forms.cookie(scope, COOKIE), shown):
            raise BadForm(
                403,
                "This form is too old, or does not come from the page that your browser was shown: begin again.",
            )
        return shown, values

    async def proven(self, scope: Scope, values: dict[str, str]) -> Claims | None:
        """Who the person is; None if they have not shown it."""
        claims = await self.desk.prove(values.get("proof", ""))
        if claims is None:
            where = tries.address(scope)
            self.tries.failed(where)
            _log.warning("somebody at %s has shown a wrong key at %s", where, scope["path"])
        return claims

    def noted(self, scope: Scope, claims: Claims) -> AbstractAsyncContextManager[None]:
        """The block lets a program act for somebody: that goes into the audit log."""
        host, port = scope.get("client") or ("", 0)
        return self._audit.of(
            f"OAuth{scope['path']}",
            callers.from_claims(claims),
            [Place("", name=PUBLIC_CLIENT_ID)],
            f"{host}:{port}",
        )

    def exhausted(self, scope: Scope) -> bool:
        """Whether somebody there was wrong too often."""
        return self.tries.exhausted(tries.address(scope))

    def _refuse_foreign(self, scope: Scope) -> None:
        """A browser says where a form comes from; only our own page may send it."""
        origin = asgi.header(scope, b"origin")
        site = asgi.header(scope, b"sec-fetch-site")
        if (origin and origin != forms.base(scope, self.scheme)) or site not in _SAME_SITE:
            raise BadForm(403, "This form was sent by another page than ours: begin again.")


async def show(send: Send, status: int, page: bytes, headers: Headers) -> None:
    """A page."""
    await asgi.answer(send, status, page, headers=headers)


async def say(send: Send, status: int, title: str, sentence: str) -> None:
    """A page that only says something."""
    await show(send, status, pages.said(title, sentence), pages.headers())
