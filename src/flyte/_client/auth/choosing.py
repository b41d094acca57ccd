"""Which credentials a client has: by what `flyte.init` was told, where the control plane is, and who asks."""

from collections.abc import Mapping
from pathlib import Path

import pyqwest

from flyte import errors
from flyte._client import transport
from flyte._client.auth.credentials import Credentials, Fixed, Nobody, Passing, TokenFile
from flyte._kit import optional
from flyte.config._access import Access

TOKEN_VARIABLE = "_U_ACTION_TOKEN"
"""Of a task's process: the token of its attempt, which is good for its own run."""
CERTIFICATE_VARIABLE = "_U_CA_CERT"
"""Of a task's process: the file with the certificate of the control plane, if its authority is not a known one."""
_OF_A_TASK = "the token of this attempt was refused; it is good for the attempt's own run, as long as the attempt lasts"
_OPEN = (
    "{place} is plain HTTP to another machine, so nothing is sent that says who you are: use https://, or leave "
    "`insecure` out"
)


def credentials(
    access: Access,
    base: str,
    http: pyqwest.Transport,
    environment: Mapping[str, str] | None = None,
) -> Credentials:
    """What says who asks, for the control plane at `base`.

    In this order: nothing over plain HTTP to another machine; the token of a task's process; what was asked for by
    name; the token of this machine's control plane; a login once the control plane asks for it.

    Args:
        environment: the variables of a task's process, for the control plane that started it.

    Raises:
        flyte.errors.ConfigError: a login was asked for, but the endpoint is plain HTTP to another machine.
    """
    if not transport.is_private(base):
        return _in_the_open(access, base)
    task = (environment or {}).get(TOKEN_VARIABLE)
    if task:
        return Fixed(task, _OF_A_TASK)
    if access.login.kind == "Passthrough" and access.metadata is not None:
        return Passing(access.metadata)
    if access.token_file is not None and not access.login.asked_for:
        return TokenFile(access.token_file)
    if environment:
        return Nobody("it was started without a token")
    sources = optional.module("flyte._client.auth.logins", needed_for="logging in")
    return sources.renewing(access, base, http)


def _in_the_open(access: Access, base: str) -> Credentials:
    if access.login.asked_for or access.login.kind == "Passthrough":
        raise errors.ConfigError(
            f"a login is configured, but {base} is plain HTTP to another machine: anybody on the way could read "
            "the key; use https://, or set insecure to false"
        )
    return Nobody(_OPEN.format(place=base))


def certificate(environment: Mapping[str, str]) -> bytes | None:
    """The certificate that the control plane told a process of its own to trust; None: the system's.

    Raises:
        flyte.errors.ConfigError: it cannot be read.
    """
    path = environment.get(CERTIFICATE_VARIABLE)
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise errors.ConfigError(
            f"certificate file {path} cannot be read ({error.strerror}); {CERTIFICATE_VARIABLE} names it: correct the "
            "certificate of the control plane"
        ) from error
