"""A host whose attempts do what their arguments say: `a0 VERB ARGUMENT…`.  Executed, never
imported."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from flyte._entrypoints.hosting import serve
from flyte._entrypoints.starters import Forker

LONG = "600"


def exit_with(code: str) -> int:
    return int(code)


def die_of(number: str) -> int:
    os.kill(os.getpid(), int(number))
    return 0


def speak(_: str) -> int:
    print("from print")
    os.write(1, b"from os.write\n")
    subprocess.run(["sh", "-c", "echo from a subprocess; echo and its errors >&2"], check=True)
    return 0


def sleep(mark: str) -> int:
    Path(mark).write_text(str(os.getpid()))
    time.sleep(float(LONG))
    return 0


def wait_for(path: str) -> int:
    """Go on until the file is there; it holds the exit code."""
    while not Path(path).exists() or not (code := Path(path).read_text()):
        time.sleep(0.01)
    return int(code)


def talk_until(path: str) -> int:
    """Write a line now and then, until the file is there."""
    while not Path(path).exists():
        print("still here")
        time.sleep(0.01)
    return 0


def resist(mark: str) -> int:
    """Ignore SIGTERM, and have a child that does so too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with subprocess.Popen(["sleep", LONG]) as process:
        Path(mark).write_text(f"{os.getpid()} {process.pid}")
        time.sleep(float(LONG))
    return 0


def leave_behind(mark: str) -> int:
    """End well, but leave a process in the session and a daemon outside of it."""
    process = subprocess.Popen(["sleep", LONG])
    daemon = subprocess.Popen(["sleep", LONG], start_new_session=True)
    Path(mark).write_text(f"{process.pid} {daemon.pid}")
    process.returncode = daemon.returncode = 0  # nobody waits for them
    return 0


def keep_daemon(mark: str) -> int:
    """Start a process in the way of daemons: its parent ends at once."""
    script = f"setsid sleep {LONG} >/dev/null 2>&1 & echo $!"
    started = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, check=True, text=True)
    Path(mark).write_text(f"{os.getpid()} {started.stdout}")
    time.sleep(float(LONG))
    return 0


def keep_tidy(mark: str) -> int:
    """Have a process in a session of its own that cleans up when it is asked to end."""
    script = f"trap 'printf SIGTERM > {mark}.tidied; exit' TERM; echo $$ > {mark}.pid; sleep {LONG} & wait"
    with subprocess.Popen(["sh", "-c", script], start_new_session=True) as process:
        while not Path(f"{mark}.pid").exists():
            time.sleep(0.01)
        Path(mark).write_text(f"{os.getpid()} {process.pid}")
        time.sleep(float(LONG))
    return 0


def tell(path: str) -> int:
    """What an attempt finds around itself."""
    lines = [
        str(Path.cwd()),
        ",".join(sorted(entry.name for entry in Path.cwd().iterdir())),
        str(random.random()),
        str(sys.argv),
    ]
    lines += [os.environ.get("OMP_NUM_THREADS", ""), os.environ.get("ACTION_NAME", "")]
    lines += [str(os.getpgrp() == os.getpid()), str(Path("/proc/self/fd/0").readlink())]
    Path(path).write_text("\n".join(lines))
    return 0


VERBS = {
    function.__name__: function
    for function in (
        exit_with,
        die_of,
        speak,
        sleep,
        wait_for,
        resist,
        talk_until,
        leave_behind,
        keep_daemon,
        keep_tidy,
        tell,
    )
}


class FakeProgram:
    """Prepares as the variable PRELOAD says, performs what the arguments say."""

    def preload(self, argv: Sequence[str], env: Mapping[str, str]) -> Path | None:
        print("imported")
        match env.get("PRELOAD"):
            case "fail":
                raise ModuleNotFoundError("no module named lost")
            case "threads":
                threading.Thread(
                    target=time.sleep, args=(float(LONG),), name="busy", daemon=True
                ).start()
            case "hang":
                time.sleep(float(LONG))
            case str(told) if told.startswith("until "):
                while not Path(told.removeprefix("until ")).exists():
                    time.sleep(0.01)
            case "die":
                os.kill(os.getpid(), signal.SIGSEGV)
            case str(folder) if folder:
                return Path(folder)
            case _:
                pass
        return None

    def run(self, argv: Sequence[str], env: Mapping[str, str]) -> int:
        return VERBS[argv[1]](argv[2])


if __name__ == "__main__":
    serve(sys.argv[1:], Forker(FakeProgram()))
