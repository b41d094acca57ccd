"""Bounds and figures of attempts, in the messages that are said to hosts and heard from them."""

from dataclasses import asdict

from flyte_server.domain.needs import Bounds
from flyte_server.engine.ports import LaunchSpec, Overrun
from flyte_server.executors.common.limits.watch import Watch
from flyte_server.executors.common.limits.watched import Measured, Subject
from flyte_server.executors.process.connection import Message, attempt_key


def terms(watch: Watch, spec: LaunchSpec) -> Message:
    """What a launch says of bounds; makes the attempt's control groups."""
    return {
        "bounds": asdict(spec.bounds),
        "cgroups": watch.admit(spec.attempt.token, spec.bounds),
        "devices": bool(spec.devices),
    }


def begin(watch: Watch, started: Message) -> None:
    """An attempt has a process: look at it from now on."""
    watch.begin(
        Subject(
            attempt_key(started).token,
            started["pid"],
            bounds=Bounds(**started.get("bounds", {})),
            cgroups=tuple(started.get("cgroups", ())),
            directory=started.get("directory", ""),
            log_path=started.get("log_path", ""),
            devices=started.get("devices", False),
        )
    )


def at_the_end(watch: Watch, exited: Message) -> Measured:
    """What an attempt has used, and the bound that it has hit.

    If this control plane has not seen it alive, its groups are asked all the same: the host knows them.
    """
    if exited.get("cgroups"):
        begin(watch, exited)
    measured = watch.measured(
        attempt_key(exited).token,
        peak_memory=exited.get("peak_memory", 0),
        cpu_seconds=exited.get("cpu_seconds", 0.0),
        killed=exited["signal"] is not None,
    )
    told = exited.get("overrun")
    return Measured(measured.usage, Overrun(**told)) if told else measured


def kill(key: object, overrun: Overrun) -> Message:
    """Ends an attempt that went beyond a bound; the host tells the bound with the end, to whichever control plane."""
    return {"op": "kill", "key": key, "grace": 0, "overrun": asdict(overrun)}


def note(key: object, overrun: Overrun) -> Message:
    """Tells in an attempt's log that something below it was killed."""
    mebibytes = overrun.limit // 2**20
    text = (
        f"a process of this task was killed: all of them together reached the memory bound of {mebibytes} MiB;"
        " the task goes on without it"
    )
    return {"op": "note", "key": key, "text": text}
