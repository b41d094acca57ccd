"""Secrets at run time: tasks get them, and nobody else does."""

import os
import subprocess
from pathlib import Path

import psutil
import pytest
from tests.e2e.plane import FLYTE, PROGRAMS, Ended, Marks, Plane, flyte, here
from tests.support import wait_until

VALUE = "s3cr3t-of-nobody-else"
PROGRAM = "secretive.py"


def keep(name: str, value: bytes, *options: str) -> None:
    """`flyte create secret NAME` with the value on standard input."""
    command = [str(FLYTE), "create", "secret", name, *options]
    done = subprocess.run(command, input=value, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_task_gets_the_secrets_that_it_asks_for_and_no_others(plane: Plane) -> None:
    keep("api-key", VALUE.encode())
    asked = plane.run(PROGRAM, "length")
    assert asked.outputs == {"o0": len(VALUE), "o1": True}
    assert plane.run(PROGRAM, "without").outputs == {"o0": False, "o1": False}


def test_a_file_is_the_owners_alone_and_goes_with_the_attempt(plane: Plane) -> None:
    content = b"-----BEGIN-----\n\xff\x00 not text\n"
    keep("cert", content + b"\n")
    done = plane.run(PROGRAM, "mounted")
    assert done.outputs is not None, done.error
    _, name, modes, path = done.outputs.values()
    assert (name, modes) == ("cert", "600 700")
    assert not Path(path).parent.exists()


def test_the_narrowest_scope_wins_and_groups_join_the_name(plane: Plane) -> None:
    keep("open-ai_key", b"everywhere")
    keep("open-ai_key", b"project", "--project", "flytesnacks")
    keep("open-ai_key", b"domain", "--project", "flytesnacks", "--domain", "development")
    keep("open-ai_key", b"foreign", "--project", "other")
    assert plane.run(PROGRAM, "grouped").outputs == {"o0": "DOMAIN"}
    flyte("delete", "secret", "open-ai_key", "-p", "flytesnacks", "-d", "development")
    assert plane.run(PROGRAM, "grouped").outputs == {"o0": "PROJECT"}


def test_a_secret_that_is_nowhere_fails_the_attempt_before_it_starts(plane: Plane) -> None:
    done = plane.run(PROGRAM, "grouped")
    assert done.error is not None
    assert done.error["code"] == "SecretNotFound"
    for part in ("'key' of group 'open-ai'", "FLYTE_SECRET_OPEN_AI_KEY", "flyte create secret"):
        assert part in done.error["message"]
    (action,) = plane.actions(done.run)
    assert action["status"]["attempts"] == 1


def files_with(value: bytes, folder: Path) -> list[str]:
    """Every file below a folder that has the value: database, logs, records, results, whatever there is."""
    found: list[str] = []
    for path in folder.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink() and value in path.read_bytes():
                found.append(str(path.relative_to(folder)))
        except OSError:
            continue  # gone meanwhile
    return found


def command_lines_with(value: str) -> list[list[str]]:
    lines: list[list[str]] = []
    for process in psutil.process_iter():
        try:
            lines.append(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return [line for line in lines if any(value in word for word in line)]


def test_a_task_that_tells_its_secret_to_everybody_leaves_no_trace_of_it(
    plane: Plane, marks: Marks
) -> None:
    keep("api-key", VALUE.encode())
    for how in ("raise", "crash", "end"):
        running = plane.begin(
            "secretive.py", "leaky", "--how", how, "--folder", str(marks), name=how
        )
        wait_until(lambda how=how: marks.lines(how), timeout_seconds=40)
        assert files_with(VALUE.encode(), plane.home) == [], f"{how}: while it ran"
        assert command_lines_with(VALUE) == [], f"{how}: while it ran"
        marks.put(f"go-{how}")
        done = Ended.waited_for(running)
        assert VALUE not in str(done)
        log = flyte("get", "logs", how).stdout
        for said in ("the key is ***", "once more: '***'", "from below ***"):
            assert said in log, f"{how}: {log}"
        if how == "raise":
            assert done.error is not None
            assert "401 for key ***" in done.error["message"]
        elif how == "crash":
            assert "last words ***" in log
        else:
            report = next(plane.home.glob("data/**/report.html")).read_text()
            assert "the report has ***" in report
    assert files_with(VALUE.encode(), plane.home) == []
    assert files_with(VALUE.encode(), Path("/dev/shm")) == []
    recorded = files_with(b"recorded with ***", plane.home / "data")
    assert len(recorded) == 3, "the failures of the traced function were kept, without the value"


def test_a_process_that_stays_gets_them_with_its_work(plane: Plane) -> None:
    keep("api-key", VALUE.encode())
    keep("cert", b"\xff\x00 no text")
    done = plane.run(PROGRAM, "pooled", "--how", "end")
    assert done.outputs == {"o0": len(VALUE), "o1": True, "o2": 10, "o3": True}, done.error
    failed = plane.run(PROGRAM, "pooled", "--how", "raise")
    assert failed.error is not None
    assert "401 for key ***" in failed.error["message"]
    assert "the key is ***" in flyte("get", "logs", failed.run).stdout
    assert files_with(VALUE.encode(), plane.home) == []
    assert command_lines_with(VALUE) == []


def test_a_local_run_takes_secrets_from_the_environment(
    flyte_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = here(PROGRAM, "length")
    assert missing.error is not None
    assert missing.error["code"] == "SecretNotFound"
    assert "(API_KEY or FLYTE_SECRET_API_KEY) nor in the keyring" in missing.error["message"]

    monkeypatch.setenv("API_KEY", VALUE)
    assert here(PROGRAM, "length").outputs == {"o0": len(VALUE), "o1": True}
    monkeypatch.setenv("FLYTE_SECRET_CERT", VALUE)
    mounted = here(PROGRAM, "mounted")
    assert mounted.outputs is not None, mounted.error
    _, name, modes, path = mounted.outputs.values()
    assert (name, modes) == ("cert", "600 700")
    assert not Path(path).exists()


def test_a_local_run_keeps_secrets_out_of_what_it_keeps(
    flyte_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", VALUE)
    failed = here(PROGRAM, "leaking_at_once")
    assert failed.error is not None
    assert "401 for key ***" in failed.error["message"]
    assert files_with(VALUE.encode(), flyte_home) == []


def test_the_command_line_never_shows_a_value(plane: Plane, tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.write_text(VALUE)
    told = flyte("create", "secret", "of-file", "--from-file", str(file)).stdout
    told += flyte("create", "secret", "given", "--value", VALUE, "-p", "weather").stdout
    told += flyte("get", "secret").stdout + flyte("get", "secret", "of-file").stdout
    told += flyte("-of", "json", "get", "secret", "given", "-p", "weather").stdout
    for part in ("of-file", "everywhere", "given", "weather"):
        assert part in told
    assert VALUE not in told
    again = flyte("create", "secret", "of-file", "--value", VALUE, expect=1)
    assert "delete it first: flyte delete secret of-file" in again.stderr
    both = flyte("create", "secret", "x", "--value", "v", "--from-file", str(file), expect=2)
    assert "exclude each other" in both.stderr
    flyte("delete", "secret", "of-file")
    assert "of-file" not in flyte("get", "secret").stdout
    assert "does not exist" in flyte("delete", "secret", "of-file", expect=1).stderr


OFFICIAL = PROGRAMS.parents[2] / ".venv-official" / "bin" / "flyte"


@pytest.fixture
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The official client sends no token over plain HTTP."""
    monkeypatch.setenv("FLYTE_SERVER_AUTH", "none")


@pytest.mark.official_client
@pytest.mark.skipif(not OFFICIAL.exists(), reason="run `make official-client` first")
@pytest.mark.usefixtures("nobody_is_asked")
def test_an_official_client_keeps_secrets_that_our_tasks_get(plane: Plane, tmp_path: Path) -> None:
    def official(*arguments: str) -> str:
        place = ("--endpoint", f"dns:///127.0.0.1:{plane.port}", "--insecure")
        done = subprocess.run(
            [str(OFFICIAL), *place, "--output-format", "json-raw", *arguments],
            env={**os.environ, "HOME": str(tmp_path), "DO_NOT_TRACK": "1", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    official("create", "secret", "api-key", "--value", VALUE)
    assert plane.run(PROGRAM, "length").outputs == {"o0": len(VALUE), "o1": True}
    assert "api-key" in official("get", "secret")
    official("delete", "secret", "api-key")
    assert "api-key" not in flyte("get", "secret").stdout
