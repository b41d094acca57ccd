"""Environments made by the real uv: once for all who ask, whole or not at all, and no more of them than fit."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.clock import ManualClock
from tests.support import eventually
from tests.wheels import wheel

from flyte._version import __version__
from flyte_server.clock import RealClock
from flyte_server.domain.errors import Conflict, Invalid, NotFound
from flyte_server.environments import recipe as recipes
from flyte_server.environments.keeper import Environments
from flyte_server.environments.recipe import Recipe
from flyte_server.environments.shelf import Environment
from flyte_server.settings import Settings

pytestmark = pytest.mark.timeout(180)
PYTHON = "3.11"


class Room:
    """Environments in a directory of the test's own, as one process or another sees them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.room = folder / "environments"
        self.unended: set[int] = set()
        self._open: list[Environments] = []

    def keeper(self, *, most_bytes: int = 0, clock: Any = None) -> Environments:
        async def unended() -> Collection[int]:
            return self.unended

        settings = Settings.from_environment(home=str(self.folder))
        made = Environments(
            self.room,
            clock or RealClock(),
            base_env=settings.inherited,
            most_bytes=most_bytes,
            unended=unended,
        )
        self._open.append(made)
        return made

    async def kept(self, keeper: Environments, name: str, **wheels: str) -> str:
        """A recipe with a package of the test's own; gives its digest."""
        made = wheel(self.folder / "wheels", name, **wheels)
        checksum = hashlib.sha256(made.read_bytes()).hexdigest()
        path = f"./1/{made.name}"
        recipe = read({path: {"sha256": checksum}}, path)
        assert await keeper.keep(recipe, {}) == [checksum]
        assert await keeper.keep(recipe, {checksum: made}) == []
        return recipe.digest

    async def close(self) -> None:
        for each in self._open:
            await each.close()

    def left(self) -> list[str]:
        """Directories of builds and removals that are not over."""
        return [path.name for path in self.room.iterdir() if path.name.startswith(".")]


def read(files: dict[str, Any], *arguments: str) -> Recipe:
    step = {"kind": "install", "arguments": list(arguments)}
    return recipes.read({"python": PYTHON, "steps": [step], "files": files})


@pytest.fixture
async def room(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Room]:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv-cache"))
    made = Room(tmp_path)
    yield made
    await made.close()


async def ready(keeper: Environments, digest: str) -> Environment:
    return await keeper.prepared(digest, run_id=1)


async def test_ten_who_ask_at_once_get_one_build_also_from_another_process(room: Room) -> None:
    here, there = room.keeper(), room.keeper()
    digest = await room.kept(here, "w_one")
    states = await asyncio.gather(*(here.ensure(digest) for _ in range(10)))
    (build,) = {id(state.build): state.build for state in states}.values()
    assert build is not None
    elsewhere = await there.ensure(digest)
    assert elsewhere.build is not None
    await asyncio.gather(build.over(), elsewhere.build.over())
    assert build.error == elsewhere.build.error == ""
    # Whoever has lost the race has only waited.
    told = [len(each.seen(0).lines) for each in (build, elsewhere.build)]
    assert min(told) == 1
    found = await ready(there, digest)
    assert found.packages["w-one"] == "1.0"
    assert found.python.startswith(PYTHON)
    assert (await here.ensure(digest)).environment is not None
    assert room.left() == []


async def test_the_sdk_is_this_very_one_and_nothing_else_of_here_is_visible(room: Room) -> None:
    keeper = room.keeper()
    found = await ready(keeper, await room.kept(keeper, "w_one", value="'here'"))
    program = (
        "import sys, flyte, w_one, importlib.util as u;"
        "print(flyte.__version__, w_one.VALUE, u.find_spec('flyte_server'), u.find_spec('pytest'))"
    )
    process = await asyncio.create_subprocess_exec(
        str(found.prefix / "bin/python"), "-P", "-c", program, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    assert told.decode().split() == [__version__, "here", "None", "None"]
    assert not {"uvicorn", "aiosql"} & found.packages.keys()


async def test_what_does_not_fit_is_said_in_the_words_of_uv(room: Room) -> None:
    keeper = room.keeper()
    digest = await room.kept(keeper, "w_picky", needs="protobuf<4")
    with pytest.raises(Invalid, match="No solution found") as refused:
        await ready(keeper, digest)
    assert "w-picky" in str(refused.value)
    assert "protobuf" in str(refused.value)
    assert room.left() == []
    # A thousand tasks that wait for it do not try again; a person who asks does.
    failed = keeper.build(digest)
    assert (await keeper.ensure(digest, anew=False)).build is failed
    assert (await keeper.ensure(digest)).build is not failed


async def test_the_users_pins_win(room: Room) -> None:
    keeper = room.keeper()
    digest = await room.kept(keeper, "w_pinning", needs="click<8.2")
    found = await ready(keeper, digest)
    assert found.packages["click"].startswith("8.1")


async def test_a_python_that_is_not_here_names_those_that_are(room: Room) -> None:
    keeper = room.keeper()
    recipe = recipes.read({"python": "3.99"})
    await keeper.keep(recipe, {})
    with pytest.raises(Invalid, match=r"Pythons of this machine: .*3\.11"):
        await ready(keeper, recipe.digest)


async def test_a_build_that_was_killed_leaves_nothing_half_usable(room: Room) -> None:
    first = room.keeper()
    digest = await room.kept(first, "w_one")
    build = (await first.ensure(digest)).build
    assert build is not None
    await eventually(lambda: any(room.room.glob(".building-*/venv/bin/python")), timeout_seconds=60)
    await first.close()
    assert "the control plane was stopped" in build.error
    # As if it had been killed outright: a draft lies around.
    (room.room / f".building-{digest}-dead" / "venv").mkdir(parents=True)
    (room.room / ".removing-dead").mkdir()
    second = room.keeper()
    assert await second.all() == []
    await second.start()
    assert room.left() == []
    assert (await ready(second, digest)).packages["w-one"] == "1.0"


async def test_a_draft_whose_uv_still_works_is_not_swept_away(room: Room) -> None:
    keeper = room.keeper()
    digest = await room.kept(keeper, "w_one")
    draft = room.room / f".building-{digest}-other"
    draft.mkdir()
    with keeper._shelf.locked(digest) as lock:
        assert lock is not None
        await room.keeper().start()
        assert draft.exists()
    await room.keeper().start()
    assert not draft.exists()


async def test_what_was_deleted_is_made_again_of_its_recipe(room: Room) -> None:
    keeper = room.keeper()
    digest = await room.kept(keeper, "w_one")
    first = await ready(keeper, digest)
    room.unended = {1}
    with pytest.raises(Conflict, match="used by 1 run"):
        await keeper.delete(digest[:6])
    assert await keeper.delete_unused() == []
    room.unended = set()
    await keeper.delete(digest[:6])
    assert not first.path.exists()
    with pytest.raises(NotFound, match="flyte get environment"):
        await keeper.delete(digest)
    assert (await ready(room.keeper(), digest)).path == first.path


async def test_recipes_that_nobody_has_wanted_for_long_go_with_their_files(room: Room) -> None:
    keeper = room.keeper()
    digest = await room.kept(keeper, "w_one")
    for days, there in ((30, 1), (100, 0)):
        clock = ManualClock(RealClock().now_us() + days * 86_400_000_000)
        await room.keeper(clock=clock).start()
        assert len(list(room.room.glob("files/*"))) == there
    with pytest.raises(NotFound):
        await ready(keeper, digest)


async def test_an_environment_without_a_recipe_is_not_found(room: Room) -> None:
    with pytest.raises(NotFound, match="start the task from its code again"):
        await ready(room.keeper(), "0123456789abcdef")


async def test_those_that_were_used_longest_ago_go_first_and_none_in_use(room: Room) -> None:
    builder = room.keeper()
    made = [await ready(builder, await room.kept(builder, f"w_{name}")) for name in ("a", "b", "c")]
    began = RealClock().now_us() / 1_000_000
    for number, each in enumerate(made):
        await builder.prepared(each.digest, run_id=number)
        os.utime(each.path / "environment.json", times=(began + number, began + number))
    room.unended = {0}  # only the oldest of them is in use
    clock = ManualClock(RealClock().now_us())
    small = room.keeper(most_bytes=made[0].bytes + made[2].bytes + 1, clock=clock)
    await small.bound()
    assert len(await small.all()) == 3  # asked for a moment ago: their runs may be about to begin
    clock.advance(3600)
    await small.bound()
    assert {each.digest for each in await small.all()} == {made[0].digest, made[2].digest}
