"""Large values, errors and tracebacks on a real control plane: whole, by reference, never retried for their size."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from flyteidl2.core.execution_pb2 import ErrorDocument
from tests.e2e.plane import PROGRAMS, Marks, Plane, flyte, here

from flyte import _session
from flyte.remote._data import LinkCarrier
from flyte.storage import digests

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

MB = 1_000_000


def error_document(plane: Plane, run: str) -> ErrorDocument:
    [path] = plane.home.glob(f"data/**/{run}/a0/1/error.pb")
    return ErrorDocument.FromString(path.read_bytes())


def test_ten_megabytes_go_in_and_out(plane: Plane) -> None:
    done = subprocess.run(
        [sys.executable, "sizes.py"], cwd=PROGRAMS, check=True, capture_output=True, timeout=60
    )
    told = json.loads(done.stdout)
    assert told["same"] is True

    # What travels beside the values stays small, and equal values are kept once.
    for name in ("inputs.pb", "outputs.pb"):
        for path in plane.home.glob(f"data/**/{told['run']}/**/{name}"):
            assert path.stat().st_size < 4096
    kept = [path.stat().st_size for path in plane.home.glob(f"data/**/{told['run']}/large/*")]
    assert len(kept) == 6  # three turned round, three turned back


def test_looking_at_a_large_value_does_not_fetch_it(plane: Plane) -> None:
    ended = plane.run("sizes.py", "grown", "--megabytes", "50")
    shown = json.loads(flyte("-of", "json", "get", "io", ended.run).stdout)["outputs"]["o0"]
    assert shown["type"] == "bytes"
    assert shown["size"] > 50 * MB
    assert Path(shown["uri"]).stat().st_size == shown["size"]
    assert ended.outputs == {"o0": shown}
    assert "<bytes, 50.0 MB at /" in flyte("get", "io", ended.run).stdout


def test_many_middling_values_are_no_matter(plane: Plane) -> None:
    ended = plane.run("sizes.py", "many", "--count", "24")
    assert ended.outputs == {"o0": [MB // 2] * 24}


def test_what_is_over_the_limit_fails_once_where_it_is_made(plane: Plane, tmp_path: Path) -> None:
    remote, local = Marks(tmp_path / "remote"), Marks(tmp_path / "local")
    there = plane.run("sizes.py", "catches_over_the_limit", "--marks", str(remote))
    on_the_spot = here("sizes.py", "catches_over_the_limit", "--marks", str(local))
    assert remote.counts() == local.counts() == {"over_the_limit": 1}
    assert there.outputs == on_the_spot.outputs
    assert there.outputs is not None
    said = there.outputs["o0"]
    assert said.startswith("InlineIOMaxBytesBreached: ")
    assert "outputs.o0, has 5,0" in said
    assert "max_inline_io_bytes is 100" in said


def test_a_traceback_of_a_megabyte_arrives_whole(plane: Plane) -> None:
    ended = plane.run("sizes.py", "falls_deep", "--frames", "16000")
    assert ended.error is not None
    assert ended.error["code"] == "ZeroDivisionError"
    written = error_document(plane, ended.run).error.message
    assert len(written) > MB
    assert written.count(", in ping") == 8001
    assert flyte("get", "logs", ended.run).stdout.count(", in ping") == 8001


def test_an_error_of_five_megabytes_is_whole_for_its_parent_and_bounded_on_the_way(
    plane: Plane,
) -> None:
    ended = plane.run("sizes.py", "hears", "--megabytes", "5")
    assert ended.outputs == {"o0": "begin e", "o1": 5 * MB + 10, "o2": " end"}


def test_an_error_of_five_megabytes_is_bounded_and_marked_for_a_client(plane: Plane) -> None:
    ended = plane.run("sizes.py", "complains", "--megabytes", "5")
    assert ended.error is not None
    assert len(ended.error["message"]) <= 2 * 1024 * 1024
    assert "bytes of this message were cut" in ended.error["message"]
    assert len(error_document(plane, ended.run).error.message) > 5 * MB
    assert "".join(flyte("get", "logs", ended.run).stdout.split("\n")).count("e" * 1000) >= 5000


def test_a_hit_reads_what_another_run_has_stored(plane: Plane, tmp_path: Path) -> None:
    marks = Marks(tmp_path / "marks")
    first = plane.run("sizes.py", "twice", "--marks", str(marks))
    second = plane.run("sizes.py", "twice", "--marks", str(marks))
    assert first.outputs == second.outputs == {"o0": 3 * MB}
    assert marks.counts() == {"remembered": 1}
    assert not list(plane.home.glob(f"data/**/{second.run}/large"))


def test_equal_large_inputs_have_one_key_wherever_they_are_made(
    plane: Plane, tmp_path: Path
) -> None:
    marks = Marks(tmp_path / "marks")
    subprocess.run([sys.executable, "sizes.py", str(marks)], cwd=PROGRAMS, check=True, timeout=60)
    assert marks.counts() == {"counted": 1}


async def test_a_client_elsewhere_sends_and_fetches_through_links(plane: Plane) -> None:
    content = [b"head", b"x" * 3 * MB]
    with _session.using(_session.Session(endpoint=f"http://127.0.0.1:{plane.port}", insecure=True)):
        carrier = LinkCarrier(direct=False)
        uri = await carrier.put(content, digests.digest(content))
        assert await carrier.put(content, digests.digest(content)) == uri
        assert Path(uri).read_bytes() == b"".join(content)  # noqa: ASYNC240
        assert await carrier.get(uri, 3 * MB + 4) == b"".join(content)
        session = _session.current()
        await session.link.drop(await session.control_plane())


def test_a_changed_file_is_noticed_where_it_is_read(plane: Plane) -> None:
    ended = plane.run("sizes.py", "tampered")
    assert ended.outputs is not None, ended.error
    assert ended.outputs["o0"].startswith("DataCorruptionError: inputs.data: /")
    assert "should have the checksum" in ended.outputs["o0"]
