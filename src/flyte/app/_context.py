"""What an app's own code asks: where it runs, its parameters, and where other apps are.

Whoever serves an app writes all of that into one variable of the app's process, so that a server which the app starts
in turn (`streamlit run`, say) can ask as well.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flyte import errors
from flyte.config import _read

VARIABLE = "_F_APP"
"""Variable of an app's process: what it is told, as JSON."""

SERVED: dict[str, str] = {}
"""Addresses of the apps that this process serves, by their names."""


@dataclass(frozen=True)
class AppContext:
    """Where an app runs.

    Args:
        project: the project whose runs it sees by default.
        domain: its domain.
        mode: `local`: on this machine, for its user; `remote`: deployed.
        raw_data_path: where it may store files.
    """

    project: str = ""
    domain: str = ""
    mode: Literal["local", "remote"] = "remote"
    raw_data_path: str = ""


def ctx() -> AppContext:
    """Where the app runs that calls; outside of an app's process, nothing but `mode="local"`.

    Example:
        >>> flyte.app.ctx().mode
        'local'
    """
    told = _told()
    return AppContext(
        project=told.get("project", ""),
        domain=told.get("domain", ""),
        mode=told.get("mode", "local"),
        raw_data_path=told.get("raw_data_path", ""),
    )


def get_parameter(name: str) -> str:
    """A parameter of the app that calls: its text, the path of its file or folder, or an address.

    Args:
        name: as in `Parameter(name=…)`.

    Raises:
        ParameterMaterializationError: the app has no such parameter, or this is no app's process.

    Example:
        >>> model = joblib.load(flyte.app.get_parameter("model"))
    """
    told = parameters()
    if name not in told:
        known = ", ".join(sorted(told)) or "none"
        raise errors.ParameterMaterializationError(
            f"there is no parameter {name!r} here; the app's parameters are: {known} (they are known only in the "
            "process of an app that is served)"
        )
    return told[name]


def parameters() -> dict[str, str]:
    """All parameters of the app that calls."""
    return dict(_told().get("parameters", {}))


def address(app_name: str) -> str | None:
    """Where an app is that is served with this one, or by this process; None: it is not known."""
    found: str | None = SERVED.get(app_name) or _told().get("endpoints", {}).get(app_name)
    return found


def _told() -> Mapping[str, Any]:
    return json.loads(_read.environment().get(VARIABLE, "{}"))
