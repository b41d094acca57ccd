"""The capacity of this machine: as it was found, where nothing else is set."""

from collections.abc import Callable, Mapping, Sequence

from flyte_server.domain.admission.accelerators import Device
from flyte_server.domain.capacity import Capacity
from flyte_server.machine import accelerators, amounts
from flyte_server.machine.accelerators import Accelerator
from flyte_server.machine.cgroups import Cgroups
from flyte_server.readings import SettingsError
from flyte_server.settings import NO_ACCELERATORS, Settings

Find = Callable[[Mapping[str, str]], Sequence[Accelerator]]


def capacity(
    settings: Settings, *, find: Find = accelerators.find, groups: Cgroups | None = None
) -> Capacity:
    """What attempts may have of this machine.

    Args:
        settings: what is set wins over what is found.
        find: looks for accelerators.
        groups: the control groups of this process.

    Raises:
        SettingsError: accelerators are asked for that are not there.
    """
    groups = groups or Cgroups()
    cpu_milli = settings.cpu_milli or amounts.cpu_milli(groups)
    by_cpus = Capacity.for_cpus(max(1, cpu_milli // 1000))
    return Capacity(
        settings.slots or by_cpus.slots,
        cpu_milli,
        settings.memory or amounts.memory(groups),
        settings.disk or amounts.disk(settings.home),
        () if settings.accelerators == NO_ACCELERATORS else _devices(settings, find),
    )


def _devices(settings: Settings, find: Find) -> tuple[Device, ...]:
    found = find(settings.inherited)
    return tuple(
        Device(each.id, each.model, each.partition, each.memory)
        for each in _wanted(settings, found)
    )


def _wanted(settings: Settings, found: Sequence[Accelerator]) -> Sequence[Accelerator]:
    wanted = settings.accelerators
    if wanted is None:
        return found
    if wanted.isdecimal():
        if int(wanted) > len(found):
            raise SettingsError(
                f"FLYTE_SERVER_ACCELERATORS={wanted}, but this machine has {len(found)};"
                " write at most as many, or leave it away."
            )
        return found[: int(wanted)]
    for entry in wanted.split(","):
        if not accelerators.visible(found, entry):
            there = ", ".join(each.id for each in found) or "none"
            raise SettingsError(
                f"FLYTE_SERVER_ACCELERATORS={wanted!r} names {entry.strip()!r}, which this machine does not have;"
                f" it has: {there}."
            )
    return accelerators.visible(found, wanted)
