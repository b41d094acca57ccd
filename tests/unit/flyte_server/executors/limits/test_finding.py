"""Where groups can be made, on directories that look like the kernel's."""

from pathlib import Path

import pytest
from tests.unit.flyte_server.executors.limits import trees

from flyte_server.executors.common.limits import finding
from flyte_server.executors.common.limits.finding import AUTO, Place, Unusable

HOME = Path("/home/somebody/.flyte")


def find(proc: Path, choice: str = AUTO, kind: str = "attempts") -> Place:
    return finding.find(HOME, choice, kind=kind, proc=proc)


def test_version_1_has_a_place_in_each_hierarchy_below_our_own_group(tmp_path: Path) -> None:
    place = find(trees.classic(tmp_path, "/session"))
    assert [root.parent for root in place.roots] == [
        tmp_path / controller / "session" for controller in trees.CONTROLLERS
    ]
    group = place.make("token")
    assert all(directory.is_dir() for directory in group.directories)
    assert place.names() == {"token"}


def test_homes_and_kinds_do_not_meet(tmp_path: Path) -> None:
    proc = trees.classic(tmp_path)
    other_home = finding.find(Path("/elsewhere"), AUTO, kind="attempts", proc=proc)
    roots = {find(proc).roots[0], find(proc, kind="replicas").roots[0], other_home.roots[0]}
    assert len(roots) == 3


def test_version_1_without_memory_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="no control groups"):
        find(trees.classic(tmp_path, controllers=("cpu",)))


def test_version_1_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    proc = trees.classic(tmp_path)
    (tmp_path / "memory").rmdir()
    (tmp_path / "memory").write_text("")
    with pytest.raises(Unusable, match=r"memory/flyte-attempts-.* cannot be made"):
        find(proc)


def test_version_1_does_without_the_other_controllers(tmp_path: Path) -> None:
    place = find(trees.classic(tmp_path, controllers=("memory",)))
    assert len(place.roots) == 1


def test_a_container_sees_a_part_of_a_hierarchy(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    proc = trees.proc(
        tmp_path,
        [f"30 1 0:30 /docker/abc {tmp_path}/memory rw - cgroup cgroup rw,memory"],
        ["4:memory:/docker/abc"],
    )
    assert find(proc).roots[0].parent == tmp_path / "memory"


def test_version_2_that_is_delegated(tmp_path: Path) -> None:
    proc = trees.unified(tmp_path, "/ours", available="cpu memory pids", enabled="cpu memory pids")
    place = find(proc)
    assert place.roots[0].parent == tmp_path / "unified" / "ours"
    enabled = (place.roots[0] / "cgroup.subtree_control").read_text()
    assert enabled == "+memory +cpu +pids", "groups below it have these controllers"


def test_version_2_asks_for_what_is_not_enabled_yet(tmp_path: Path) -> None:
    find(trees.unified(tmp_path, "/ours", available="memory pids", enabled="pids"))
    asked = (tmp_path / "unified" / "ours" / "cgroup.subtree_control").read_text()
    assert asked == "+memory"


def test_version_2_after_a_restart_starts_from_the_delegated_group(tmp_path: Path) -> None:
    base = tmp_path / "unified" / "ours"
    proc = trees.unified(tmp_path, "/ours/flyte-server", available="", enabled="")
    (base / "cgroup.controllers").write_text("memory")
    (base / "cgroup.subtree_control").write_text("memory")
    assert find(proc).roots[0].parent == base


def test_version_2_without_memory_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="memory controller is not available"):
        find(trees.unified(tmp_path, "/", available="cpu", enabled=""))


def test_version_2_that_is_not_ours_says_how_to_get_one(tmp_path: Path) -> None:
    proc = trees.unified(tmp_path, "/shell", available="memory", enabled="")
    control = tmp_path / "unified" / "shell" / "cgroup.subtree_control"
    control.unlink()
    control.mkdir()  # cannot be written
    with pytest.raises(Unusable, match="Delegate=yes flyte start server"):
        find(proc)


def test_a_chosen_group_is_used_wherever_we_are(tmp_path: Path) -> None:
    chosen = tmp_path / "unified" / "chosen"
    proc = trees.unified(tmp_path, "/ours", available="", enabled="")
    chosen.mkdir()
    (chosen / "cgroup.controllers").write_text("memory")
    (chosen / "cgroup.subtree_control").write_text("memory")
    assert find(proc, str(chosen)).roots[0].parent == chosen


def test_what_is_left_of_a_place_goes_when_it_is_empty(tmp_path: Path) -> None:
    place = find(trees.classic(tmp_path))
    group = place.make("token")
    place.remove()
    assert place.roots[0].is_dir(), "an attempt is in it"
    group.remove()
    place.remove()
    assert not any(root.exists() for root in place.roots)
    assert not list((tmp_path / "memory").iterdir())
