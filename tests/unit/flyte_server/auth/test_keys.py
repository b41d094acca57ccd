"""API keys: made once, checked by hash, over when they expire or are revoked."""

import pytest
from tests.fakes.clock import ManualClock

from flyte_server.auth.keys import Keys
from flyte_server.auth.roles import Grant, Role
from flyte_server.domain.errors import AlreadyExists, Invalid, NotFound, Unauthenticated
from flyte_server.store.access import keys as rows
from flyte_server.store.database import Database

NOW = 1_750_000_000_000_000
BY = "local:ada"


class Stage:
    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.database = Database.in_memory()
        self.keys = Keys(self.database, self.clock)


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_a_key_is_known_by_its_secret(stage: Stage) -> None:
    key, secret = await stage.keys.create("ci", Role.RUN, project="p", by=BY)
    assert await stage.keys.verify(key.client_id, secret) == key
    claims = key.claims()
    assert claims.subject == "key:ci"
    assert claims.grants == (Grant(Role.RUN, "p"),)
    assert claims.key == key.client_id
    row = await stage.database.read(rows.load, key.client_id)
    assert row is not None
    assert secret.encode() not in row.secret_hash
    assert len(secret) >= 43, "256 bits"


@pytest.mark.parametrize("wrong", ["", "x", "\ud800", "x" * 10_000])
async def test_another_secret_is_none(stage: Stage, wrong: str) -> None:
    key, _ = await stage.keys.create("ci", Role.RUN, by=BY)
    said: list[str] = []
    for client_id in (key.client_id, "k0"):
        with pytest.raises(Unauthenticated) as refused:
            await stage.keys.verify(client_id, wrong)
        said.append(str(refused.value))
    assert said[0] == said[1], "nobody learns which client ids there are"


async def test_a_key_ends(stage: Stage) -> None:
    key, secret = await stage.keys.create("brief", Role.VIEW, expires_at=NOW + 10, by=BY)
    assert key.claims(NOW + 1_000_000).expires_at == NOW + 10, "never longer than the key"
    stage.clock.advance(10e-6)
    with pytest.raises(Unauthenticated):
        await stage.keys.verify(key.client_id, secret)
    with pytest.raises(Unauthenticated):
        await stage.keys.alive(key.client_id)
    assert await stage.keys.usable() == 0


async def test_a_revoked_key_is_over_and_its_name_free(stage: Stage) -> None:
    key, secret = await stage.keys.create("ci", Role.RUN, by=BY)
    assert await stage.keys.usable() == 1
    with pytest.raises(AlreadyExists, match="flyte delete api-key ci"):
        await stage.keys.create("ci", Role.RUN, by=BY)
    await stage.keys.revoke("ci", by=BY)
    with pytest.raises(Unauthenticated):
        await stage.keys.verify(key.client_id, secret)
    with pytest.raises(NotFound):
        await stage.keys.revoke("ci", by=BY)
    again, _ = await stage.keys.create("ci", Role.VIEW, by=BY)
    assert again.client_id != key.client_id
    assert [each.client_id for each in await stage.keys.list()] == [again.client_id]


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "x" * 64, "ä", "a\n"])
async def test_names_that_a_key_cannot_have(stage: Stage, name: str) -> None:
    with pytest.raises(Invalid, match="cannot be called"):
        await stage.keys.create(name, Role.RUN, by=BY)


async def test_a_key_that_would_be_over_is_not_made(stage: Stage) -> None:
    with pytest.raises(Invalid, match="expired already"):
        await stage.keys.create("late", Role.RUN, expires_at=NOW, by=BY)


async def test_keys_are_listed_page_by_page(stage: Stage) -> None:
    for name in ("c", "a", "b"):
        await stage.keys.create(name, Role.VIEW, by=BY)
    first = await stage.keys.list(limit=2)
    assert [key.name for key in first] == ["a", "b"]
    assert [key.name for key in await stage.keys.list(after="b", limit=2)] == ["c"]
