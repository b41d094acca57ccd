"""Groups of both versions, on directories that look like the kernel's."""

from pathlib import Path

from tests.unit.flyte_server.executors.limits import trees

from flyte_server.executors.common.limits.groups import Figures, Group

MIB = 2**20


def unified(root: Path) -> Group:
    trees.unified_files(root)
    return Group([root])


def classic(root: Path) -> Group:
    directories = tuple(root / controller for controller in trees.CONTROLLERS)
    for directory in directories:
        directory.mkdir()
    trees.classic_files(directories)
    return Group(directories)


def test_version_2_gets_its_bounds(tmp_path: Path) -> None:
    unified(tmp_path).bound(memory=64 * MIB, cpu_milli=1500, processes=100)
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert written["memory.max"] == str(64 * MIB)
    assert written["memory.swap.max"] == "0"
    assert written["memory.oom.group"] == "1"
    assert written["cpu.max"] == "150000 100000"
    assert written["pids.max"] == "100"


def test_version_1_gets_its_bounds(tmp_path: Path) -> None:
    classic(tmp_path).bound(memory=64 * MIB, cpu_milli=1500, processes=100)
    assert (tmp_path / "memory" / "memory.limit_in_bytes").read_text() == str(64 * MIB)
    assert (tmp_path / "memory" / "memory.memsw.limit_in_bytes").read_text() == str(64 * MIB)
    assert (tmp_path / "cpu" / "cpu.cfs_quota_us").read_text() == "150000"
    assert (tmp_path / "pids" / "pids.max").read_text() == "100"
    assert not (tmp_path / "memory" / "memory.max").exists(), "no file is made"


def test_what_has_no_bound_is_not_written(tmp_path: Path) -> None:
    unified(tmp_path).bound(memory=0, cpu_milli=500, processes=0)
    assert (tmp_path / "memory.max").read_text() == ""
    assert (tmp_path / "cpu.max").read_text() == "50000 100000"
    assert (tmp_path / "pids.max").read_text() == ""


def test_the_kernel_takes_no_quota_below_a_millisecond(tmp_path: Path) -> None:
    unified(tmp_path).bound(memory=0, cpu_milli=1, processes=0)
    assert (tmp_path / "cpu.max").read_text() == "1000 100000"


def test_figures_of_version_2(tmp_path: Path) -> None:
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 300\n")
    (tmp_path / "memory.peak").write_text("4000\n")
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\n")
    (tmp_path / "pids.events").write_text("max 3\n")
    (tmp_path / "cpu.stat").write_text("usage_usec 10\nnr_throttled 4\n")
    assert Group([tmp_path]).figures() == Figures(700, 4000, 1, 3, 4)


def test_figures_of_version_1(tmp_path: Path) -> None:
    group = classic(tmp_path)
    memory = tmp_path / "memory"
    (memory / "memory.usage_in_bytes").write_text("1000\n")
    (memory / "memory.stat").write_text("inactive_file 1\ntotal_inactive_file 300\n")
    (memory / "memory.max_usage_in_bytes").write_text("4000\n")
    (memory / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    (tmp_path / "pids" / "pids.events").write_text("max 3\n")
    (tmp_path / "cpu" / "cpu.stat").write_text("nr_periods 9\nnr_throttled 4\nthrottled_time 5\n")
    assert group.figures() == Figures(700, 4000, 1, 3, 4)


def test_a_group_that_is_gone_has_counted_nothing(tmp_path: Path) -> None:
    gone = Group([tmp_path / "gone"])
    assert gone.figures() == Figures()
    assert gone.processes() == set()
    assert gone.remove()


def test_version_2_kills_by_one_word(tmp_path: Path) -> None:
    unified(tmp_path).kill()
    assert (tmp_path / "cgroup.kill").read_text() == "1"


def test_version_1_forbids_forks_before_it_kills(tmp_path: Path) -> None:
    classic(tmp_path).kill()
    assert (tmp_path / "pids" / "pids.max").read_text() == "0"


def test_a_group_that_is_not_empty_stays(tmp_path: Path) -> None:
    (tmp_path / "group" / "below").mkdir(parents=True)
    group = Group([tmp_path / "group"])
    assert not group.remove()
    (tmp_path / "group" / "below").rmdir()
    assert group.remove()
