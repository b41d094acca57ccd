"""Handles of what a control plane holds: runs, actions, their inputs, outputs and logs, projects, secrets, the user.

A handle wraps a message of the protocol (`pb2`) and asks the session's control plane for the rest.  Every method that
asks has a blocking form and an `.aio` form, unless it is a coroutine already.  Starting runs is `flyte.run`'s.
"""

from flyte.remote._action import Action
from flyte.remote._auth import auth_metadata
from flyte.remote._catalogue.project import Project
from flyte.remote._catalogue.secret import Secret, SecretTypes
from flyte.remote._catalogue.settings import Settings
from flyte.remote._catalogue.trigger import Trigger, TriggerDetails
from flyte.remote._condition import Condition
from flyte.remote._data import ActionInputs, ActionOutputs
from flyte.remote._data.uploads import upload_dir, upload_file
from flyte.remote._details import ActionDetails, PhaseTransitionInfo
from flyte.remote._listing import TimeFilter
from flyte.remote._run import Run
from flyte.remote._run_details import RunDetails
from flyte.remote._tasks.details import TaskDetails
from flyte.remote._tasks.handles import Task
from flyte.remote._user import User

__all__ = [
    "Action",
    "ActionDetails",
    "ActionInputs",
    "ActionOutputs",
    "Condition",
    "PhaseTransitionInfo",
    "Project",
    "Run",
    "RunDetails",
    "Secret",
    "SecretTypes",
    "Settings",
    "Task",
    "TaskDetails",
    "TimeFilter",
    "Trigger",
    "TriggerDetails",
    "User",
    "auth_metadata",
    "upload_dir",
    "upload_file",
]
