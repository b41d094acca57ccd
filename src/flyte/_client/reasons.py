"""Why nobody could be reached at an address, in words of whoever typed it."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

_CERTIFICATE_NAME = re.compile(r"not valid for name|NotValidForName")
_REASONS: Sequence[tuple[re.Pattern[str], str]] = (
    (
        re.compile(r"UnknownIssuer|unknown issuer"),
        "the certificate of {place} is from an authority that this machine does not know; name the authority's "
        "certificate as ca_cert_file_path (admin.caCertFilePath in the configuration)",
    ),
    (
        _CERTIFICATE_NAME,
        "the certificate of {place} is for another name ({told}); use the name that it is for, or is this the wrong "
        "host?",
    ),
    (
        re.compile(r"certificate expired"),
        "the certificate of {place} has expired, or the clock of this machine is wrong; renew the one or set the other",
    ),
    (
        re.compile(r"certificate not valid yet|NotValidYet"),
        "the certificate of {place} is not valid yet, or the clock of this machine is wrong; set the clock",
    ),
    (
        re.compile(r"invalid peer certificate"),
        "the certificate of {place} cannot be trusted ({told}); name its authority as ca_cert_file_path",
    ),
    (
        re.compile(r"InvalidContentType|corrupt message|wrong version number"),
        "{place} speaks plain HTTP, not TLS; write the endpoint as http://…, or use `insecure`",
    ),
    (
        re.compile(r"dns error|failed to lookup|DNS"),
        "no machine is called {host}; correct the host in the endpoint",
    ),
    (
        re.compile(r"Connection refused"),
        "nobody listens at {place}; correct the port, or start it with `flyte start server`",
    ),
    (
        re.compile(r"timed out|unreachable|No route"),
        "{place} does not answer; correct the host and port, or look at the network and its proxy",
    ),
)
_CUT = re.compile(
    r"connection closed before message completed|invalid HTTP version|IncompleteMessage|ECONNRESET|reset by peer"
)
_LONGEST = 200


def reason(told: str, base: str) -> str:
    """What went wrong, and the next step.

    Args:
        told: the words of the HTTP client.
        base: the address, with its scheme.

    Example:
        >>> reason("… invalid peer certificate: UnknownIssuer", "https://flyte.example.com")
        'the certificate of flyte.example.com is from an authority that this machine does not know; …'
    """
    parts = urlsplit(base)
    place, host = parts.netloc.rpartition("@")[2], parts.hostname or ""
    last = told.rpartition("): ")[2][:_LONGEST]
    for pattern, sentence in _REASONS:
        if pattern.search(told):
            return sentence.format(place=place, host=host, told=last)
    if _CUT.search(told) and parts.scheme == "http":
        return (
            f"{place} ended the connection without an answer; does it speak TLS? Then write the endpoint as https://…, "
            "without `insecure`"
        )
    return (
        f"{told}; start it with `flyte start server`, or correct the endpoint in the configuration"
    )
