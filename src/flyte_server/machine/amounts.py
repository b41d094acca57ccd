"""CPUs, memory and disk that this process may use."""

import os
import shutil
from pathlib import Path

from flyte_server.machine.cgroups import Cgroups


def cpu_milli(groups: Cgroups) -> int:
    """Thousandths of a CPU: those that it may run on, or its groups' quota if that is less; at least one thousandth."""
    affinity = getattr(os, "sched_getaffinity", None)
    there = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = groups.cpus()
    return max(1, round(1000 * (there if quota is None else min(there, quota))))


def memory(groups: Cgroups) -> int:
    """Bytes: those of the machine, or its groups' bound if that is less."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    bound = groups.memory()
    return there if bound is None else min(there, bound)


def disk(folder: Path) -> int:
    """Bytes that are free where a folder lies, or will lie."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(there).free
