"""The environment of a task's process: the task's own variables, then the run's, then the
protocol's."""

import hashlib
from collections.abc import Mapping, Sequence

from flyte_server.domain.records import Action, Run
from flyte_server.services.launch.templates import Template
from flyte_server.services.wire import ids
from flyte_server.settings import Settings

SECRETS = "FLYTE_SECRETS"
"""Names of the variables whose values are secret; the attempt's runtime must know them to keep them to itself."""
INTERPRETER = "VIRTUAL_ENV"
"""Variable with the Python environment of the task."""


def protocol(settings: Settings, run: Run, action: Action) -> dict[str, str]:
    """Variables that the runtime in the task relies on; nobody can replace them."""
    return {
        "ACTION_NAME": action.name,
        "RUN_NAME": run.name,
        "FLYTE_INTERNAL_EXECUTION_ID": run.name,
        "FLYTE_INTERNAL_EXECUTION_PROJECT": run.project,
        "FLYTE_INTERNAL_EXECUTION_DOMAIN": run.domain,
        "FLYTE_ATTEMPT_NUMBER": str(max(action.attempt, 1) - 1),
        "FLYTE_ATTEMPT_TOKEN": action.token,
        "_U_ORG_NAME": ids.ORG,
        "_U_RUN_BASE": action.output_base,
        "_U_EP_OVERRIDE": settings.address,
        "_U_INSECURE": "true",
        # As FLYTE_HOME, which a task's code may set anew for what it starts.
        "_U_HOME": str(settings.home),
        "_U_USE_ACTIONS": "1",
        "FLYTE_HOME": str(settings.home),
    }


def chosen(settings: Settings, template: Template, run: Mapping[str, str]) -> dict[str, str]:
    """Variables that task and run may choose, over our defaults."""
    return {
        INTERPRETER: str(settings.task_prefix),
        "FSSPEC_FILE": '{"auto_mkdir": true}',
        "DO_NOT_TRACK": "1",
        **template.env,
        **run,
    }


def accelerators(devices: Sequence[str]) -> dict[str, str]:
    """Variables that show an attempt its own accelerators, and none of the others.

    Example:
        >>> accelerators(["GPU-1"])["CUDA_VISIBLE_DEVICES"]
        'GPU-1'
    """
    shown = ",".join(devices)
    return {"CUDA_VISIBLE_DEVICES": shown, "NVIDIA_VISIBLE_DEVICES": shown or "void"}


def host_key(template: Template, action: Action, variables: Mapping[str, str]) -> str:
    """Attempts with equal keys may be forked from one host.

    Args:
        variables: what task and run chose; the interpreter is one of them.
    """
    parts = [template.bundle, action.environment, str(template.cpus)]
    parts.extend(f"{name}={value}" for name, value in sorted(variables.items()))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
