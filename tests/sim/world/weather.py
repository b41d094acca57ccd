"""What happens to the world at its moments, and how it is healed."""

from typing import TYPE_CHECKING

from tests.sim.world.faults import BROKEN, FULL, LOCKED
from tests.sim.world.hosts import Host

if TYPE_CHECKING:
    from tests.sim.world.play import Address, World

_POISONABLE = """
SELECT a.run_id, a.name, a.policy, r.name FROM actions AS a JOIN runs AS r ON r.id = a.run_id
WHERE r.name <> 'run0' AND a.policy <> '{broken'
AND a.phase IN ('queued', 'waiting_for_resources', 'initializing', 'running', 'paused')
ORDER BY a.run_id, a.name
"""
_SET_POLICY = "UPDATE actions SET policy = ? WHERE run_id = ? AND name = ?"
_STATES = {"disk full": FULL, "disk broken": BROKEN, "store locked": LOCKED}


class Weather:
    """Does what the seed's trouble says."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._poisoned: dict[tuple[int, str], str] = {}

    def happen(self, event: str) -> None:
        """One event of `Trouble.events`."""
        world, dice = self._world, self._world.dice
        address = dice.choice(world.addresses)
        plane = address.plane.being
        match event:
            case "kill plane":
                self._fault(event, plane.name)
                plane.kill()
            case "stop plane":
                self._stop_plane(address)
            case "close plane":
                self._close_plane(address)
            case "clock ahead" | "clock back":
                self._fault(event, address.name)
                address.wall.jump(3600 if event == "clock ahead" else -3600)
            case "disk full" | "disk broken" | "store locked":
                self._fault(event)
                world.disk.state = _STATES[event]
                world.loop.later(dice.uniform(0.1, 20), self._disk_works)
            case "power cut":
                self._power_cut()
            case "poison":
                self._poison()
            case _:
                self._of_host(event)

    def _of_host(self, event: str) -> None:
        world, dice = self._world, self._world.dice
        living = [host for host in world.hosts if host.being.alive and not host.being.stopped]
        if not living:
            return
        host = dice.choice(living)
        self._fault(event, host.name)
        if event == "kill host":
            host.being.kill()
        elif event == "freeze host":
            self._freeze(host)
        elif host.processes:
            process = dice.choice(list(host.processes.values()))
            world.loop.call_soon(host.end, process, "killed", context=host.being.context)

    def _freeze(self, host: Host) -> None:
        world, dice = self._world, self._world.dice
        world.hurt(host, f"{host.name} was frozen")
        host.being.stop()
        too = [process.being for process in host.processes.values() if dice.random() < 0.5]
        for being in too:
            being.stop()

        def thaw() -> None:
            world.journal.note("thaws", host.name)
            for being in [host.being, *too]:
                being.go_on()

        world.loop.later(dice.choice([3.0, 15.0, 40.0, 100.0]), thaw)

    def _stop_plane(self, address: "Address") -> None:
        plane = address.plane.being
        if not plane.alive or plane.stopped:
            return
        self._fault("stop plane", plane.name)
        plane.stop()
        address.is_away()
        self._world.loop.later(self._world.dice.choice([2.0, 15.0, 45.0, 600.0]), plane.go_on)

    def _close_plane(self, address: "Address") -> None:
        if address.plane.being.alive and address.plane.ready:
            self._fault("close plane", address.plane.name)
            address.plane.being.do(address.plane.close())

    def _power_cut(self) -> None:
        """The machine goes off: every process is gone."""
        self._fault("power cut")
        for host in self._world.hosts:
            host.being.kill()
        for address in self._world.addresses:
            address.plane.being.kill()
        self._world.disk.lose_power()
        self._world.journal.forget(self._world.disk.synced_at)

    def _poison(self) -> None:
        """A row that nobody can read, until it is mended."""
        world = self._world
        rows = world.disk.connection.execute(_POISONABLE).fetchall()
        if not rows:
            return
        run_id, name, policy, run = world.dice.choice(rows)
        self._fault("poison", f"{run}/{name}")
        world.journal.poisoned.add(run)
        world.disk.damage(_SET_POLICY, ("{broken", run_id, name))
        self._poisoned[run_id, name] = policy

    def _mend(self) -> None:
        for (run_id, name), policy in self._poisoned.items():
            self._world.disk.damage(_SET_POLICY, (policy, run_id, name))
        self._poisoned.clear()

    def _disk_works(self) -> None:
        self._world.disk.state = ""
        self._world.journal.note("the disk works again")

    def heal(self) -> None:
        """All trouble is over."""
        self._world.journal.note("healed")
        self._mend()
        self._disk_works()
        for address in self._world.addresses:
            plane = address.plane.being
            if plane.stopped:
                plane.go_on()

    def _fault(self, kind: str, about: str = "") -> None:
        self._world.journal.fault(kind, about)
