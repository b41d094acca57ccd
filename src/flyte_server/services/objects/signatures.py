"""Signature Version 4: whether a request was signed with a secret that we have given out.

Both forms are known: in the headers, and in the query (links made beforehand).  Nothing here reads a body: what the
signature says about it is checked while it arrives (`payloads`).
"""

import calendar
import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from urllib.parse import quote

from flyte_server.services.objects import errors
from flyte_server.services.objects.requests import Request

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
SKEW_SECONDS = 15 * 60
"""How far the clocks of client and server may differ."""
LONGEST_SECONDS = 7 * 24 * 3600
"""Life of a signed link."""
_UNRESERVED = "-._~"
_MOMENT = "%Y%m%dT%H%M%SZ"
_SPACES = re.compile(r" +")
_FIELDS = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]*)")
_SIGNATURE = "X-Amz-Signature"
_SCOPE_PARTS = 5


@dataclass(frozen=True, slots=True)
class Signed:
    """What a request says about its signature."""

    access_key: str
    scope: str
    """`date/region/s3/aws4_request`."""
    moment: str
    """When it was signed: `20260102T030405Z`."""
    headers: tuple[str, ...]
    """Names of the signed headers."""
    signature: str
    payload: str
    """What the signature says about the body: a SHA-256, `UNSIGNED-PAYLOAD` or `STREAMING-…`."""
    expires_seconds: int | None = None
    """Life of a signed link; None: the request carries its signature in a header."""

    @classmethod
    def of(cls, request: Request) -> "Signed":
        """Read, not checked yet.

        Raises:
            ObjectError: the request is not signed, or not in a way that we know.
        """
        if request.parameter("X-Amz-Algorithm") is not None:
            return _in_query(request)
        authorization = request.header("authorization")
        algorithm, _, rest = authorization.partition(" ")
        if algorithm != ALGORITHM:
            raise errors.denied(
                f"The request is not signed with {ALGORITHM}; give the client the access key of a run or a project."
            )
        fields = dict(_FIELDS.findall(rest))
        access_key, scope = _credential(fields.get("Credential", ""))
        return cls(
            access_key,
            scope,
            request.header("x-amz-date"),
            tuple(fields.get("SignedHeaders", "").split(";")),
            fields.get("Signature", ""),
            request.header("x-amz-content-sha256"),
        )

    def check(self, request: Request, secret: str, now_seconds: float) -> None:
        """Whether the request is what was signed, with that secret, a moment ago.

        Raises:
            ObjectError: it is not.
        """
        self._check_time(now_seconds)
        self._check_headers(request)
        expected = signature(secret, self.scope, self.to_sign(request))
        if not hmac.compare_digest(expected.encode(), self.signature.encode()):
            raise errors.denied(
                "The signature does not fit the request: the secret is another one, or the request was changed.",
                "SignatureDoesNotMatch",
            )

    def to_sign(self, request: Request) -> str:
        """The text whose signature the request carries."""
        digest = hashlib.sha256(self._canonical(request).encode()).hexdigest()
        return "\n".join((ALGORITHM, self.moment, self.scope, digest))

    def _canonical(self, request: Request) -> str:
        pairs = sorted(
            (_encoded(name), _encoded(value)) for name, value in request.query if name != _SIGNATURE
        )
        headers = (
            f"{name}:{_SPACES.sub(' ', request.header(name).strip())}\n" for name in self.headers
        )
        return "\n".join(
            (
                request.method,
                quote(request.path, safe="/" + _UNRESERVED),
                "&".join(f"{name}={value}" for name, value in pairs),
                "".join(headers),
                ";".join(self.headers),
                self.payload,
            )
        )

    def _check_time(self, now_seconds: float) -> None:
        try:
            at = calendar.timegm(time.strptime(self.moment, _MOMENT))
        except ValueError:
            raise errors.denied(f"{self.moment!r} is no date of a signature.") from None
        if not self.scope.startswith(self.moment[:8] + "/"):
            raise errors.denied("The day of the credential is not that of the signature.")
        life = self.expires_seconds
        if at > now_seconds + SKEW_SECONDS or (life is None and at < now_seconds - SKEW_SECONDS):
            raise errors.denied(
                f"The request was signed at {self.moment}, which differs from the control plane's clock by more than "
                f"{SKEW_SECONDS // 60} minutes; set the clock.",
                "RequestTimeTooSkewed",
            )
        if life is not None and at + life < now_seconds:
            raise errors.denied("The signed link has expired; make a new one.")

    def _check_headers(self, request: Request) -> None:
        must = {"host", *(name for name in request.headers if name.startswith("x-amz-"))}
        unsigned = sorted(must.difference(self.headers))
        if unsigned:
            raise errors.denied(f"These headers must be signed and are not: {', '.join(unsigned)}.")


def signing_key(secret: str, scope: str) -> bytes:
    """The key of one day, region and service."""
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def signature(secret: str, scope: str, to_sign: str) -> str:
    """The signature of a text."""
    return _hmac(signing_key(secret, scope), to_sign).hex()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _in_query(request: Request) -> Signed:
    expires = request.number("X-Amz-Expires", 0, highest=LONGEST_SECONDS)
    if (
        request.parameter("X-Amz-Algorithm") != ALGORITHM
        or not 0 < expires <= LONGEST_SECONDS
        or request.header("authorization")
    ):
        raise errors.invalid(
            f"A signed link needs {ALGORITHM}, a life of up to {LONGEST_SECONDS} seconds, and no Authorization header.",
            "AuthorizationQueryParametersError",
        )
    access_key, scope = _credential(request.parameter("X-Amz-Credential") or "")
    return Signed(
        access_key,
        scope,
        request.parameter("X-Amz-Date") or "",
        tuple((request.parameter("X-Amz-SignedHeaders") or "").split(";")),
        request.parameter(_SIGNATURE) or "",
        request.header("x-amz-content-sha256") or UNSIGNED,
        expires,
    )


def _credential(text: str) -> tuple[str, str]:
    """Access key and scope."""
    parts = text.split("/")
    if len(parts) != _SCOPE_PARTS or parts[3:] != ["s3", "aws4_request"]:
        raise errors.denied(f"{text!r} is no credential of S3.", "AuthorizationHeaderMalformed")
    return parts[0], "/".join(parts[1:])


def _encoded(text: str) -> str:
    return quote(text, safe=_UNRESERVED)
