"""The two pages: plain HTML, no script, nothing from elsewhere.

All that comes from outside goes through `html.escape`; the policy in the headers stops what would get past it.
"""

import base64
import hashlib
from html import escape
from urllib.parse import urlsplit

from flyte_server.services.http.asgi import Headers

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 4rem auto; padding: 0 1rem; color: #222; }
h1 { font-size: 1.4rem; }
label { display: block; margin-top: 1rem; font-weight: 600; }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .4rem; }
button { font: inherit; margin: 1.2rem .6rem 0 0; padding: .4rem 1.2rem; }
.wrong { color: #a00; font-weight: 600; }
.hint { color: #555; font-size: .9rem; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PROOF = (
    '<label for="proof">API key, or the token of this control plane</label>'
    '<input id="proof" name="proof" type="password" autocomplete="off">'
    '<p class="hint">On the machine of the control plane: the content of the file <code>token</code> in its data'
    " directory.  Elsewhere: a key that was made for you with <code>flyte create api-key NAME</code>.</p>"
)
_BUTTONS = (
    '<button name="answer" value="allow">Allow</button>'
    '<button name="answer" value="refuse">Refuse</button>'
)


def authorize(client: str, hidden: dict[str, str], *, wrong: str = "") -> bytes:
    """The page of the browser flow.

    Args:
        client: the program that asks, for people.
        hidden: fields that the form brings back.
        wrong: what was wrong with the last try.
    """
    target = urlsplit(hidden.get("redirect_uri", ""))
    return _page(
        "Let a program in?",
        f"<p><strong>{escape(client)}</strong> (it waits at {escape(target.netloc)}) wants to act for you on this"
        " control plane: it will be able to do everything that your key allows.</p>"
        "<p>Go on only if you have just started it yourself.</p>"
        f"{_complaint(wrong)}"
        f'<form method="post" action="/oauth2/authorize">{_hidden(hidden)}{_PROOF}{_BUTTONS}</form>',
    )


def device(user_code: str, hidden: dict[str, str], *, wrong: str = "") -> bytes:
    """The page where a person lets a device in.

    Args:
        user_code: what stands in the field already.
    """
    return _page(
        "Let a device in?",
        "<p>A program on another machine shows a code, and wants to act for you on this control plane: it will be able"
        " to do everything that your key allows.</p>"
        "<p>Go on only if you have just started it yourself; nobody who calls or writes to you needs this code.</p>"
        f"{_complaint(wrong)}"
        f'<form method="post" action="/device">{_hidden(hidden)}'
        '<label for="user_code">Code</label>'
        f'<input id="user_code" name="user_code" value="{escape(user_code)}" autocomplete="off" maxlength="20">'
        f"{_PROOF}{_BUTTONS}</form>",
    )


def said(title: str, sentence: str) -> bytes:
    """A page that only says something."""
    return _page(title, f"<p>{escape(sentence)}</p>")


def headers(redirect_uri: str = "") -> Headers:
    """What guards a page: no script, no frame, no other place for its form to go.

    Args:
        redirect_uri: where the browser is sent after the form; browsers ask the policy about that too.
    """
    target = urlsplit(redirect_uri)
    beside = f" {target.scheme}://{target.netloc}" if redirect_uri else ""
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'{beside}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    return [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", policy.encode()),
        (b"x-frame-options", b"DENY"),
        (b"x-content-type-options", b"nosniff"),
        # Not `no-referrer`: with that, browsers send `Origin: null` with the form.
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cache-control", b"no-store"),
    ]


def _page(title: str, content: str) -> bytes:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    ).encode()


def _hidden(fields: dict[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in fields.items()
    )


def _complaint(wrong: str) -> str:
    return f'<p class="wrong" role="alert">{escape(wrong)}</p>' if wrong else ""
