"""The secrets of a task, found at its launch: in the sealed store, in our own environment, in the keyring.

They go to the executor apart from everything else (`LaunchSpec.hidden`), and nowhere else.
"""

import asyncio
import importlib.util
import logging
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress

from flyte_server.domain.errors import CannotLaunch
from flyte_server.domain.secrets import SecretName, WantedSecret
from flyte_server.engine.ports import Hidden
from flyte_server.store.catalogue import secrets
from flyte_server.store.database import Database
from flyte_server.vault import CannotOpen, Vault

MISSING = "SecretNotFound"
UNUSABLE = "SecretUnusable"
FOLDER = "/etc/flyte/secrets"
"""Where files appear, by contract; an executor that cannot put them there says in a variable where they are."""
_KEYRING_SERVICE = "flyte"
_KEYRING_SECONDS = 5.0
"""A keyring that is locked asks a person, and there may be none."""
_log = logging.getLogger(__name__)

Keyring = Callable[[str], Awaitable[bytes | None]]
"""Looks for a name in the machine's keyring."""


def variable(wanted: WantedSecret) -> str:
    """The variable in which a secret appears, unless the task names another."""
    name = re.sub(r"[^A-Za-z0-9]", "_", wanted.names[0]).upper()
    return wanted.variable or ("_" + name if name[0].isdigit() else name)


async def keyring(name: str) -> bytes | None:
    """What the machine's keyring has under a name: asked in a process, because it may wait for a person, or crash."""
    if importlib.util.find_spec("keyring") is None:
        return None
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "keyring", "get", _KEYRING_SERVICE, name),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_KEYRING_SECONDS):
            told, _ = await process.communicate()
    except TimeoutError:
        _log.warning("the keyring did not answer within %.0f s", _KEYRING_SECONDS)
        return None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    return told.removesuffix(b"\n") if process.returncode == 0 and told else None


def values_in(wanted: Iterable[WantedSecret]) -> str:
    """Names of the variables with values, with commas between them."""
    return ",".join(sorted(variable(each) for each in wanted if not each.as_file))


class TaskSecrets:
    """Finds the values of secrets.

    Args:
        environment: our own variables.
        keyring: asked last; a test's own.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        environment: Mapping[str, str],
        *,
        keyring: Keyring = keyring,
    ) -> None:
        self._database = database
        self._vault = vault
        self._environment = environment
        self._keyring = keyring

    async def of(self, wanted: Iterable[WantedSecret], *, project: str, domain: str) -> Hidden:
        """Variables and files of an attempt.

        Raises:
            CannotLaunch: a secret is nowhere, or cannot be used; names it, and where it was looked for.
        """
        env: dict[str, str] = {}
        files: dict[str, str] = {}
        for each in wanted:
            value = await self._value(each, project=project, domain=domain)
            # Bytes travel as Python has them in variables: what is no UTF-8 survives.
            text = value.decode("utf-8", "surrogateescape")
            if each.as_file:
                path = files_path(each)
                files[path] = text
                if each.variable:
                    env[each.variable] = path
            elif "\0" in text:
                raise CannotLaunch(
                    f"The secret {each} has a zero byte, which no variable can have; mount it as a file: "
                    f'flyte.Secret({each.key!r}, mount="{FOLDER}").',
                    code=UNUSABLE,
                )
            else:
                env[variable(each)] = text
        return Hidden(env, files)

    async def _value(self, wanted: WantedSecret, *, project: str, domain: str) -> bytes:
        for name in wanted.names:
            found = await self._database.read(secrets.nearest, SecretName(name, project, domain))
            if found is not None:
                try:
                    return self._vault.open(found.sealed, found.name.place)
                except CannotOpen as error:
                    raise CannotLaunch(
                        f"The secret {found.name} cannot be opened: {error}.", code=UNUSABLE
                    ) from None
        for name in (variable(wanted), stored_variable(wanted)):
            if self._environment.get(name):
                return self._environment[name].encode("utf-8", "surrogateescape")
        for name in wanted.names:
            value = await self._keyring(name)
            if value is not None:
                return value
        raise CannotLaunch(_missing(wanted, project=project, domain=domain), code=MISSING)


def files_path(wanted: WantedSecret) -> str:
    """The file in which a secret appears."""
    return f"{FOLDER}/{wanted.key}"


def stored_variable(wanted: WantedSecret) -> str:
    """A variable of the control plane that means this secret and nothing else; tasks do not inherit it."""
    return "FLYTE_SECRET_" + re.sub(r"[^A-Za-z0-9]", "_", wanted.names[0]).upper()


def _missing(wanted: WantedSecret, *, project: str, domain: str) -> str:
    named = wanted.names[0]
    variables = dict.fromkeys((variable(wanted), stored_variable(wanted)))
    return (
        f"The task asks for the secret {wanted}, which is neither stored for {project}/{domain} (as "
        f"{' or '.join(map(repr, wanted.names))}), nor in the control plane's environment ({' or '.join(variables)}), "
        f"nor in its keyring (service {_KEYRING_SERVICE!r}). Store it and run again: flyte create secret {named}"
    )
