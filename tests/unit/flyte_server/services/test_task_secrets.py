"""Where the values of a task's secrets come from, and what is said when they come from nowhere."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from flyteidl2.core import security_pb2
from tests.fakes import messages

from flyte_server.domain.errors import CannotLaunch
from flyte_server.domain.secrets import SealedSecret, SecretKind, SecretName, WantedSecret
from flyte_server.engine.ports import Hidden
from flyte_server.services.launch import templates, variables
from flyte_server.services.launch.secrets import TaskSecrets, values_in
from flyte_server.store.catalogue import secrets
from flyte_server.store.database import Database
from flyte_server.vault import Vault

KEY = WantedSecret("api-key", variable="API_KEY")
GROUPED = WantedSecret("key", "open-ai", "OPEN_AI_KEY")


class Kept:
    """A store, an environment and a keyring with secrets."""

    def __init__(self, home: Path) -> None:
        self.database = Database.in_memory()
        self.vault = Vault(home / "secrets.key")
        self.environment: dict[str, str] = {}
        self.ring: dict[str, bytes] = {}

    async def store(self, name: str, value: bytes, project: str = "", domain: str = "") -> None:
        key = SecretName(name, project, domain)
        sealed = self.vault.seal(value, key.place)
        secret = SealedSecret(key, SecretKind.GENERIC, sealed, 1, 1)
        assert await self.database.write(secrets.create, secret)

    async def of(self, *wanted: WantedSecret) -> Hidden:
        async def keyring(name: str) -> bytes | None:
            return self.ring.get(name)

        found = TaskSecrets(self.database, self.vault, self.environment, keyring=keyring)
        return await found.of(wanted, project="p", domain="d")

    async def env(self, *wanted: WantedSecret) -> Mapping[str, str]:
        return (await self.of(*wanted)).env


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path)
    yield made
    made.database.close()


async def test_the_store_comes_before_the_environment_and_that_before_the_keyring(
    kept: Kept,
) -> None:
    kept.ring["api-key"] = b"of the ring"
    assert await kept.env(KEY) == {"API_KEY": "of the ring"}
    kept.environment["FLYTE_SECRET_API_KEY"] = "of the environment"
    assert await kept.env(KEY) == {"API_KEY": "of the environment"}
    kept.environment["API_KEY"] = "of its own variable"
    assert await kept.env(KEY) == {"API_KEY": "of its own variable"}
    await kept.store("api-key", b"of the store")
    assert await kept.env(KEY) == {"API_KEY": "of the store"}


async def test_the_narrowest_scope_wins(kept: Kept) -> None:
    scopes = [("other", "d"), ("p", "other"), ("", ""), ("", "d"), ("p", ""), ("p", "d")]
    seen: list[str | None] = []
    for project, domain in scopes:
        await kept.store("api-key", f"{project}/{domain}".encode(), project, domain)
        try:
            seen.append((await kept.env(KEY))["API_KEY"])
        except CannotLaunch:
            seen.append(None)
    assert seen == [None, None, "/", "/d", "p/", "p/d"]


async def test_a_group_joins_the_name_and_may_be_left_out(kept: Kept) -> None:
    await kept.store("key", b"without")
    assert await kept.env(GROUPED) == {"OPEN_AI_KEY": "without"}
    await kept.store("open-ai_key", b"with")
    assert await kept.env(GROUPED) == {"OPEN_AI_KEY": "with"}


async def test_bytes_that_are_no_text_survive(kept: Kept) -> None:
    await kept.store("api-key", b"\xff\x00")
    cert = replace(KEY, as_file=True)
    found = await kept.of(cert)
    path = "/etc/flyte/secrets/api-key"
    assert found == Hidden({"API_KEY": path}, {path: "\udcff\x00"})
    assert "udcff" not in repr(found)
    with pytest.raises(CannotLaunch, match="mount it as a file"):
        await kept.of(KEY)


async def test_what_is_nowhere_says_where_it_was_looked_for(kept: Kept) -> None:
    await kept.store("open-ai_key", b"of another", "other")
    with pytest.raises(CannotLaunch) as told:
        await kept.of(GROUPED)
    assert told.value.code == "SecretNotFound"
    assert str(told.value) == (
        "The task asks for the secret 'key' of group 'open-ai', which is neither stored for p/d (as 'open-ai_key' or "
        "'key'), nor in the control plane's environment (OPEN_AI_KEY or FLYTE_SECRET_OPEN_AI_KEY), nor in its keyring "
        "(service 'flyte'). Store it and run again: flyte create secret open-ai_key"
    )


async def test_a_row_that_was_swapped_is_not_opened(kept: Kept) -> None:
    await kept.store("api-key", b"mine")
    await kept.store("other", b"not mine")

    def swap(connection: object) -> None:
        rows = {name: secrets.load(connection, SecretName(name)) for name in ("api-key", "other")}
        assert rows["api-key"] is not None
        assert rows["other"] is not None
        moved = replace(rows["api-key"], sealed=rows["other"].sealed)
        assert secrets.update(connection, moved)

    await kept.database.write(swap)
    with pytest.raises(CannotLaunch, match=r"'api-key' cannot be opened.*another name") as told:
        await kept.of(KEY)
    assert told.value.code == "SecretUnusable"


def test_names_of_variables_make_a_host_and_values_do_not() -> None:
    spec = messages.spec()
    wire = security_pb2.Secret(key="api-key", env_var="API_KEY")
    spec.task_template.security_context.secrets.append(wire)
    template = templates.template(spec.SerializeToString())
    assert template.secrets == (KEY,)
    assert values_in((KEY, GROUPED, WantedSecret("cert", as_file=True))) == "API_KEY,OPEN_AI_KEY"
    assert variables.SECRETS == "FLYTE_SECRETS"
