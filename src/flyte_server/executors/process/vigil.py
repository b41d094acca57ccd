"""Whether the hosts are alive: each is asked, and one that stays silent without an excuse is ended."""

import logging
from collections.abc import Callable, Collection

from flyte_server.clock import Clock
from flyte_server.domain.silence import Silence
from flyte_server.executors.process.host import Host

_SHARE_OF_LEASE = 0.2
"""One tick: a host that wakes up together with us has time to answer before two ticks have counted double."""
_log = logging.getLogger(__name__)


class Vigil:
    """Asks every host for a sign of life at each tick, and counts its silence in waking time of ours.

    A host answers outside of everything that tasks do: they run in processes of their own.  Only while it starts, or
    imports a task's code, it cannot answer; then it is alive as long as its process is there and nobody has stopped it.

    Args:
        clock: the time.
        hosts: all there are, at the moment of the call.
        lease_seconds: a host that is silent for longer is ended, and its attempts are lost.
    """

    def __init__(
        self, clock: Clock, hosts: Callable[[], Collection[Host]], *, lease_seconds: float
    ) -> None:
        self._clock = clock
        self._hosts = hosts
        self._lease_seconds = lease_seconds
        self.tick_seconds = _SHARE_OF_LEASE * lease_seconds
        self._silence = Silence[Host](self.tick_seconds)

    def look(self) -> None:
        """Note who has answered, ask again, and end who has been silent for too long; once per tick."""
        hosts = frozenset(host for host in self._hosts() if not host.gone.is_set())
        self._silence.keep(hosts)
        self._silence.tick(self._clock.monotonic())
        for host in hosts:
            self._silence.watch(host)
            if host.answered or host.excused():
                self._silence.heard(host)
                host.ask()
            elif self._silence.of(host) > self._lease_seconds:
                self._end(host)

    def beating(self) -> list[str]:
        """Ids of the hosts that are alive by the last look; one that came since then counts too."""
        return [
            host.host_id
            for host in self._hosts()
            if not host.gone.is_set() and self._silence.of(host) <= 0.0
        ]

    def _end(self, host: Host) -> None:
        reason = f"gave no sign of life for {self._silence.of(host):.0f} s"
        _log.warning("host %s %s; it is ended", host.host_id, reason)
        host.condemn(reason)
