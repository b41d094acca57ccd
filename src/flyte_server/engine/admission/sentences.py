"""What can never run on this machine, said with both figures and a next step."""

from dataclasses import replace

from flyte_server.domain import capacity
from flyte_server.domain.admission import accelerators
from flyte_server.domain.capacity import AMOUNTS, CPU, DISK, MEMORY, Capacity
from flyte_server.domain.needs import Needs
from flyte_server.domain.records import Failure
from flyte_server.domain.telling import Told

CANNOT_SCHEDULE = "CannotSchedule"
_SETTINGS = {CPU: "FLYTE_SERVER_CPUS", MEMORY: "FLYTE_SERVER_MEMORY", DISK: "FLYTE_SERVER_DISK"}


def objection(needs: Needs, there: Capacity) -> Told | None:
    """Why a request is larger than the machine; None when it fits into it.

    Example:
        >>> objection(Needs(cpu_milli=8000), Capacity(4, cpu_milli=2000)).sentence
        'asks for 8 CPUs, this machine has 2 CPUs'
    """
    for kind in AMOUNTS:
        wanted, most = capacity.amount(needs, kind), there.amount(kind)
        if most is not None and wanted > most:
            return Told(
                f"asks for {capacity.said(kind, wanted)}, this machine has {capacity.said(kind, most)}",
                next_step=f"ask for less {kind}, or set {_SETTINGS[kind]} of the control plane",
            )
    if needs.devices > len(accelerators.answering(there.devices, needs)):
        return _no_devices(needs, there)
    return None


def nested(needs: Needs, kept: dict[str, int], there: Capacity) -> Told | None:
    """Why a request can never be met although the machine is large enough: its callers keep too much of it.

    Args:
        needs: what is asked for.
        kept: how much of `memory`, `disk` and of the devices that answer is kept by the callers.
        there: the machine.
    """
    for kind in (MEMORY, DISK):
        most, wanted, held = there.amount(kind), capacity.amount(needs, kind), kept.get(kind, 0)
        if most is not None and wanted and wanted + held > most:
            return Told(
                f"asks for {capacity.said(kind, wanted)} while the tasks that called it keep"
                f" {capacity.said(kind, held)} until it has ended, and this machine has {capacity.said(kind, most)}",
                next_step=f"let the callers ask for less {kind}",
            )
    have, held = len(accelerators.answering(there.devices, needs)), kept.get(capacity.DEVICES, 0)
    if needs.devices and needs.devices + held > have:
        return Told(
            f"asks for {accelerators.wanted(needs)} while the tasks that called it keep {held} until it has ended,"
            f" and this machine has {have}",
            next_step="let the callers ask for no accelerator",
        )
    return None


def crowded(environment: str, places: int) -> Told:
    """Why a call can never get a place in a pool: its callers have them all."""
    return Told(
        f"waits for a place in the pool of {environment}, and the tasks that called it keep"
        f" {'the only one' if places == 1 else f'all {places}'} until it has ended",
        next_step="give its ReusePolicy more replicas or concurrency, or put caller and called into two environments",
    )


def failure(task: str, told: Told) -> Failure:
    """The end of an action that cannot run here; no retry changes it."""
    whole = replace(told, sentence=f"{task} {told.sentence}.")
    return Failure(CANNOT_SCHEDULE, str(whole), recoverable=False)


def _no_devices(needs: Needs, there: Capacity) -> Told:
    wanted = accelerators.wanted(needs)
    if not there.devices:
        return Told(
            f"asks for {wanted}, this machine has none",
            next_step="run it where there is one, or leave gpu= away; what counts is what the control plane found when"
            " it started, and FLYTE_SERVER_ACCELERATORS",
        )
    return Told(
        f"asks for {wanted}, this machine has {accelerators.counted(there.devices)}",
        next_step="ask for what there is, or run it on another machine",
    )
