"""A request as the signature and the endpoint see it: decoded once, from the bytes of the request line.

The path is taken from `raw_path`: what a server framework decodes and normalizes is not what the client has signed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from flyte_server.services.http.asgi import Scope
from flyte_server.services.objects import errors

_MOST_KEY_BYTES = 1024
_LOWEST_PRINTABLE = " "
_UNWRITABLE = frozenset("\x7f\ufffe\uffff")


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    method: str
    path: str
    """Decoded, with the bucket in front."""
    query: tuple[tuple[str, str], ...]
    """Decoded, in the order of the address."""
    headers: Mapping[str, str]
    """By names in lower case; several of one name joined with commas."""

    @classmethod
    def of(cls, scope: Scope) -> "Request":
        """The request of an ASGI scope.

        Raises:
            ObjectError: it is no UTF-8.
        """
        try:
            path = unquote(scope["raw_path"].decode("ascii"), errors="strict")
            query = _query(scope["query_string"].decode("ascii"))
        except UnicodeDecodeError:
            raise errors.invalid(
                "The address is no UTF-8 in percent-encoding.", "InvalidURI"
            ) from None
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[key] = f"{headers[key]},{text}" if key in headers else text
        return cls(scope["method"], path, query, headers)

    def header(self, name: str) -> str:
        """A header by its name in lower case; empty if there is none."""
        return self.headers.get(name, "")

    def parameter(self, name: str) -> str | None:
        """The first parameter of a name; None if there is none."""
        return next((value for key, value in self.query if key == name), None)

    def number(self, name: str, default: int, *, highest: int) -> int:
        """A parameter that is a number from 0 up.

        Raises:
            ObjectError: it is none.
        """
        text = self.parameter(name)
        if not text:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) <= len(str(highest))):
            raise errors.invalid(f"{name} is {text!r}; send a number up to {highest}.")
        return int(text)

    @property
    def bucket(self) -> str:
        return self.path[1:].partition("/")[0]

    @property
    def key(self) -> str:
        """What follows the bucket; empty: the request is about the bucket."""
        return self.path[1:].partition("/")[2]


def check_key(key: str) -> str:
    """A key that can be a path below the data directory, and can be told in XML.

    Raises:
        ObjectError: it cannot.
    """
    parts = key.split("/")
    if len(key.encode()) > _MOST_KEY_BYTES:
        raise errors.invalid("The key is longer than 1024 bytes.", "KeyTooLongError")
    if not all(parts) or "." in parts or ".." in parts:
        raise errors.invalid(
            f"The key {key!r} is no path of a file: '.', '..', empty parts and a '/' at the end are refused."
        )
    if not is_writable(key):
        raise errors.invalid(f"The key {key!r} has characters that cannot be written in XML.")
    return key


def is_writable(key: str) -> bool:
    """Whether an answer can name the key."""
    return all(
        letter >= _LOWEST_PRINTABLE
        and letter not in _UNWRITABLE
        and not "\ud800" <= letter <= "\udfff"
        for letter in key
    )


def _query(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (part.partition("=") for part in text.split("&") if part)
    return tuple(
        (unquote(name, errors="strict"), unquote(value, errors="strict"))
        for name, _, value in pairs
    )
