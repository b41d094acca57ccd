"""The token in a forked process's memory: /proc shows it, and what it does not overwrite."""

import ctypes
import subprocess
import sys

import pytest

from flyte._entrypoints import mark
from flyte._entrypoints.mark import TokenMark
from flyte_server.executors.common import kin

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")

_SCRIPT = """
import os, sys
from flyte._entrypoints.mark import TokenMark
mark = TokenMark()
if os.fork() == 0:
    mark.write(sys.argv[1])
    if os.fork() == 0:
        os.write(1, open("/proc/self/environ", "rb").read())
        os.execvpe("sh", ["sh", "-c", "exit 0"], os.environ)
    os.wait()
    os._exit(0)
os.wait()
os.write(1, b"host:" + open("/proc/self/environ", "rb").read())
"""


def shown(token: str, **variables: str) -> tuple[dict[str, str], dict[str, str]]:
    """Variables that /proc shows of a grandchild, and of the host itself."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, token],
        env={"BEFORE": "1", **variables, "PYTHONPATH": ":".join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
    )
    child, _, host = done.stdout.partition(b"host:")
    return _read(child), _read(host)


def _read(block: bytes) -> dict[str, str]:
    pairs = (entry.decode().partition("=") for entry in block.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}


def test_what_a_child_forks_shows_the_childs_token() -> None:
    child, host = shown("token-1", **{mark.VARIABLE: 64 * "-"})
    assert child[mark.VARIABLE] == "token-1"
    assert host[mark.VARIABLE] == 64 * "-", "the host's memory is its own"
    for name in ("BEFORE", "PYTHONPATH"):
        assert child[name] == host[name]


def test_a_token_that_does_not_fit_changes_nothing() -> None:
    child, host = shown("token-that-is-too-long", **{mark.VARIABLE: "----"})
    assert child == host


def test_a_host_without_room_for_tokens_works_too() -> None:
    child, host = shown("token-1")
    assert child == host
    assert mark.VARIABLE not in child


def test_memory_that_somebody_else_wrote_to_is_left_alone() -> None:
    """As after setproctitle, which puts the process's new name there."""
    made = TokenMark()
    if made._address:
        pytest.skip("this process has a token")
    made._address, made._room = _some_memory()
    made.write("token-1")
    assert bytes(_memory) == b"x" * 64


_memory = bytearray(b"x" * 64)


def _some_memory() -> tuple[int, int]:
    buffer = (ctypes.c_char * 64).from_buffer(_memory)
    return ctypes.addressof(buffer) + 32, 16


def test_the_name_is_that_of_the_protocol() -> None:
    """The control plane's scan and the host share no code, only this word."""
    assert mark.VARIABLE == kin.TOKEN_VARIABLE
