"""One email, handed over to the SMTP server of the settings."""

import asyncio
import smtplib
import ssl

from flyte_server.mail import VARIABLE, Smtp
from flyte_server.services.notices.contents import Letter
from flyte_server.services.notices.posting import NotSent

_ANSWER_SECONDS = 10.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


async def mail(letter: Letter, server: Smtp | None) -> str:
    """Hand it over.

    Returns:
        Which recipients the server does not want, for people; empty when it took them all.

    Raises:
        NotSent: there is no server, or it took it for nobody.
    """
    if server is None:
        raise NotSent(f"the control plane has no SMTP server; start it with {VARIABLE}=smtp://…")
    try:
        refused = await asyncio.to_thread(_hand_over, letter, server)
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(f"{type(error).__name__}: {error}"[:300]) from error
    return f"refused: {', '.join(sorted(refused))}" if refused else ""


def _hand_over(letter: Letter, server: Smtp) -> list[str]:
    context = ssl.create_default_context()
    del letter.message["From"]
    letter.message["From"] = server.sender
    with _connected(server, context) as smtp:
        smtp.ehlo()
        is_encrypted = server.encrypted
        if not is_encrypted and smtp.has_extn("starttls"):
            smtp.starttls(context=context)
            is_encrypted = True
        if server.user:
            if not is_encrypted and server.host not in _LOOPBACK:
                raise NotSent(
                    f"{server.host} offers no encryption, so the password of {VARIABLE} is not sent there; use"
                    " smtps://"
                )
            smtp.login(server.user, server.password)
        return list(smtp.send_message(letter.message, server.sender, letter.recipients))


def _connected(server: Smtp, context: ssl.SSLContext) -> smtplib.SMTP:
    if server.encrypted:
        return smtplib.SMTP_SSL(server.host, server.port, timeout=_ANSWER_SECONDS, context=context)
    return smtplib.SMTP(server.host, server.port, timeout=_ANSWER_SECONDS)
