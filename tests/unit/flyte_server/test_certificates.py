"""A certificate is looked at before anybody relies on it."""

import datetime
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flyte_server import certificates
from flyte_server.readings import SettingsError
from flyte_server.settings import Settings, Tls


def files(folder: Path, *names: str, ca: bool = True, **more: object) -> Tls:
    """A certificate of an authority of our own."""
    authority = trustme.CA()
    issued = authority.issue_cert(*names, **more)  # pyright: ignore[reportArgumentType]
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return Tls(cert, key, folder / "ca.pem" if ca else None)


def prepared(folder: Path, tls: Tls, host: str = "127.0.0.1") -> Settings:
    return certificates.prepared(Settings(home=folder, host=host, port=8443, tls=tls))


@pytest.mark.parametrize(
    ("names", "host", "endpoint"),
    [
        (["127.0.0.1"], "127.0.0.1", "https://127.0.0.1:8443"),
        (["flyte.example", "127.0.0.1"], "0.0.0.0", "https://127.0.0.1:8443"),
        (["flyte.example"], "0.0.0.0", "https://flyte.example:8443"),
        (["*.example", "localhost", "flyte.example"], "127.0.0.1", "https://flyte.example:8443"),
        (["::1"], "::1", "https://[::1]:8443"),
    ],
)
def test_tasks_reach_us_under_a_name_of_the_certificate(
    tmp_path: Path, names: list[str], host: str, endpoint: str
) -> None:
    assert prepared(tmp_path, files(tmp_path, *names), host).endpoint == endpoint


def test_without_a_certificate_nothing_changes(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert certificates.prepared(settings) is settings


def test_what_tasks_trust_has_ours_and_all_others(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.pem"
    theirs.write_text("-- all others --")
    tls = files(tmp_path, "127.0.0.1")
    settings = Settings(home=tmp_path, port=1, tls=tls, inherited={"SSL_CERT_FILE": str(theirs)})
    found = certificates.prepared(settings)
    trusted = found.trusted.read_bytes()
    assert trusted.startswith(b"-- all others --")
    assert (tmp_path / "ca.pem").read_bytes() in trusted


def test_an_authority_that_machines_know_needs_no_file(tmp_path: Path) -> None:
    found = prepared(tmp_path, files(tmp_path, "127.0.0.1", ca=False))
    assert found.tls is not None
    assert found.tls.ca is None
    assert not found.trusted.exists()


def test_a_certificate_that_signs_itself_is_its_own_authority(tmp_path: Path) -> None:
    tls = self_signed(tmp_path)
    found = prepared(tmp_path, tls)
    assert found.tls is not None
    assert found.tls.ca == tls.cert


def refusal(folder: Path, tls: Tls) -> str:
    with pytest.raises(SettingsError) as refused:
        prepared(folder, tls)
    return str(refused.value)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    tls = files(tmp_path, "127.0.0.1")
    assert "no file" in refusal(tmp_path, Tls(tmp_path / "none.pem", tls.key))
    other = tmp_path / "other"
    other.mkdir()
    assert "cannot be used" in refusal(tmp_path, Tls(tls.cert, files(other, "127.0.0.1").key))
    (tmp_path / "text.pem").write_text("no certificate")
    assert "text.pem" in refusal(tmp_path, Tls(tmp_path / "text.pem", tls.key))
    assert "text.pem" in refusal(tmp_path, Tls(tls.cert, tls.key, tmp_path / "text.pem"))


def test_a_key_with_a_password_is_refused(tmp_path: Path) -> None:
    tls = files(tmp_path, "127.0.0.1")
    key = serialization.load_pem_private_key(tls.key.read_bytes(), None)
    tls.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert "password" in refusal(tmp_path, tls)


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    tls = files(tmp_path, "127.0.0.1", not_after=long_ago)
    assert "expired at 2020-01-01" in refusal(tmp_path, tls)


@pytest.mark.parametrize("names", [["*.example"], ["localhost"]])
def test_a_certificate_under_whose_names_no_task_reaches_us_is_refused(
    tmp_path: Path, names: list[str]
) -> None:
    assert "issued for 127.0.0.1" in refusal(tmp_path, files(tmp_path, *names))


def self_signed(folder: Path) -> Tls:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "me")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("me.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, path = folder / "own.pem", folder / "own.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return Tls(cert, path)
