"""The environment of a task's process: the task's own variables, then the run's, then the
protocol's."""

import hashlib
from collections.abc import Mapping, Sequence

from flyte_server.auth.claims import Claims, OwnRun
from flyte_server.domain.records import Action, Run
from flyte_server.services.launch.templates import Template
from flyte_server.services.wire import ids
from flyte_server.settings import Settings

SECRETS = "FLYTE_SECRETS"
"""Names of the variables whose values are secret; the attempt's runtime must know them to keep them to itself."""
TOKEN = "_U_ACTION_TOKEN"
"""Variable with what the attempt's process shows us; hidden from logs and records."""
INTERPRETER = "VIRTUAL_ENV"
"""Variable with the Python environment of the task."""
SYS_PATH = "_F_SYS_PATH"
"""Variable with the folders of the task's code that belong on its `sys.path`."""


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
        # A process that several attempts share is not theirs to give back.
        "FLYTE_PARK_SECONDS": f"{0 if action.policy.pool else settings.park_seconds:g}",
        "_U_ORG_NAME": ids.ORG,
        "_U_RUN_BASE": action.output_base,
        "_U_EP_OVERRIDE": settings.address,
        **_connection(settings),
        # As FLYTE_HOME, which a task's code may set anew for what it starts.
        "_U_HOME": str(settings.home),
        "_U_USE_ACTIONS": "1",
        "FLYTE_HOME": str(settings.home),
    }


def _connection(settings: Settings) -> dict[str, str]:
    """How the runtime reaches us; the official one sends tokens only where they are encrypted."""
    if settings.tls is None:
        return {"_U_INSECURE": "true"}
    trusted = {} if settings.tls.ca is None else {"_U_CA_CERT": str(settings.tls.ca)}
    return {
        "_U_INSECURE": "false",
        "FLYTE_AUTH_TYPE": "ExternalCommand",
        "FLYTE_AUTH_COMMAND": f"printenv {TOKEN}",
        **trusted,
    }


def claims(run: Run, action: Action) -> Claims:
    """What the token of the action's current attempt says.

    It does not expire: attempts may run for weeks.  It ends with the attempt instead, because every request with it is
    refused that is not of the current one (`services.fencing`).
    """
    own = OwnRun(run.project, run.domain, run.name, action.name, action.attempt, action.token)
    path = f"{run.project}/{run.domain}/{run.name}/{action.name}"
    return Claims(subject=f"task:{path}", name=f"{run.name}/{action.name}", kind="task", run=own)


def chosen(settings: Settings, template: Template, run: Mapping[str, str]) -> dict[str, str]:
    """Variables that task and run may choose, over our defaults.

    Where its code is, and which Python has its packages, a deployed task says itself: a run of other code does not
    know.
    """
    default = {INTERPRETER: str(settings.task_prefix)}
    own = {name: template.env[name] for name in (INTERPRETER, SYS_PATH) if name in template.env}
    if own.get(INTERPRETER) == "":  # it is deployed without one, and called in a run that has one
        own |= default
    return {
        **default,
        "FSSPEC_FILE": '{"auto_mkdir": true}',
        "DO_NOT_TRACK": "1",
        **_authorities(settings),
        **template.env,
        **run,
        **own,
    }


def _authorities(settings: Settings) -> dict[str, str]:
    """The official client checks its token requests and uploads against this file alone: it has all that machines
    know, and ours."""
    if settings.tls is None or settings.tls.ca is None:
        return {}
    return {"SSL_CERT_FILE": str(settings.trusted)}


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
