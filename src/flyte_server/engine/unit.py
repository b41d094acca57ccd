"""One transaction's worth of work: what was read, what is to be written, and whom to wake
afterwards."""

import logging
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import replace

from flyte_server.domain import errors, retry
from flyte_server.domain.admission import lanes
from flyte_server.domain.admission.lanes import Gate, Limits
from flyte_server.domain.commands import NewAction
from flyte_server.domain.phases import LIVE, Phase
from flyte_server.domain.records import Action, ActionKey, Attempt, CacheEntry, Run
from flyte_server.engine import bus
from flyte_server.engine.ports import Outputs
from flyte_server.store import actions, aside, cache, limits, runs
from flyte_server.store.catalogue import specs
from flyte_server.store.rows import Connection

_ASIDE_PAUSES = (10.0, 2.0, 300.0)
"""Base, factor and cap (seconds) of how long something that fails is left alone."""
_LONGEST_ERROR = 2000
_logger = logging.getLogger(__name__)


class Unit:
    """Reads through, collects changes, writes them in a few statements; lives on the writer thread.

    Several events in one transaction see each other's changes, and an action that changes three
    times is written once.
    """

    def __init__(self, connection: Connection, now_us: int, outputs: Outputs) -> None:
        self.connection = connection
        self.now_us = now_us
        self.outputs = outputs
        self.topics: set[bus.Topic] = set()
        self.must_last = False
        """Whether somebody outside is told something that a power cut must not take back: that a run was accepted, or
        how it ended.  What is lost in between is only done again."""
        self._actions: dict[ActionKey, Action] = {}
        self._stored: dict[ActionKey, Action | None] = {}
        self._changed: dict[ActionKey, None] = {}
        self._attempts: list[Attempt] = []
        self._entries: list[CacheEntry] = []
        self._runs: dict[int, Run] = {}
        self._limits: Limits | None = None

    def action(self, key: ActionKey) -> Action | None:
        """The action as it is after what was done in this unit."""
        known = self._actions.get(key)
        if known is not None:
            return known
        found = actions.load(self.connection, key.run_id, key.name)
        return None if found is None else self._adopt(found)

    def current(self, key: ActionKey) -> Action:
        """The action, which was read or added here before."""
        return self._actions[key]

    def adopt(self, found: Iterable[Action]) -> list[Action]:
        """Take actions that a query found; call `flush` before the query."""
        return [self._adopt(action) for action in found]

    def run(self, run_id: int) -> Run | None:
        """The run."""
        known = self._runs.get(run_id)
        if known is None:
            found = runs.by_id(self.connection, run_id)
            if found is not None:
                known = self._runs[run_id] = found
        return known

    def current_run(self, run_id: int) -> Run:
        """The run, which was read or added here before."""
        return self._runs[run_id]

    def add_run(self, run: Run) -> Run:
        """Write a new run; gives it with its id."""
        made = replace(run, id=runs.insert(self.connection, run))
        self._runs[made.id] = made
        return made

    def add(self, action: Action) -> None:
        """A new action; its parent must be known."""
        self._stored[action.key] = None
        self.put(action)

    def put(self, action: Action) -> None:
        """A change of an action that was read or added here.

        Raises:
            errors.StaleWrite: it was made from an action that has been written meanwhile: a bug of ours.
        """
        known = self._actions.get(action.key)
        if known is not None and known.version != action.version:
            raise errors.StaleWrite(
                f"a change of {action.name} was made from version {action.version}, it has {known.version} by now"
            )
        self._actions[action.key] = action
        self._changed[action.key] = None

    def put_attempt(self, attempt: Attempt) -> None:
        """A new or changed attempt."""
        self._attempts.append(attempt)

    def publish(self, entry: CacheEntry) -> None:
        """An entry for the cache."""
        self._entries.append(entry)

    def lane(self, run: Run, command: NewAction) -> str:
        """In which line a new action waits."""
        if self._limits is None:
            self._limits = limits.listing(self.connection)
        return lanes.write(
            run.id,
            run.max_concurrency,
            environment=command.environment,
            queue=command.queue,
            is_root=command.parent is None,
            limits=self._limits,
            needs=command.policy.needs,
            pool=command.policy.pool,
        )

    def set_aside(self, subject: str, key: ActionKey | None, error: str) -> None:
        """Leave something that failed alone for a while, longer with every failure; the log is told once."""
        known = aside.load(self.connection, subject)
        if known is not None and known.until > self.now_us:
            return
        failures = 1 if known is None else known.failures + 1
        pause_us = retry.backoff_us(*_ASIDE_PAUSES, failures=failures)
        if known is None:
            _logger.error("%s is set aside: %s", subject, error)
        aside.save(
            self.connection,
            aside.SetAside(
                subject,
                None if key is None else key.run_id,
                None if key is None else key.name,
                error[:_LONGEST_ERROR],
                failures,
                self.now_us if known is None else known.since,
                self.now_us + pause_us,
            ),
        )

    def heal(self, subject: str) -> None:
        """Something that was set aside works again."""
        if aside.delete(self.connection, subject):
            _logger.info("%s works again", subject)

    @contextmanager
    def apart(self) -> Generator[None]:
        """What the block changes is undone when it raises, and nothing else."""
        self.flush()
        try:
            with aside.savepoint(self.connection):
                yield
                self.flush()
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        """Forget what was changed since the last `flush`."""
        for key in self._changed:
            stored = self._stored[key]
            if stored is None:
                del self._actions[key], self._stored[key]
            else:
                self._actions[key] = stored
        for run_id in {key.run_id for key in self._changed} & self._runs.keys():
            found = runs.by_id(self.connection, run_id)
            if found is not None:
                self._runs[run_id] = found
        self._changed.clear()
        self._attempts.clear()
        self._entries.clear()

    def set_limit(self, gate: Gate, most: int) -> None:
        """Let at most so many actions of an environment or a queue be alive at once."""
        self.flush()
        limits.save(self.connection, gate, most)
        self._limits = None
        self.topics.add(bus.QUEUE)

    def delete_limit(self, gate: Gate) -> bool:
        """Take a limit away; False when there is none."""
        self.flush()
        self._limits = None
        self.topics.add(bus.QUEUE)
        return limits.delete(self.connection, gate)

    def spec(self, body: bytes) -> str:
        """Store a specification; gives its digest."""
        return specs.save(self.connection, body)

    def flush(self) -> None:
        """Write what was collected.

        Raises:
            errors.StaleWrite: when another process changed an action; nothing may be committed
            then.
        """
        if not self._changed:
            return
        changed = self._stamp()
        before = [self._stored[action.key] for action in changed]
        pairs = list(zip(changed, before, strict=True))
        actions.insert(self.connection, [action for action, old in pairs if old is None])
        actions.update(
            self.connection, [(action, old.version) for action, old in pairs if old is not None]
        )
        actions.save_attempts(self.connection, self._attempts)
        self._save_entries()
        for action, old in pairs:
            self._note_topics(action, old)
            self._stored[action.key] = action
        self._changed.clear()
        self._attempts.clear()

    def _adopt(self, action: Action) -> Action:
        known = self._actions.get(action.key)
        if known is not None:
            return known
        self._actions[action.key] = self._stored[action.key] = action
        return action

    def _stamp(self) -> list[Action]:
        """Give every changed action its version and its place in the order of its run's changes."""
        counts = Counter(key.run_id for key in self._changed)
        following: dict[int, int] = {}
        for run_id, count in counts.items():
            seq = runs.advance(self.connection, run_id, count)
            following[run_id] = seq - count
            if run_id in self._runs:
                self._runs[run_id] = replace(self._runs[run_id], seq=seq)
        stamped: list[Action] = []
        for key in self._changed:
            following[key.run_id] += 1
            action = self._actions[key]
            action = action.but(version=action.version + 1, seq=following[key.run_id])
            self._actions[key] = action
            stamped.append(action)
        return stamped

    def _save_entries(self) -> None:
        for entry in self._entries:
            run = self.run(entry.run_id)
            if run is not None:
                cache.save(self.connection, run, entry)
        self._entries.clear()

    def _note_topics(self, action: Action, old: Action | None) -> None:
        self.topics.add(bus.run_topic(action.run_id))
        if action.phase.terminal or (old is not None and old.token != action.token):
            self.topics.add(bus.ends_topic(action.run_id))
        if action.parent is None:
            self.topics.add(bus.RUNS)
            self.must_last = self.must_last or old is None or action.phase.terminal
        if _frees_or_wants_slot(action, old):
            self.topics.add(bus.QUEUE)
        if self._needs_reconciler(action, old):
            self.topics.add(bus.ABORTS)
        if action.limit_at is not None and (old is None or old.limit_at != action.limit_at):
            self.topics.add(bus.LIMITS)

    def has_open_children(self, key: ActionKey) -> bool:
        """Whether an action has children that have not ended."""
        self.flush()
        return actions.has_open_children(self.connection, key)

    def _needs_reconciler(self, action: Action, old: Action | None) -> bool:
        if action.phase is Phase.ABORTED and action.parent is not None:
            return True  # its parent may wait for it
        if action.phase in LIVE:
            return action.aborting is not None or action.stopping is not None
        ended = action.phase.terminal and old is not None
        return ended and actions.has_open_children(self.connection, action.key)


def _frees_or_wants_slot(action: Action, old: Action | None) -> bool:
    if action.phase is Phase.QUEUED or action.serial_key is not None:
        return True
    return old is not None and old.phase in LIVE and action.phase not in LIVE
