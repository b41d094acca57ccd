"""What conditions and triggers promise, judged from the raw rows; each function gives a sentence per breach."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.sim.world.platform.triggers import Plan
from tests.sim.world.rows import TERMINAL, Rows, Tick

from flyte_server.domain.schedules.records import CatchUp

if TYPE_CHECKING:
    from tests.sim.world.play import World

_SECOND = 1_000_000
_MOST_MISSED = 100
_GRACE_SECONDS = 60
_ON_ITS_WAY_SECONDS = 30
_STOPS = ("clock ahead", "stop plane", "tick refused", "store", "disk", "crash", "kill plane")


def nothing_was_noticed_on_the_way(world: "World", rows: Rows) -> Iterator[str]:
    yield from world.journal.breaches


def the_first_answer_stays(world: "World", rows: Rows) -> Iterator[str]:
    answers: dict[tuple[int, str], str] = {}
    for change in rows.history:
        if change["answer"] is not None:
            key = (change["run_id"], change["name"])
            if answers.setdefault(key, change["answer"]) != change["answer"]:
                yield f"{key} was answered {answers[key]}, and then {change['answer']}"
    for run, name, value in world.journal.accepted:
        action = rows.actions.get((run, name))
        found = None if action is None or not action["answer"] else json.loads(action["answer"])
        if found is None or found["value"] != value:
            yield f"{run}/{name}: the answer {value} was accepted, and it has {found}"
    for (run, name), action in rows.actions.items():
        if action["kind"] == "condition" and (action["phase"] == "succeeded") != bool(
            action["answer"]
        ):
            yield f"{run}/{name} is {action['phase']} with the answer {action['answer']}"


def conditions_end_by_what_ended_them(world: "World", rows: Rows) -> Iterator[str]:
    """By an answer, their timeout, an abort, or the end of whoever asked."""
    for (run, name), action in rows.actions.items():
        if action["kind"] != "condition":
            continue
        question = world.program(run).question(name)
        if action["phase"] == "timed_out" and not question.timeout:
            yield f"{run}/{name} has no timeout, and timed out"
        asked = {of for of, _ in world.journal.asked_abort} | world.journal.poisoned
        parent = rows.actions[run, action["parent"]]
        is_awaited = question.awaited and parent["phase"] == "succeeded"
        if action["phase"] == "aborted" and is_awaited and run not in asked:
            yield f"{run}/{name} is aborted, and its parent waited for it"


def no_parked_action_is_forgotten(world: "World", rows: Rows) -> Iterator[str]:
    """A parked one is not parked while a condition for which it waits has ended, not after any commit."""
    waits: dict[tuple[int, str], set[str]] = {}
    ended: set[tuple[int, str]] = set()
    commit = 0
    for change in [*rows.history, None]:
        if change is None or change["commit_no"] != commit:
            for (run_id, name), awaited in waits.items():
                over = [each for each in awaited if (run_id, each) in ended]
                if over and (rows.names[run_id] not in world.journal.poisoned):
                    yield f"{rows.names[run_id]}/{name} is parked after commit {commit}, and {over} have ended"
        if change is None:
            return
        commit = change["commit_no"]
        key = (change["run_id"], change["name"])
        if change["phase"] in TERMINAL:
            ended.add(key)
        waits.pop(key, None)
        if change["phase"] == "paused" and change["old_phase"] not in {None, "paused"}:
            waits[key] = world.journal.parked.get(
                (rows.names[key[0]], key[1], change["attempt"]), set()
            )


def parking_costs_nothing(world: "World", rows: Rows) -> Iterator[str]:
    gave_up = {each.attempt for each in world.journal.executions if each.ending == "parked"}
    for (run, name), tries in rows.attempts.items():
        for attempt in tries:
            said = f"attempt {attempt['number']} of {run}/{name}"
            if attempt["phase"] == "paused" and (attempt["failure"] or not attempt["ended_at"]):
                yield f"{said} was parked, failed with {attempt['failure']}, ended at {attempt['ended_at']}"
            identity = (run, name, attempt["number"], attempt["token"])
            is_over = attempt["phase"] in {"paused", "aborted", "timed_out"}
            if identity in gave_up - world.journal.hurt.keys() and not is_over:
                yield f"{said} gave its process back and is {attempt['phase']}"
    for change in rows.attempt_history:
        if change["old_phase"] == "paused":
            yield f"attempt {change['number']} of {change['action']} was parked, and became {change['phase']}"


def a_tick_has_one_run(world: "World", rows: Rows) -> Iterator[str]:
    world.journal.deeds["tick"] += len(rows.ticks)
    for (name, tick), count in Counter((tick.trigger, tick.at) for tick in rows.ticks).items():
        if count > 1:
            yield f"tick {tick} of {name} has {count} runs"
    for tick in rows.ticks:
        if not rows.revisions[tick.trigger, tick.revision]:
            yield f"{tick} ran in a revision that was not active"


def ticks_come_when_they_are_due(world: "World", rows: Rows) -> Iterator[str]:
    for plan in world.triggers.plans:
        ticks = [tick for tick in rows.ticks if tick.trigger == plan.name]
        for tick in ticks:
            if (tick.at - plan.anchor_us) % (plan.interval * _SECOND):
                yield f"{tick} is at no moment at which it ticks"
            if tick.created_at < tick.at:
                yield f"{tick} has its run before its time"
        for earlier, later in pairwise(ticks):
            if later.at <= earlier.at and not plan.changes:  # whoever resumes it may be behind
                yield f"{later} came after {earlier}"
        yield from _are_those_of_the_policy(world, plan, ticks, rows)


def _are_those_of_the_policy(
    world: "World", plan: Plan, ticks: list[Tick], rows: Rows
) -> Iterator[str]:
    row = rows.triggers[plan.name]
    if row["error"] or row["failures"]:
        yield f"{plan.name} is failing at the end: {row['error']}"
    match plan.catch_up:
        case CatchUp.NONE:
            yield from _are_in_time(world, ticks)
        case CatchUp.LATEST:
            last = row["next_tick"] - plan.interval * _SECOND
            if ticks and ticks[-1].at != last and not plan.changes:
                yield f"{plan.name} waits for {row['next_tick']}, its last run was {ticks[-1]}"
        case CatchUp.ALL:
            yield from _are_all(plan, ticks, row["next_tick"])


def _are_in_time(world: "World", ticks: list[Tick]) -> Iterator[str]:
    is_excused = any(kind.startswith(_STOPS) for kind in world.journal.faults)
    for tick in ticks:
        late = (tick.created_at - tick.at) / _SECOND
        if late > _GRACE_SECONDS + _ON_ITS_WAY_SECONDS and not is_excused:
            yield f"{tick} was made up for, {late} s late"


def _are_all(plan: Plan, ticks: list[Tick], next_tick: int) -> Iterator[str]:
    interval = plan.interval * _SECOND
    before = plan.anchor_us - (0 if plan.is_cron else interval)
    for tick in ticks:
        # Only what is older than the newest hundred is given up.
        is_too_old = tick.created_at >= tick.at + (_MOST_MISSED - 1) * interval
        if tick.at != before + interval and not is_too_old:
            yield f"{(tick.at - before) // interval - 1} ticks before {tick} are lost"
        before = tick.at
    if next_tick != before + interval:
        yield f"{plan.name} waits for {next_tick}, its last run was {before}"


PROMISES: tuple[Callable[["World", Rows], Iterator[str]], ...] = (
    nothing_was_noticed_on_the_way,
    the_first_answer_stays,
    conditions_end_by_what_ended_them,
    no_parked_action_is_forgotten,
    parking_costs_nothing,
    a_tick_has_one_run,
    ticks_come_when_they_are_due,
)
