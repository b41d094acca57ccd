"""Small values around a task: phases by number, positions, addresses, numbers of calls."""

from pathlib import Path

import pytest
from flyteidl2.common import phase_pb2
from tests.fakes.runtime import task_context

from flyte import Image, errors, models
from flyte.models import ActionPhase


def test_phases_have_the_numbers_of_the_protocol() -> None:
    for phase in ActionPhase:
        number = phase_pb2.ActionPhase.Value(phase.to_protobuf_name())
        assert phase.to_protobuf_value() == number
        assert ActionPhase.from_protobuf(number) is phase
    with pytest.raises(ValueError, match="no phase"):
        ActionPhase.from_protobuf(0)


def test_a_process_that_stands_alone_has_no_position(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    context = task_context()
    assert (context.rank, context.world_size, context.master_addr) == (None, None, None)


def test_a_launcher_says_where_a_process_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4",
        "GROUP_RANK": "1", "GROUP_WORLD_SIZE": "2", "MASTER_ADDR": "n0", "MASTER_PORT": "29500",
        "TORCHELASTIC_RESTART_COUNT": "3",
    }  # fmt: skip
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    context = task_context()
    assert (context.rank, context.world_size) == (5, 8)
    assert (context.local_rank, context.local_world_size) == (1, 4)
    assert (context.node_rank, context.nnodes) == (1, 2)
    assert (context.master_addr, context.master_port) == ("n0", 29500)
    assert context.restart_attempt == 3
    monkeypatch.setenv("RANK", "first")
    assert context.rank is None


def test_entries_of_the_context_are_read_like_those_of_a_dictionary() -> None:
    assert task_context(data={"a": 1})["a"] == 1


def test_clustered_processes_are_marked() -> None:
    assert models.is_clustered_worker_env({models.CLUSTERED_WORKER_ENV: "1"})
    assert not models.is_clustered_worker_env({})


def test_random_addresses_lie_below_the_prefix(tmp_path: Path) -> None:
    raw = models.RawDataPath.from_local_folder(tmp_path / "raw")
    assert (tmp_path / "raw").is_dir()
    first, second = raw.get_random_remote_path("a.csv"), raw.get_random_remote_path("a.csv")
    assert first != second
    assert first.startswith(f"{tmp_path}/raw/")
    assert first.endswith("/a.csv")


def test_calls_are_numbered_by_key() -> None:
    counter = models.CallCounter()
    assert [counter.next(key) for key in "aba"] == [1, 1, 2]
    assert models.generate_random_name() != models.generate_random_name()


def test_an_image_names_the_file_that_is_missing(tmp_path: Path) -> None:
    image = Image.from_debian_base(name="x").with_requirements(tmp_path / "requirements.txt")
    with pytest.raises(errors.DefinitionError, match=r"requirements needs .*requirements\.txt"):
        image.validate()
    (tmp_path / "requirements.txt").write_text("attrs\n")
    image.validate()
    assert image.with_local_v2() == image
