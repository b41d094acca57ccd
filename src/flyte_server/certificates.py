"""Our certificate: whether it can be used, under which name tasks reach us with it, and whom they must trust.

A certificate that does not fit is found out here and now, and not by a task that fails an hour later.
"""

import ipaddress
import os
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from flyte_server.clock import RealClock
from flyte_server.readings import SettingsError
from flyte_server.settings import Settings, Tls

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
"""Where systems keep the authorities that they know."""


def prepared(settings: Settings) -> Settings:
    """Settings with a certificate that is known to work; those without one as they are.

    Writes the file of what tasks trust, if the authority is none that machines know.

    Raises:
        SettingsError: the certificate cannot be used; says which file, why, and what to do.
    """
    tls = settings.tls
    if tls is None:
        return settings
    _refuse_unusable(tls)
    certificate = _read(tls.cert)
    _refuse_expired(certificate, tls.cert)
    ca = tls.ca or (tls.cert if certificate.issuer == certificate.subject else None)
    found = replace(settings, tls=replace(tls, ca=ca, name=_name(settings, certificate)))
    if ca is not None:
        _read(ca)
        _write_trusted(found, ca)
    return found


def _refuse_unusable(tls: Tls) -> None:
    def no_password() -> bytes:
        raise SettingsError(
            f"The TLS key {tls.key} has a password, which nobody could type here; store it without one, readable by"
            " this user only."
        )

    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.cert, tls.key, no_password)
    except FileNotFoundError:
        missing = next(path for path in (tls.cert, tls.key) if not path.exists())
        raise SettingsError(f"There is no file {missing}; name a PEM file.") from None
    except OSError as error:  # also what is wrong with the content
        raise SettingsError(
            f"The TLS certificate {tls.cert} and the key {tls.key} cannot be used ({error.args[-1]}): give the PEM file"
            " of a certificate (followed by its chain) and of the key that belongs to it."
        ) from None


def _read(path: Path) -> x509.Certificate:
    """The first certificate of a file."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError, IndexError):
        raise SettingsError(
            f"There is no certificate in {path}; name a PEM file with one."
        ) from None


def _refuse_expired(certificate: x509.Certificate, path: Path) -> None:
    if certificate.not_valid_after_utc.timestamp() * 1_000_000 <= RealClock().now_us():
        raise SettingsError(
            f"The TLS certificate {path} expired at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC; renew it."
        )


def _name(settings: Settings, certificate: x509.Certificate) -> str:
    """A name of the certificate under which this machine reaches us."""
    names = list(_names(certificate))
    wanted = settings.address.rpartition(":")[0]
    usable = [each for each in names if "*" not in each and each != "localhost"]
    address = wanted.strip("[]")
    chosen = address if address in names else next(iter(usable), None)
    if chosen is None:
        raise SettingsError(
            f"The TLS certificate is valid for {', '.join(names) or 'no name'}, under none of which tasks of this"
            f" machine can reach the control plane: have it issued for {address}, or for a name of this machine, too."
        )
    return f"[{chosen}]" if ":" in chosen else chosen


def _names(certificate: x509.Certificate) -> Iterator[str]:
    """Addresses, then names."""
    try:
        found = certificate.extensions.get_extension_for_oid(
            ExtensionOID.SUBJECT_ALTERNATIVE_NAME
        ).value
    except x509.ExtensionNotFound:
        return
    if isinstance(found, x509.SubjectAlternativeName):
        for address in found.get_values_for_type(x509.IPAddress):
            if isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address):
                yield str(address)
        yield from found.get_values_for_type(x509.DNSName)


def _write_trusted(settings: Settings, ca: Path) -> None:
    """All authorities that this machine knows, and ours: what a task reads elsewhere must work as before."""
    known = settings.inherited.get("SSL_CERT_FILE") or next(
        (each for each in _BUNDLES if Path(each).is_file()), None
    )
    parts = [Path(known).read_bytes()] if known and Path(known).is_file() else []
    temporary = settings.trusted.with_name(f".{settings.trusted.name}.{os.getpid()}")
    temporary.write_bytes(b"\n".join([*parts, ca.read_bytes()]))
    temporary.replace(settings.trusted)
