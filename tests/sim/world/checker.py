"""The independent judge: reads the raw rows, the written-down changes of rows, and the world's journal; no engine code.

Each function is one promise and gives a sentence per breach.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import groupby, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tests.sim.world import rows as raw
from tests.sim.world.busy import Busy
from tests.sim.world.platform.promises import PROMISES
from tests.sim.world.programs import Outcome, expected
from tests.sim.world.rows import OPEN, TERMINAL, Rows

from flyte_server.domain.needs import Needs

if TYPE_CHECKING:
    from tests.sim.world.play import World

_ON_ITS_WAY_SECONDS = 0.25
_LAUNCH_SECONDS = 1.0
"""Between an executor's launch and the first line of the user's program."""
_AWAY = (
    "crash", "kill plane", "stop plane", "close plane", "power cut", "kill host", "freeze host",
    "disk", "store",
)  # fmt: skip


def check(world: "World") -> list[str]:
    """Everything that is not as promised."""
    rows = raw.load(world.disk.connection)
    return [problem for promise in _PROMISES for problem in promise(world, rows)]


def accepted_means_it_ends(world: "World", rows: Rows) -> Iterator[str]:
    for run in world.programs:
        if run not in world.journal.created:
            yield f"{run} was never accepted"
        elif (run, "a0") not in rows.actions:
            yield f"{run} was accepted and is gone"
    for key, action in rows.actions.items():
        if action["phase"] not in TERMINAL:
            yield f"{key} is {action['phase']} for ever: {_said(action)}"


def results_are_those_of_an_undisturbed_run(world: "World", rows: Rows) -> Iterator[str]:
    disturbed = _disturbed(world)
    ends, forsaken = _ends(rows), _forsaken(world, rows)
    for run in rows.names.values():
        for node in world.program(run).root.nodes():
            action = rows.actions.get((run, node.name))
            if action is None or run in disturbed or (run, node.name) in forsaken:
                continue
            value = world.blobs.values.get(action["output_uri"])
            is_good = action["phase"] == "succeeded"
            found = Outcome(action["phase"], value if is_good else None)
            wanted = expected(node, ends[run])
            if found != wanted:
                yield f"{run}/{node.name} is {found}, not {wanted}: {_said(action)}"


def only_what_was_aborted_is_aborted(world: "World", rows: Rows) -> Iterator[str]:
    disturbed, forsaken = _disturbed(world), _forsaken(world, rows)
    for (run, name), action in rows.actions.items():
        is_task = action["kind"] == "task" and (run, name) not in forsaken
        if is_task and action["phase"] == "aborted" and run not in disturbed:
            yield f"{run}/{name} is aborted although nobody asked for it: {_said(action)}"
    for run, name in world.journal.answered_abort:
        for victim in _tree(rows, run, name):
            ended = rows.actions[run, victim]
            if ended["phase"] in OPEN:
                yield f"{run}/{victim} goes on after its abort"


def a_terminal_phase_is_never_left(world: "World", rows: Rows) -> Iterator[str]:
    for change in rows.history:
        if change["old_phase"] in TERMINAL:
            yield f"{_of(rows, change)} left {change['old_phase']} for {change['phase']}"
    for change in rows.attempt_history:
        if change["old_phase"] in TERMINAL and change["old_phase"] != change["phase"]:
            yield f"attempt {change['number']} of {change['action']} left {change['old_phase']}"
        if change["old_token"] != change["token"]:
            yield f"attempt {change['number']} of {change['action']} got another token"


def what_was_told_stays_true(world: "World", rows: Rows) -> Iterator[str]:
    for told in world.journal.told:
        action = rows.actions.get((told.run, told.action))
        if action is None:
            yield f"{told.run}/{told.action} was told to be {told.phase} and is gone"
        elif (action["phase"], action["output_uri"]) != (told.phase, told.output_uri):
            yield f"{told.run}/{told.action} was told to be {told.phase} and is {action['phase']}"


def changes_are_counted(world: "World", rows: Rows) -> Iterator[str]:
    seen: set[tuple[int, int]] = set()
    for change in rows.history:
        old = change["old_version"]
        if old is not None and change["version"] != old + 1:
            yield f"{_of(rows, change)} went from version {old} to {change['version']}"
        place = (change["run_id"], change["seq"])
        if place in seen:
            yield f"{_of(rows, change)} got a place {change['seq']} that was taken"
        seen.add(place)
    for run_id, seq in rows.seqs.items():
        highest = max((place for run, place in seen if run == run_id), default=0)
        if highest != seq:
            yield f"run {run_id} counts {seq} changes, the last has {highest}"


def attempts_are_counted(world: "World", rows: Rows) -> Iterator[str]:
    for change in rows.history:
        old = change["old_attempt"]
        if old is None or change["attempt"] == old:
            continue
        if change["attempt"] != old + 1 or change["old_phase"] not in {
            "queued",
            "waiting_for_resources",
        }:
            yield f"{_of(rows, change)} went from attempt {old} ({change['old_phase']}) to {change['attempt']}"


def attempts_follow_each_other(world: "World", rows: Rows) -> Iterator[str]:
    for key, action in rows.actions.items():
        tries = rows.attempts[key]
        if [attempt["number"] for attempt in tries] != list(range(1, action["attempt"] + 1)):
            yield f"{key} has attempts {[attempt['number'] for attempt in tries]} of {action['attempt']}"
        if any(attempt["phase"] not in TERMINAL | {"paused"} for attempt in tries):
            yield f"{key} has an attempt that has not ended: {[attempt['phase'] for attempt in tries]}"
        good = [attempt["number"] for attempt in tries if attempt["phase"] == "succeeded"]
        is_executed = action["phase"] == "succeeded" and action["attempt"] > 0
        if good != ([action["attempt"]] if is_executed else []):
            yield f"{key} is {action['phase']} and its attempts {good} succeeded"
        if is_executed and action["output_uri"] != tries[-1]["output_uri"]:
            yield f"{key} has the outputs of another attempt"


def an_attempt_is_executed_once(world: "World", rows: Rows) -> Iterator[str]:
    known = {
        (*key, attempt["number"], attempt["token"])
        for key, tries in rows.attempts.items()
        for attempt in tries
    }
    counts = Counter(execution.attempt for execution in world.journal.executions)
    for attempt, count in counts.items():
        if count > 1:
            yield f"attempt {attempt} was executed {count} times"
        if attempt not in known and attempt not in world.journal.forgotten:
            yield f"attempt {attempt} was executed, and no row knows it"


def equal_actions_do_not_overlap(world: "World", rows: Rows) -> Iterator[str]:
    hurt = world.journal.hurt
    for key, executions in world.journal.by_action().items():
        for earlier, later in pairwise(executions):
            is_over = earlier.ended is not None and earlier.ended <= later.began
            if not is_over and earlier.attempt not in hurt:
                yield f"{key}: {later.attempt} began at {later.began} while {earlier.attempt} was at work"


def nothing_starts_after_the_answer_to_an_abort(world: "World", rows: Rows) -> Iterator[str]:
    """With two control planes the other one's launch may be on its way while the abort is answered; not for long.

    What nobody can read, nobody can abort: it is as if it was asked for when the row is readable again.
    """
    journal = world.journal
    patience = _ON_ITS_WAY_SECONDS if world.trouble.planes > 1 else 0.0
    for (run, name), answered in journal.answered_abort.items():
        if run in journal.poisoned:
            continue
        tree = {(run, victim) for victim in _tree(rows, run, name)}
        for attempt, at in journal.launches.items():
            if attempt[:2] in tree and at > answered + patience:
                yield f"{attempt} was launched at {at:.3f}, its abort answered at {answered:.3f}"
        for execution in journal.executions:
            is_late = execution.began > answered + _LAUNCH_SECONDS
            if execution.attempt[:2] in tree and is_late and execution.attempt not in journal.hurt:
                yield f"{execution.attempt} began at {execution.began:.3f}, its abort answered at {answered:.3f}"


def nobody_is_declared_dead_who_lives(world: "World", rows: Rows) -> Iterator[str]:
    journal = world.journal
    ran = {execution.attempt: execution for execution in journal.executions}
    for key, tries in rows.attempts.items():
        for attempt in tries:
            failure = attempt["failure"]
            if failure is None or failure["blame"] != "system":
                continue
            name = (*key, attempt["number"], attempt["token"])
            if name in journal.hurt or name in journal.refused:
                continue
            was_away = any(kind.startswith(_AWAY) for kind in journal.faults)
            execution = ran.get(name)
            if execution is None and key[0] in journal.poisoned:
                continue  # claimed, and then nobody could read what to start
            if execution is None and not was_away:
                yield f"{name} failed by the system without any reason: {failure}"
            if execution is not None and execution.ending not in {"killed", "system"}:
                yield f"{name} ended as {execution.ending} and counts as {failure}"


def each_budget_pays_its_own(world: "World", rows: Rows) -> Iterator[str]:
    endings = {execution.attempt: execution.ending for execution in world.journal.executions}
    for key, action in rows.actions.items():
        blames = Counter(
            attempt["failure"]["blame"]
            for attempt in rows.attempts[key]
            if attempt["failure"] is not None and attempt["phase"] in {"failed", "timed_out"}
        )
        if action["phase"] != "aborted" and blames["user"] != action["user_failures"]:
            yield f"{key} was charged {action['user_failures']} user failures, it had {blames['user']}"
        if blames["system"] != action["system_failures"]:
            yield f"{key} was charged {action['system_failures']} system failures, it had {blames['system']}"
        for attempt in rows.attempts[key]:
            failure = attempt["failure"]
            name = (*key, attempt["number"], attempt["token"])
            if (
                failure is not None
                and failure["code"] == "UserFault"
                and endings.get(name) != "failed"
            ):
                yield f"{name} is charged to the user, and ended as {endings.get(name)}"


def a_task_gives_up_only_when_it_must(world: "World", rows: Rows) -> Iterator[str]:
    disturbed, forsaken = _disturbed(world), _forsaken(world, rows)
    for execution in world.journal.executions:
        excused = execution.attempt in world.journal.hurt or execution.attempt[0] in disturbed
        key = execution.attempt[:2]
        is_late = key in rows.actions and rows.actions[key]["phase"] == "timed_out"
        excused = excused or key in forsaken or is_late
        if execution.ending == "system" and not excused:
            yield f"{execution.attempt} gave up on the control plane"


def the_cache_has_successes(world: "World", rows: Rows) -> Iterator[str]:
    for entry in rows.cache:
        run, action, number = entry["source"].split("/")
        tries = rows.attempts[run, action]
        maker = tries[int(number) - 1] if len(tries) >= int(number) else None
        if maker is None or maker["phase"] != "succeeded":
            yield f"the cache has {entry['key']} from {entry['source']}, which did not succeed"
        elif maker["output_uri"] != entry["output_uri"]:
            yield f"the cache has other outputs for {entry['key']} than {entry['source']}"


def equal_calls_have_equal_values(world: "World", rows: Rows) -> Iterator[str]:
    values: dict[str, set[int | None]] = defaultdict(set)
    for entry in rows.cache:
        values[entry["key"]].add(world.blobs.values.get(entry["output_uri"]))
    for run, program in world.programs.items():
        for node in program.root.nodes():
            action = rows.actions.get((run, node.name))
            if node.cache_key is None or action is None or action["phase"] != "succeeded":
                continue
            values[node.cache_key].add(world.blobs.values.get(action["output_uri"]))
    for key, found in values.items():
        if len(found) > 1:
            yield f"{key} has several values: {found}"


def traces_are_recorded_once(world: "World", rows: Rows) -> Iterator[str]:
    for run, trace in world.journal.repeated:
        yield f"{run}/{trace} was executed again after it was recorded"
    executed = Counter(execution.attempt[:2] for execution in world.journal.executions)
    for (run, trace), count in world.journal.traced.items():
        parent = trace.rpartition("-t")[0]
        if world.journal.forgotten:
            continue
        if count > executed[run, parent]:
            yield f"{run}/{trace} was executed {count} times in {executed[run, parent]} attempts"


def limits_are_kept(world: "World", rows: Rows) -> Iterator[str]:
    """Whoever is claimed has a place, counted as of then; only parents that wake may come on top."""
    busy = Busy()
    for _, changes in groupby(rows.history, key=itemgetter("commit_no")):
        claimed = busy.follow(list(changes))
        if not claimed:
            continue
        if busy.count() - busy.woken() > world.trouble.capacity.slots:
            yield f"{busy.count()} of {world.trouble.capacity.slots} slots are taken after the claim of {claimed}"
        for run_id in {run_id for run_id, _ in claimed}:
            most = world.program(rows.names[run_id]).most
            if most and busy.count(run_id) - busy.woken(run_id) > most:
                yield f"{busy.count(run_id)} of {most} places of run {run_id} are taken after the claim of {claimed}"


def no_more_is_reserved_than_there_is(world: "World", rows: Rows) -> Iterator[str]:
    """Of CPUs only parents that come back may take more; of memory only what all that keep some of it wait for."""
    busy, there = Busy(), world.trouble.capacity
    for _, changes in groupby(rows.history, key=itemgetter("commit_no")):
        claimed = busy.follow(list(changes))
        computing, alive = busy.computing(), busy.alive()
        asks = {key: _needs(world, rows, key) for key in alive}
        cpus = sum(asks[key].cpu_milli for key in computing)
        if any(asks[key].cpu_milli for key in claimed) and cpus > (there.cpu_milli or cpus):
            yield f"{cpus} of {there.cpu_milli} thousandths of a CPU are reserved after the claim of {claimed}"
        memory = sum(each.memory for each in asks.values())
        holders = {key for key in alive - claimed if asks[key].memory}
        is_stuck = not holders & computing
        if any(asks[key].memory for key in claimed) and memory > (there.memory or memory):
            world.journal.deed("overcommit", f"{claimed}")
            if not is_stuck:
                yield f"{memory} of {there.memory} bytes are reserved after the claim of {claimed}"


def _needs(world: "World", rows: Rows, key: tuple[int, str]) -> Needs:
    return world.program(rows.names[key[0]]).node(key[1]).policy.needs


def one_of_equal_actions_executes(world: "World", rows: Rows) -> Iterator[str]:
    """Serialized ones; a nested call of the same may pass, else it would wait for itself."""
    executing: dict[str, set[tuple[int, str]]] = defaultdict(set)
    serial = {
        key: action["serial_key"] for key, action in rows.actions.items() if action["serial_key"]
    }
    for change in rows.history:
        key = (change["run_id"], change["name"])
        shared = serial.get((rows.names[key[0]], key[1]))
        if shared is None:
            continue
        if change["phase"] in {"queued", "initializing", "running", "paused"}:
            executing[shared].add(key)
        else:
            executing[shared].discard(key)
        if len(executing[shared]) > 1:
            yield f"{executing[shared]} execute at the same time what is equal: {shared}"


def what_is_aborted_is_over(world: "World", rows: Rows) -> Iterator[str]:
    for (run, name), action in rows.actions.items():
        if action["phase"] not in TERMINAL:
            continue
        if action["aborting"] is not None or action["stopping"] is not None:
            yield f"{run}/{name} has ended and is still being ended: {_said(action)}"
        if action["limit_at"] is not None or action["ended_at"] is None:
            yield f"{run}/{name} has ended and its clock goes on: {_said(action)}"


def leases_are_of_the_living(world: "World", rows: Rows) -> Iterator[str]:
    living = {address.plane.name for address in world.addresses if address.plane.being.alive}
    living |= {host.name for host in world.hosts if host.being.alive}
    for lease in rows.leases:
        if lease["worker"] not in living:
            yield f"there is a lease of {lease['worker']}, which is gone: {lease}"


def no_process_is_left(world: "World", rows: Rows) -> Iterator[str]:
    for host in world.hosts:
        for process in host.processes.values():
            yield f"{process.being.name} still runs on {host.name} (alive: {host.being.alive})"


def rows_hold_together(world: "World", rows: Rows) -> Iterator[str]:
    for breach in world.disk.connection.execute("PRAGMA foreign_key_check"):
        yield f"foreign key: {breach}"
    for subject in rows.set_aside:
        yield f"set aside at the end: {subject}"


_PROMISES: tuple[Callable[["World", Rows], Iterator[str]], ...] = (
    accepted_means_it_ends,
    results_are_those_of_an_undisturbed_run,
    only_what_was_aborted_is_aborted,
    a_terminal_phase_is_never_left,
    what_was_told_stays_true,
    changes_are_counted,
    attempts_are_counted,
    attempts_follow_each_other,
    an_attempt_is_executed_once,
    equal_actions_do_not_overlap,
    nothing_starts_after_the_answer_to_an_abort,
    nobody_is_declared_dead_who_lives,
    each_budget_pays_its_own,
    a_task_gives_up_only_when_it_must,
    the_cache_has_successes,
    equal_calls_have_equal_values,
    traces_are_recorded_once,
    limits_are_kept,
    no_more_is_reserved_than_there_is,
    one_of_equal_actions_executes,
    what_is_aborted_is_over,
    leases_are_of_the_living,
    no_process_is_left,
    rows_hold_together,
    *PROMISES,
)


def _disturbed(world: "World") -> set[str]:
    """Runs that may end otherwise: somebody aborted some of it, or a row of it was unreadable for its family."""
    tasks = {(run, name) for (run, name) in world.journal.asked_abort if "-q" not in name}
    return {run for run, _ in tasks} | world.journal.poisoned


def _forsaken(world: "World", rows: Rows) -> set[tuple[str, str]]:
    """What was called by a task that its deadline has ended."""
    return {
        (run, below)
        for (run, name), action in rows.actions.items()
        if action["phase"] == "timed_out" and action["kind"] == "task"
        for below in _tree(rows, run, name)
        if below != name
    }


def _ends(rows: Rows) -> dict[str, dict[str, Outcome]]:
    """How the actions of each run have ended; conditions with their values."""
    found: dict[str, dict[str, Outcome]] = defaultdict(dict)
    for (run, name), action in rows.actions.items():
        answer = json.loads(action["answer"])["value"] if action["answer"] else None
        found[run][name] = Outcome(action["phase"], answer)
    return found


def _tree(rows: Rows, run: str, name: str) -> list[str]:
    found = [name] if (run, name) in rows.actions else []
    for parent in found:
        found += [
            child for (of, child), action in rows.actions.items()
            if of == run and action["parent"] == parent
        ]  # fmt: skip
    return found


def _of(rows: Rows, change: dict[str, Any]) -> str:
    return f"{rows.names[change['run_id']]}/{change['name']}"


def _said(action: dict[str, Any]) -> dict[str, Any]:
    told = ("attempt", "due_at", "aborting", "stopping", "failure", "cache_status", "user_failures")
    return {name: action[name] for name in told}
