"""Bounds of control groups, of both versions."""

from pathlib import Path

from flyte_server.machine import amounts
from flyte_server.machine.cgroups import Cgroups


def groups(folder: Path, process: str, **files: str) -> Cgroups:
    """Groups of a process; a file `cpu__job__cpu_max` is `cpu/job/cpu.max`."""
    (folder / "cgroup").write_text(process)
    mount = folder / "mount"
    for name, text in files.items():
        path = mount / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Cgroups(folder, mount)


def test_version_2_the_smallest_of_all_groups_above_counts(tmp_path: Path) -> None:
    found = groups(
        tmp_path,
        "0::/user/job\n",
        **{
            "user/job/cpu.max": "max 100000\n",
            "user/cpu.max": "150000 100000\n",
            "user/job/memory.max": "2147483648\n",
            "user/memory.max": "max\n",
        },
    )
    assert (found.cpus(), found.memory()) == (1.5, 2 << 30)


def test_version_2_of_a_container_that_sees_only_itself(tmp_path: Path) -> None:
    found = groups(tmp_path, "0::/\n", **{"cpu.max": "50000 100000", "memory.max": "1048576"})
    assert (found.cpus(), found.memory()) == (0.5, 1 << 20)


def test_version_1_with_several_controllers_in_one_folder(tmp_path: Path) -> None:
    found = groups(
        tmp_path,
        "4:cpu,cpuacct:/box\n3:memory:/box\n0::/\n",
        **{
            "cpu,cpuacct/box/cpu.cfs_quota_us": "250000\n",
            "cpu,cpuacct/box/cpu.cfs_period_us": "100000\n",
            "memory/box/memory.limit_in_bytes": "1073741824\n",
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert (found.cpus(), found.memory()) == (2.5, 1 << 30)


def test_no_bounds_are_none(tmp_path: Path) -> None:
    found = groups(
        tmp_path,
        "1:cpu:/\n2:memory:/\n",
        **{
            "cpu/cpu.cfs_quota_us": "-1\n",
            "cpu/cpu.cfs_period_us": "100000\n",
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert (found.cpus(), found.memory()) == (None, None)
    assert Cgroups(tmp_path / "nowhere", tmp_path).cpus() is None


def test_the_smaller_one_of_machine_and_groups_counts(tmp_path: Path) -> None:
    found = groups(tmp_path, "0::/\n", **{"cpu.max": "50000 100000", "memory.max": "1048576"})
    assert (amounts.cpu_milli(found), amounts.memory(found)) == (500, 1 << 20)
    free = Cgroups(tmp_path / "nowhere", tmp_path)
    assert amounts.cpu_milli(free) >= 1000
    assert amounts.memory(free) > 1 << 28
    assert amounts.disk(tmp_path / "not" / "yet") > 0
