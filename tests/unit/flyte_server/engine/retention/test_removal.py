"""Which runs go, which stay because something needs them, and what a kill in the middle leaves."""

from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.control_plane import new_action, new_run
from tests.fakes.storage import DAY, DOMAIN, PROJECT, Death, Home, Killed, MortalDatabase

from flyte_server.domain.errors import Conflict, NotFound
from flyte_server.domain.records import Policy
from flyte_server.engine.retention.limits import Limits
from flyte_server.engine.retention.removal import ROWS_AT_ONCE


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    made = Home(tmp_path / "home")
    yield made
    await made.engine.close()
    made.database.close()


async def names(home: Home) -> list[str]:
    return await home.database.read(
        lambda connection: [row[0] for row in connection.execute("SELECT name FROM runs")]
    )


# by age


async def test_a_run_goes_with_rows_data_and_logs_when_it_is_too_old(home: Home) -> None:
    await home.run("old")
    home.clock.advance(20 * DAY)
    await home.run("young")
    retention = home.retention()
    home.clock.advance(9.9 * DAY)
    await retention.look()
    assert await names(home) == ["old", "young"]
    home.clock.advance(0.2 * DAY)
    await retention.look()
    assert (await names(home), home.gone) == (["young"], ["old"])
    assert not home.place("old").exists()
    assert not home.log("old").exists()
    assert home.outputs("young").exists()
    assert [await home.count(table) for table in ("actions", "attempts")] == [1, 1]
    assert home.files.taken() == []


async def test_without_an_age_limit_nothing_is_too_old(home: Home) -> None:
    await home.run("old")
    home.clock.advance(5 * DAY)
    retention = home.retention(Limits(days=0, bytes=0))
    for _ in range(100):
        home.clock.advance(10 * DAY)
        await retention.look()
    assert await names(home) == ["old"]


async def test_what_has_not_ended_stays_for_ever(home: Home) -> None:
    root = await home.begin("long")
    await home.engine.enqueue(root.run_id, new_action("child"))
    await home.end("long", root)  # the root has ended, its child has not
    retention = home.retention()
    for _ in range(10):
        home.clock.advance(10 * DAY)
        await retention.look()
    assert await names(home) == ["long"]
    with pytest.raises(Conflict, match="has not ended; stop it first with 'flyte abort run long'"):
        await retention.delete(PROJECT, DOMAIN, "long")


# what others need


async def test_a_run_whose_cached_results_others_took_goes_after_them(home: Home) -> None:
    await home.run("maker", cache_key="k")
    home.clock.advance(25 * DAY)
    await home.engine.create_run(new_run("user", cache_key="k"))
    retention = home.retention()
    await retention.look()
    home.clock.advance(10 * DAY)
    await retention.look()
    assert await names(home) == ["maker", "user"]
    assert home.outputs("maker").exists()
    with pytest.raises(Conflict, match="another run took results of it"):
        await retention.delete(PROJECT, DOMAIN, "maker")
    home.clock.advance(12 * DAY)
    await retention.look()
    home.clock.advance(12 * DAY)
    await retention.look()
    await retention.look()
    assert await names(home) == []
    assert await home.count("cache") == 0


async def test_a_result_that_another_project_took_is_kept(home: Home) -> None:
    from_everywhere = Policy(cache_everywhere=True)
    await home.run("maker", cache_key="k", policy=from_everywhere)
    home.clock.advance(25 * DAY)
    _, root = await home.engine.create_run(
        new_run("user", project="q", cache_key="k", policy=from_everywhere)
    )
    assert root.cache_source == "p/development/maker/a0/1"
    home.clock.advance(10 * DAY)
    retention = home.retention()
    await retention.look()
    assert await names(home) == ["maker", "user"]


async def test_what_a_recovering_run_refers_to_is_kept(home: Home) -> None:
    await home.run("first")
    home.clock.advance(25 * DAY)
    await home.run("second")

    recovery = "UPDATE runs SET recovery = json_object('run_id', 1, 'forced', json_array())"
    await home.execute(f"{recovery} WHERE name = 'second'")
    home.clock.advance(10 * DAY)
    await home.retention().look()
    assert await names(home) == ["first", "second"]


async def test_a_recovered_action_keeps_its_source(home: Home) -> None:
    await home.run("first")
    await home.run("other")
    home.clock.advance(25 * DAY)
    await home.run("second")

    await home.execute("UPDATE actions SET recovered_from = 'first/a0' WHERE run_id = 3")
    home.clock.advance(10 * DAY)
    await home.retention().look()
    assert await names(home) == ["first", "second"]


async def test_a_file_that_another_run_got_as_an_input_is_kept(home: Home) -> None:
    await home.run("maker")
    await home.run("other")
    home.clock.advance(25 * DAY)
    await home.run("user", inputs=home.inputs(home.outputs("maker")))
    home.clock.advance(10 * DAY)
    await home.retention().look()
    assert await names(home) == ["maker", "user"]
    assert home.outputs("maker").exists()


async def test_a_run_that_comes_just_before_the_removal_saves_what_it_needs(home: Home) -> None:
    """The inputs of a new run are looked at in any case: the removal is tied to the newest run that was looked at."""
    await home.run("maker")
    await home.run("newest")
    home.clock.advance(31 * DAY)

    class Hurried(MortalDatabase):
        """Somebody is faster than the last commit of a removal."""

        came = False

        async def write(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            if function.__name__ == "_set_aside" and not self.came:
                self.came = True
                await home.run("user", inputs=home.inputs(home.outputs("maker")))
            return await super().write(function, *args, **kwargs)

    hurried = Hurried(home.database, Death())
    with pytest.raises(Conflict):
        await home.retention(database=hurried).delete(PROJECT, DOMAIN, "maker")
    assert hurried.came
    assert await names(home) == ["maker", "newest", "user"]
    assert home.outputs("maker").exists()


# by bytes


async def test_the_oldest_go_until_it_fits_and_cached_results_last(home: Home) -> None:
    for number in range(4):
        await home.run(f"r{number}", kilobytes=400, cache_key="k" if number == 0 else None)
        home.clock.advance(60)
    home.clock.advance(3600)
    retention = home.retention(Limits(days=30, bytes=3_200_000))
    await retention.look()
    assert await names(home) == ["r0", "r2", "r3"]
    await retention.look()
    assert await names(home) == ["r0", "r2", "r3"]
    retention.limits = Limits(days=30, bytes=200_000)
    await retention.look()
    assert await names(home) == []


async def test_a_run_that_has_just_ended_stays_however_full_it_is(home: Home) -> None:
    await home.run("now", kilobytes=400)
    retention = home.retention(Limits(days=30, bytes=1000))
    home.clock.advance(3500)
    await retention.look()
    assert await names(home) == ["now"]
    home.clock.advance(200)
    await retention.look()
    assert await names(home) == []


def test_the_default_limit_is_half_of_a_small_disk() -> None:
    assert Limits().most_bytes(20_000_000_000) == 10_000_000_000
    assert Limits().most_bytes(2_000_000_000_000) == 50_000_000_000
    assert Limits(bytes=0).most_bytes(20) == 0


# by hand


async def test_a_deleted_run_frees_its_name_and_never_its_number(home: Home) -> None:
    await home.run("r")
    retention = home.retention()
    await retention.delete(PROJECT, DOMAIN, "r")
    assert not await home.is_kept("r")
    await home.run("r")  # before the rest of the old one is gone
    await retention.look()
    assert home.outputs("r").exists()
    assert await home.database.read(
        lambda connection: connection.execute("SELECT id, name FROM runs").fetchall()
    ) == [(2, "r")]
    with pytest.raises(NotFound, match="no run 'x'"):
        await retention.delete(PROJECT, DOMAIN, "x")


# kills


async def state(home: Home) -> None:
    await home.tree("tree", 5)
    await home.run("cached", cache_key="k")
    home.clock.advance(31 * DAY)
    await home.run("young")


async def test_a_kill_at_any_step_leaves_nothing_half(tmp_path: Path) -> None:
    """Killed before and after every commit and every change of files, and again in the repair."""
    survived = 0
    for step in count(1):
        home = Home(tmp_path / str(step))
        await state(home)
        death = Death(after=step)
        try:
            await home.retention(death=death).look()
        except Killed:
            survived += 1
        else:
            assert step > 20, "so few steps cannot be a removal"
            home.database.close()
            break
        await whole(home)
        try:
            await home.retention(death=Death(after=1 + step % 7)).look()
        except Killed:
            await whole(home)
        await home.retention().look()
        assert await names(home) == ["young"]
        assert home.files.taken() == []
        assert not home.place("tree").exists()
        assert not home.log("tree").exists()
        assert [await home.count(table) for table in ("actions", "attempts", "cache")] == [1, 1, 0]
        home.database.close()
    assert survived == step - 1


async def whole(home: Home) -> None:
    """After a restart that removes nothing new: a run that is found has its files, one that is not has none."""
    await home.retention().removal.finish()
    for name in ("tree", "cached", "young"):
        found = await home.is_kept(name)
        assert found == home.outputs(name).exists(), name
        assert found == home.log(name).exists(), name


async def test_a_store_that_fails_at_the_commit_leaves_the_run_where_it_was(home: Home) -> None:
    await home.run("r")
    home.clock.advance(31 * DAY)
    retention = home.retention()
    await home.execute(
        "CREATE TRIGGER no BEFORE UPDATE OF name ON runs BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    await retention.look()
    assert await names(home) == ["r"]
    assert home.outputs("r").exists()


async def test_many_rows_go_in_small_pieces(home: Home) -> None:
    await home.tree("big", 450)
    home.clock.advance(31 * DAY)
    death = Death()
    before = await home.count("actions")
    await home.retention(death=death).look()
    assert (before, await home.count("actions"), await home.count("attempts")) == (451, 0, 0)
    assert death.steps > 2 * 451 / ROWS_AT_ONCE  # each commit before and after
