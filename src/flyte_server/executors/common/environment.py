"""Variables of hosts and attempts: what they inherit, and what must be there at the start."""

from collections.abc import Mapping
from pathlib import Path

from flyte_server.engine.ports import LaunchSpec

_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_OF_ONE_ACTION = frozenset(
    {
        "ACTION_NAME",
        "CUDA_VISIBLE_DEVICES",
        "RUN_NAME",
        "FLYTE_ATTEMPT_NUMBER",
        "FLYTE_ATTEMPT_TOKEN",
        "FLYTE_EXECUTION_URL",
        "FLYTE_INTERNAL_EXECUTION_ID",
        "FLYTE_INTERNAL_EXECUTION_NAME",
        "FLYTE_INTERNAL_NAME",
        "FLYTE_INTERNAL_VERSION",
        "FLYTE_INTERNAL_TASK_NAME",
        "FLYTE_INTERNAL_TASK_VERSION",
        "NVIDIA_VISIBLE_DEVICES",
        "_F_PN",
        "_U_RUN_BASE",
    }
)
_NOT_INHERITED = ("FLYTE_", "FLYTECTL_", "UCTL_", "_F_", "_U_", "PYTHON", "VIRTUAL_ENV", "CONDA_")
_READ_AT_START = ("PYTHON", "LD_", "DYLD_", "MALLOC_", "GLIBC_", "LANG", "LC_")
_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def inheritable(environment: Mapping[str, str]) -> dict[str, str]:
    """What tasks may see of the control plane's own variables: all but those that configure it,
    or its Python."""
    return {
        name: value for name, value in environment.items() if not name.startswith(_NOT_INHERITED)
    }


def of_attempt(
    spec: LaunchSpec, *, base: Mapping[str, str], prefix: Path, home: Path
) -> dict[str, str]:
    """All variables of one attempt.

    Numerical libraries would start a thread per CPU of the machine in every attempt; they get as
    many as the task asked for.  The interpreter's own commands come first on the path.
    """
    env = {"FLYTE_HOME": str(home), **dict.fromkeys(_THREAD_COUNTS, str(spec.cpus))}
    env |= {**base, **spec.env}
    env["VIRTUAL_ENV"] = str(prefix)
    env["PATH"] = _with_first(str(prefix / "bin"), env.get("PATH", _DEFAULT_PATH))
    return env


def of_host(attempt_env: Mapping[str, str]) -> dict[str, str]:
    """Variables of a host, of the attempt that needs it first: all that its attempts have in
    common."""
    return {name: value for name, value in attempt_env.items() if name not in _OF_ONE_ACTION}


def read_at_start(env: Mapping[str, str], base: Mapping[str, str]) -> dict[str, str]:
    """The part of `env` that an interpreter reads only when it starts, where it differs from
    `base`."""
    return {
        name: value
        for name, value in env.items()
        if name.startswith(_READ_AT_START) and base.get(name) != value
    }


def _with_first(directory: str, path: str) -> str:
    rest = [part for part in path.split(":") if part != directory]
    return ":".join([directory, *rest])
