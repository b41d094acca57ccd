"""What is said of each way in which a task's process can end without saying anything itself."""

import signal

from flyte_server.domain.needs import Usage
from flyte_server.domain.phases import Blame
from flyte_server.domain.records import Failure
from flyte_server.domain.telling import told
from flyte_server.engine.ports import (
    DISK_FULL,
    OUT_OF_MEMORY,
    TOO_MANY_PROCESSES,
    Exit,
    Overrun,
)
from flyte_server.services.launch.scenes import Scene

NO_OUTPUTS = "NoOutputs"
_SHELL_SIGNAL_BASE = 128
_STOPPED_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT})
_LOG = "look at the attempt's log"
_LONGEST_EVIDENCE = 16_384
"""Characters of stacks; the innermost frames come first."""
_MIB = 1024 * 1024


def of_exit(ended: Exit, scene: Scene, oom_kills: int) -> Failure:
    """The failure that an exit code other than 0, or a signal, means.

    Args:
        ended: how the process ended.
        scene: where its code was then.
        oom_kills: how many processes the kernel has ended for want of memory since an attempt failed here last.
    """
    number = ended.signal
    if number is None and ended.code is not None and ended.code > _SHELL_SIGNAL_BASE:
        # A shell between us and the process reports it like this.
        number = ended.code - _SHELL_SIGNAL_BASE
    if number is not None and number in signal.valid_signals():
        return _of_signal(signal.Signals(number), ended, scene, oom_kills)
    if ended.code is None:
        sentence = _sentence(
            "The task's process disappeared and nobody saw how it ended", ended.detail
        )
        return Failure("WorkerLost", told(sentence, next_step=_LOG), Blame.SYSTEM)
    sentence = _sentence(
        f"The task's process ended with exit code {ended.code} without writing a result",
        ended.detail,
    )
    next_step = (
        f"{_LOG}; return from the task, or raise an exception, instead of ending its process"
    )
    return Failure("ExitCode", told(sentence, _measured(ended.usage), next_step), Blame.USER)


def _of_signal(number: signal.Signals, ended: Exit, scene: Scene, oom_kills: int) -> Failure:
    if number is signal.SIGKILL:
        return _killed(ended, scene, oom_kills)
    at = f" at {scene.place}" if scene.place else ""
    if number in _STOPPED_FROM_OUTSIDE:
        sentence = _sentence(
            f"The task's process was ended from outside by {number.name}{at}", ended.detail
        )
        message = told(
            sentence, _stacks(scene), "nothing: it is tried again while retries are left"
        )
        return Failure("Interrupted", message, Blame.SYSTEM, place=scene.place)
    called = f" in native code called{at}" if at else " in native code"
    sentence = _sentence(f"The task's process crashed with {number.name}{called}", ended.detail)
    next_step = (
        "look at the library that this line calls (its version, its build, the data it gets)"
        if at
        else f"{_LOG}; it ends with what the process last wrote"
    )
    message = told(sentence, _stacks(scene), next_step)
    return Failure(number.name, message, Blame.USER, place=scene.place)


def _killed(ended: Exit, scene: Scene, oom_kills: int) -> Failure:
    if ended.detail:
        sentence = _sentence("The task's process was killed by SIGKILL", ended.detail)
        return Failure("Killed", told(sentence, _stacks(scene)), Blame.SYSTEM, place=scene.place)
    sentence = "The task's process was killed by SIGKILL from outside; the control plane did not ask for it."
    seen = [_measured(ended.usage), _counted(oom_kills)]
    next_step = "find who killed it (another program, a person, a container that ran out of memory)"
    if oom_kills:
        next_step = (
            "if it was for want of memory: run less at once, let the task use less, or ask for what it needs, like "
            'resources=flyte.Resources(memory="4Gi"); else find who killed it'
        )
    evidence = "; ".join(part for part in seen if part)
    return Failure("Killed", told(sentence, evidence, next_step), Blame.SYSTEM)


def _counted(oom_kills: int) -> str:
    """The kernel counts for the whole machine, so this is evidence and no more."""
    if not oom_kills:
        return "the kernel has ended no process of this machine for want of memory"
    what = "a process" if oom_kills == 1 else f"{oom_kills} processes"
    return f"since an attempt failed here last, the kernel has ended {what} of this machine for want of memory"


def of_overrun(overrun: Overrun, scene: Scene) -> Failure:
    """The failure of an attempt that was ended because it went beyond a bound of its own."""
    figures_ = figures(overrun)
    if overrun.cause == OUT_OF_MEMORY:
        code = "OOMKilled"
        sentence = f"The task ran out of memory: {figures_}."
        more = _mib(2 * overrun.limit).replace(" ", "").removesuffix("B")
        next_step = f'give it more, like resources=flyte.Resources(memory="{more}"), or hold less in memory at once'
    elif overrun.cause == DISK_FULL:
        code = "DiskFull"
        sentence = f"The task filled its disk: {figures_}."
        more = _mib(2 * overrun.limit).replace(" ", "").removesuffix("B")
        next_step = f'give it more, like resources=flyte.Resources(disk="{more}"), or remove files that it is done with'
    else:
        code = "TooManyProcesses"
        sentence = f"The task started too many processes: {figures_}."
        next_step = "start fewer, or wait for those that are started; the bound is set by FLYTE_SERVER_MOST_PROCESSES"
    return Failure(code, told(sentence, _stacks(scene), next_step), Blame.USER, place=scene.place)


def figures(overrun: Overrun) -> str:
    """What an attempt had reached, against its bound."""
    if overrun.cause == TOO_MANY_PROCESSES:
        return f"it had {overrun.peak} of at most {overrun.limit} processes"
    what = "in its working directory" if overrun.cause == DISK_FULL else "of memory"
    return f"it had {_mib(overrun.peak)} {what}, and its bound is {_mib(overrun.limit)}"


def no_outputs() -> Failure:
    """The failure of a process that ended as if all were well, and wrote nothing."""
    message = told(
        "The task's process ended with exit code 0 but wrote neither outputs nor an error.",
        "there is no outputs.pb in the attempt's directory; os._exit(0), or a program that took the process's place, "
        "ends it like this",
        f"return from the task instead of ending its process; {_LOG}",
    )
    return Failure(NO_OUTPUTS, message, Blame.USER)


def _stacks(scene: Scene) -> str:
    return scene.stacks[:_LONGEST_EVIDENCE]


def _measured(usage: Usage | None) -> str:
    if usage is None or not usage.peak_memory:
        return ""
    return f"its memory was {_mib(usage.peak_memory)} at its peak"


def _mib(size: int) -> str:
    return f"{size / _MIB:.0f} MiB" if size >= _MIB else f"{size / _MIB:.2f} MiB"


def _sentence(text: str, detail: str) -> str:
    return f"{text} ({detail})." if detail else f"{text}."
