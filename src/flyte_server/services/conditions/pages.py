"""The page behind a signed link: the question, and a form for its answer.

GET changes nothing, because mail programs and chats open links to preview them; POST answers.  The page has no script
and loads nothing.  Everything in it that came from a user is text, also a prompt in markdown.
"""

import base64
import hashlib
import html
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from flyte_server.domain import answering as rules
from flyte_server.domain.errors import Conflict, ControlPlaneError, Invalid, NotFound
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action
from flyte_server.services.access.callers import Caller
from flyte_server.services.conditions import questions
from flyte_server.services.conditions.answering import Answering
from flyte_server.services.conditions.links import BadLink, ConditionLinks, Place
from flyte_server.services.http import asgi
from flyte_server.services.http.asgi import Headers, Receive, Scope, Send
from flyte_server.services.wire.ids import ActionName, RunName
from flyte_server.store.database import Database

_LONGEST_BODY = 64 * 1024
_LONGEST_NAME = 100
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}"
    "pre{white-space:pre-wrap;font:inherit;background:#f4f4f5;padding:1rem;border-radius:.5rem}"
    "input,textarea,button{font:inherit;padding:.4rem .8rem}label{display:block;margin:1rem 0}"
    "small{color:#666}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Headers = [
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self';"
        " frame-ancestors 'none'; base-uri 'none'".encode(),
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
]
_CODES: tuple[tuple[type[Exception], HTTPStatus, str], ...] = (
    (BadLink, HTTPStatus.FORBIDDEN, "permission_denied"),
    (NotFound, HTTPStatus.NOT_FOUND, "not_found"),
    (Invalid, HTTPStatus.BAD_REQUEST, "invalid_argument"),
    (Conflict, HTTPStatus.CONFLICT, "failed_precondition"),
    (ControlPlaneError, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What every side needs that has to do with conditions."""

    answering: Answering
    links: ConditionLinks


class AnswerPages:
    """The ASGI application below `/answer/`."""

    def __init__(self, conditions: Conditions, database: Database) -> None:
        self._answering = conditions.answering
        self._links = conditions.links
        self._database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        as_json = "application/json" in asgi.header(scope, b"content-type")
        try:
            name, action = await self._asked(scope)
            if scope["method"] == "POST":
                await self._answer(name, action, await _body(receive), as_json=as_json)
                await _say(send, HTTPStatus.OK, "Thank you, the answer is kept.", as_json=as_json)
            elif scope["method"] in {"GET", "HEAD"}:
                await self._show(action, send, has_body=scope["method"] == "GET")
            else:
                await _say(send, HTTPStatus.METHOD_NOT_ALLOWED, "Open the link, or POST an answer.")
        except (BadLink, ControlPlaneError) as error:
            status, code = next(each[1:] for each in _CODES if isinstance(error, each[0]))
            await _say(send, status, str(error), code=code, as_json=as_json)

    async def _asked(self, scope: Scope) -> tuple[ActionName, Action]:
        place = Place.of(scope["path"])
        name = ActionName(RunName(place.project, place.domain, place.run), place.action)
        query = {
            key: values[0]
            for key, values in parse_qs(scope["query_string"].decode("latin-1")).items()
        }
        try:
            facts, action = await self._answering.find(name)
        except (NotFound, Invalid):
            # The same as for a wrong signature: a stranger learns nothing of what there is.
            raise BadLink("The link's signature is wrong, or its run was deleted.") from None
        self._links.check(
            place,
            facts.run.id,
            expires=query.get("expires", ""),
            signature=query.get("signature", ""),
        )
        return name, action

    async def _show(self, action: Action, send: Send, *, has_body: bool) -> None:
        question = await self._database.read(questions.of, action)
        if action.phase is not Phase.PAUSED:
            await _say(send, HTTPStatus.CONFLICT, rules.too_late(action))
            return
        page = _page(
            f"<h1>{_text(action.task_name)}</h1>{_prompt(question)}"
            f'<form method="post">{_field(action.policy.answer_type)}</form>'
        )
        await asgi.answer(send, HTTPStatus.OK, page if has_body else b"", headers=_HEADERS)

    async def _answer(
        self, name: ActionName, action: Action, body: bytes, *, as_json: bool
    ) -> None:
        fields = _json_fields(body) if as_json else _form_fields(body)
        value = fields.get("value")
        if value is None:
            raise Invalid(
                "The answer has no 'value'; send value=… as a form, or {\"value\": …} as JSON."
            )
        if isinstance(value, str):
            value = rules.parsed(value, action.policy.answer_type)
        who = str(fields.get("name") or "").strip()[:_LONGEST_NAME]
        caller = Caller("link", who or "somebody with the link", "person")
        await self._answering.answer(name, value, caller=caller, channel="link")


def _json_fields(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Invalid(
            f'The body is no JSON ({error}); send an object like {{"value": true}}.'
        ) from error
    if not isinstance(found, dict):
        raise Invalid('The body is no JSON object; send one like {"value": true}.')
    return found


def _form_fields(body: bytes) -> dict[str, Any]:
    text = body.decode("utf-8", "replace")
    found = parse_qs(text, keep_blank_values=True, max_num_fields=16)
    return {key: values[0] for key, values in found.items()}


async def _body(receive: Receive) -> bytes:
    collected = bytearray()
    while True:
        message = await receive()
        collected += message.get("body", b"")
        if len(collected) > _LONGEST_BODY:
            raise Invalid(f"The answer is longer than {_LONGEST_BODY} bytes; send a shorter one.")
        if not message.get("more_body", False):
            return bytes(collected)


def _prompt(question: questions.Question) -> str:
    described = f"<p>{_text(question.description)}</p>" if question.description else ""
    return f"<pre>{_text(question.prompt)}</pre>{described}"


def _field(answer_type: str) -> str:
    who = '<label>Your name (kept with the answer, may be left out) <input name="name" maxlength="100"></label>'
    if answer_type == "bool":
        return f'{who}<button name="value" value="true">Yes</button> <button name="value" value="false">No</button>'
    fields = {
        "int": '<input name="value" type="number" step="1" required>',
        "float": '<input name="value" type="number" step="any" required>',
    }
    field = fields.get(answer_type, '<textarea name="value" rows="4" cols="60"></textarea>')
    return f"<label>Answer ({_text(answer_type)})<br>{field}</label>{who}<button>Send</button>"


async def _say(
    send: Send, status: HTTPStatus, text: str, *, code: str = "", as_json: bool = False
) -> None:
    if as_json:
        said: dict[str, object] = {"code": code, "message": text} if code else {"message": text}
        await asgi.answer_json(send, status, said)
        return
    await asgi.answer(send, status, _page(f"<p>{_text(text)}</p>"), headers=_HEADERS)


def _page(body: str) -> bytes:
    head = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Flyte: a question</title>'
        f"<style>{_STYLE}</style>"
    )
    return f"{head}<body>{body}</body></html>".encode()


def _text(value: str) -> str:
    return html.escape(value, quote=True)
