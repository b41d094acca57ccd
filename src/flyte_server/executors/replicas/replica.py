"""One replica as the control plane sees it: a process, a session, the attempts it executes."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from flyte_server.clock import Clock
from flyte_server.domain.events import Failed, Succeeded
from flyte_server.domain.records import AttemptKey
from flyte_server.engine.ports import Assign, Cancel, Drain, LaunchSpec
from flyte_server.executors.common.processes import HostProcess
from flyte_server.executors.replicas.orders import Orders


@dataclass(slots=True, eq=False)
class Held:
    """An attempt, from the launch until its end is committed."""

    key: AttemptKey
    spec: LaunchSpec | None = None
    """None for an attempt that an earlier control plane launched."""
    replica: "Replica | None" = None
    """Who executes it; None while it waits for a place."""
    doomed: bool = False
    """Somebody asked for its end."""
    over: bool = False
    """Its end is known, and is being reported."""
    end: Succeeded | Failed | None = None
    """What its replica has said of its end."""


class Replica:
    """Keeps count of its places, and of what it has to be told.

    Args:
        replica_id: its name.
        pool_key: the pool that it serves.
        process: the process that it is.
        concurrency: how many attempts it executes at once, at most.
        env: the variables with which it was started; empty: not known.
        clock: the time.
    """

    def __init__(
        self,
        replica_id: str,
        pool_key: str,
        process: HostProcess,
        *,
        concurrency: int,
        env: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self.replica_id = replica_id
        self.pool_key = pool_key
        self.process = process
        self.concurrency = concurrency
        self.held: dict[AttemptKey, Held] = {}
        """Attempts that it executes, or whose ends are not committed."""
        self.session = ""
        """Empty until it has registered with this control plane."""
        self.orders = Orders()
        self.since = clock.monotonic()
        """When it was started or found."""
        self.idle_since = self.since
        self.draining = False
        self._drained_at = 0.0
        self.condemned = ""
        """Why it was ended by us; empty: it was not."""
        self.gone = False
        """Its process has ended."""
        self._env = env
        self._clock = clock
        self._busy = 0

    @property
    def registered(self) -> bool:
        return bool(self.session)

    @property
    def open(self) -> bool:
        """Whether it takes attempts; one that starts will."""
        return not (self.draining or self.condemned or self.gone)

    @property
    def free(self) -> int:
        """Places for attempts; a dead or an ending replica has none."""
        return max(0, self.concurrency - self._busy) if self.open else 0

    @property
    def busy(self) -> bool:
        """Whether it executes anything."""
        return self._busy > 0

    @property
    def leaving_seconds(self) -> float:
        """For how long it could have ended; 0 for one that should not."""
        if not self.draining or self.busy:
            return 0.0
        return self._clock.monotonic() - max(self._drained_at, self.idle_since)

    # -- attempts

    def take(self, held: Held) -> None:
        """Execute an attempt."""
        self.hold(held)
        assert held.spec is not None, "only what was launched here is assigned"
        env = self._env
        own = {name: text for name, text in held.spec.env.items() if env.get(name) != text}
        self.orders.add(Assign(held.spec, own))

    def hold(self, held: Held) -> None:
        """It executes this, from now on or already."""
        held.replica = self
        self.held[held.key] = held
        self._busy += 1

    def freed(self) -> None:
        """An attempt has ended, so that its place can be taken; its end may not be committed yet."""
        self._busy -= 1
        if not self._busy:
            self.idle_since = self._clock.monotonic()

    def cancel(self, held: Held, grace_seconds: float) -> None:
        """Have an attempt stopped."""
        self.orders.add(Cancel(held.key, grace_seconds, "it was aborted or has hit a time limit"))

    # -- sessions and ends

    def greet(self, held: Collection[AttemptKey]) -> list[Held]:
        """Begin a session; what it had to be told and never heard is said again.

        Args:
            held: what it says that it holds.

        Returns:
            Attempts that it should hold, has heard of, and does not hold any more.
        """
        before, self.orders = self.orders, Orders()
        self.session = secrets.token_hex(8)
        unheard = {work.spec.attempt: work for work in before.unreceived()}
        before.end()
        missing: list[Held] = []
        for key, each in self.held.items():
            if each.over:
                continue
            if key in held:
                if each.doomed:
                    self.cancel(each, 0.0)
            elif key in unheard:
                self.orders.add(unheard[key])
            else:
                missing.append(each)
        if self.draining:
            self.orders.add(Drain())
        return missing

    def drain(self) -> None:
        """Let it end when it holds nothing."""
        self.draining = True
        self._drained_at = self._clock.monotonic()
        self.orders.add(Drain())

    def condemn(self, reason: str) -> None:
        """End it at once; `reason` is why its attempts are lost."""
        self.condemned = self.condemned or reason
        self.process.kill()
