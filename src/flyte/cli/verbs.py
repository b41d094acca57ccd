"""Every command by its name, with the module that defines it and its line in the help of its group.

`flyte VERB NOUN` is the function `VERB_NOUN` of a module of `flyte.cli.nouns`.  A command is imported
when it is used: `flyte --help` must not pay for the wire.
"""

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from flyte.cli import options

Members = Mapping[str, tuple[str, str]]
"""Name of a command: the module that defines it, and its line in the help of its group."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and help, and imports one when it is used.

    Args:
        members: its commands.
        prefix: before the names of their functions.
    """

    def __init__(
        self, *args: Any, members: Members | None = None, prefix: str = "", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._members = members or {}
        self._prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._members)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._members:
            return None
        module, _ = self._members[cmd_name]
        function = (self._prefix + cmd_name).replace("-", "_")
        found: click.Command = getattr(importlib.import_module(module), function)
        if self._prefix:
            options.accept_output(found)
        return found

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands come from the table: completing must not import them all."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [
            CompletionItem(name, help=line)
            for name, (_, line) in sorted(self._members.items())
            if name.startswith(incomplete)
        ]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and name not in self._members:
            near = difflib.get_close_matches(name, self._members, n=1)
            ctx.fail(f"No such command {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._members[name][1]) for name in self.list_commands(ctx)])


def _verb(name: str, text: str, nouns: Mapping[str, tuple[str, str]]) -> LazyGroup:
    members = {noun: (f"flyte.cli.nouns.{module}", line) for noun, (module, line) in nouns.items()}
    return LazyGroup(name, help=text, members=members, prefix=f"{name}_")


abort = _verb(
    "abort",
    """Stop a run, or one action of it.

    From the answer on nothing new starts.  Processes get SIGTERM: an async task is cancelled, a plain function gets a
    KeyboardInterrupt.  What is left after the grace period of the control plane (FLYTE_SERVER_GRACE_SECONDS, 10 s) is
    killed, with all that it started.  Until the last process is gone "aborting" is shown, then "aborted".
    """,
    {
        "action": ("runs", "Stop one action and what it has called."),
        "run": ("runs", "Stop a run."),
    },
)
create = _verb(
    "create",
    "Make a configuration file, a project or a secret.",
    {
        "api-key": ("keys", "Make a key with which a program logs in."),
        "config": ("configs", "Write a configuration file."),
        "project": ("scopes.projects", "Make a project."),
        "secret": ("scopes.secrets", "Store a secret."),
        "trigger": ("triggers", "Let a deployed task start by itself."),
    },
)
delete = _verb(
    "delete",
    "Delete what is no longer wanted.",
    {
        "api-key": ("keys", "Revoke a key."),
        "environment": ("environments", "Remove the environment of an image."),
        "limit": ("limits", "Take the limit of an environment or a queue away."),
        "local-cache": ("local_cache", "Forget the cached results of local runs."),
        "run": ("storage", "Remove an ended run with all its data."),
        "secret": ("scopes.secrets", "Remove a secret."),
        "trigger": ("triggers", "Delete a trigger."),
    },
)
get = _verb(
    "get",
    "Show runs, actions, inputs and outputs, logs, projects.",
    {
        "action": ("runs", "List the actions of a run, or show one."),
        "code": ("code", "Show or fetch the code that a run has run."),
        "api-key": ("keys", "List the keys with which programs log in."),
        "audit": ("audit", "Show who changed what."),
        "config": ("configs", "Show the configuration in effect."),
        "condition": ("conditions", "List what a run asks, and who answered."),
        "environment": ("environments", "Show the environments of images."),
        "io": ("runs", "Show inputs and outputs of a run or an action."),
        "limit": ("limits", "Show limits, what the machine has, and who holds it."),
        "logs": ("logs", "Show what a task printed."),
        "notification": (
            "notifications",
            "Show what a run tells when it ends, and what became of it.",
        ),
        "project": ("scopes.projects", "List projects, or show one."),
        "run": ("runs", "List runs, or show one."),
        "secret": ("scopes.secrets", "List secrets, or show one."),
        "secret-key": ("scopes.secret_keys", "Show the keys that seal secrets."),
        "settings": ("scopes.settings", "Show what new runs of a scope follow."),
        "storage": ("storage", "Show what the control plane keeps."),
        "task": ("tasks", "List deployed tasks, the versions of one, or show one version."),
        "usage": ("usage", "Show what an attempt has used."),
        "trigger": ("triggers", "List triggers, or show one."),
    },
)
signal = _verb(
    "signal",
    "Answer what a run asks.",
    {"condition": ("conditions", "Answer a condition.")},
)
start = _verb(
    "start",
    "Start the control plane of this machine, or the run of a trigger.",
    {
        "server": ("server", "Start the control plane of this machine."),
        "trigger": ("triggers", "Start the run of a trigger now."),
    },
)
stop = _verb(
    "stop",
    "Stop the control plane of this machine.",
    {"server": ("server", "Stop the control plane of this machine.")},
)
update = _verb(
    "update",
    "Change what the control plane keeps to.",
    {
        "limit": (
            "limits",
            "Let at most so many actions of an environment or a queue run at once.",
        ),
        "project": ("scopes.projects", "Change a project, or archive it."),
        "secret-key": ("scopes.secret_keys", "Seal all secrets anew with a fresh key."),
        "trigger": ("triggers", "Activate or deactivate a trigger."),
    },
)

edit = _verb(
    "edit",
    "Edit what new runs follow.",
    {"settings": ("scopes.settings", "Change what new runs of a scope follow.")},
)
gen = LazyGroup(
    "gen",
    help="Make texts about the command itself.",
    members={"docs": ("flyte.cli.docs", "Print the reference of all commands.")},
    prefix="gen_",
)

_HERE = "flyte.cli.verbs"

COMMANDS: Members = {
    "abort": (_HERE, "Stop a run, or one action of it."),
    "build": ("flyte.cli.build", "Build the images of a Python file's environments."),
    "completion": ("flyte.cli.completion", "Print the completion script of a shell."),
    "create": (_HERE, "Make a configuration file, a project or a secret."),
    "debug": ("flyte.cli.debug.command", "Run a failed action here, and stop where it fails."),
    "delete": (_HERE, "Delete what is no longer wanted."),
    "edit": (_HERE, "Edit what new runs follow."),
    "gen": (_HERE, "Make texts about the command itself."),
    "deploy": ("flyte.cli.deploy.command", "Deploy the environments of a Python file."),
    "get": (_HERE, "Show runs, actions, inputs and outputs, logs, projects."),
    "rerun": ("flyte.cli.rerun.command", "Start a run again, or go on from what succeeded in it."),
    "run": ("flyte.cli.run.command", "Run a task of a Python file."),
    "serve": ("flyte.cli.serve.command", "Serve an app of a Python file on this machine."),
    "signal": (_HERE, "Answer what a run asks."),
    "start": (_HERE, "Start the control plane of this machine, or the run of a trigger."),
    "stop": (_HERE, "Stop the control plane of this machine."),
    "test": ("flyte.cli.crash.command", "Try your own tasks: what does a crash do to them?"),
    "update": (_HERE, "Change what the control plane keeps to."),
    "whoami": ("flyte.cli.whoami", "Show who the control plane takes you for."),
}
"""The commands below `flyte` itself."""
