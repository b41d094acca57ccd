"""Every command by its name, with the module that defines it and its line in the help of its group.

`flyte VERB NOUN` is the function `VERB_NOUN` of a module of `flyte.cli.nouns`.  A command is imported
when it is used: `flyte --help` must not pay for the wire.
"""

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

import click

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
        return getattr(importlib.import_module(module), function)

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
        "config": ("configs", "Write a configuration file."),
        "project": ("projects", "Make a project."),
        "secret": ("secrets", "Store a secret."),
    },
)
delete = _verb(
    "delete",
    "Delete what is no longer wanted.",
    {
        "environment": ("environments", "Remove the environment of an image."),
        "limit": ("limits", "Take the limit of an environment or a queue away."),
        "local-cache": ("local_cache", "Forget the cached results of local runs."),
        "run": ("storage", "Remove an ended run with all its data."),
        "secret": ("secrets", "Remove a secret."),
    },
)
get = _verb(
    "get",
    "Show runs, actions, inputs and outputs, logs, projects.",
    {
        "action": ("runs", "List the actions of a run, or show one."),
        "config": ("configs", "Show the configuration in effect."),
        "environment": ("environments", "Show the environments of images."),
        "io": ("runs", "Show inputs and outputs of a run or an action."),
        "limit": ("limits", "Show limits, what the machine has, and who holds it."),
        "logs": ("logs", "Show what a task printed."),
        "project": ("projects", "List projects, or show one."),
        "run": ("runs", "List runs, or show one."),
        "secret": ("secrets", "List secrets, or show one."),
        "storage": ("storage", "Show what the control plane keeps."),
        "usage": ("usage", "Show what an attempt has used."),
    },
)
start = _verb(
    "start",
    "Start the control plane of this machine.",
    {"server": ("server", "Start the control plane of this machine.")},
)
stop = _verb(
    "stop",
    "Stop the control plane of this machine.",
    {"server": ("server", "Stop the control plane of this machine.")},
)
update = _verb(
    "update",
    "Change what the control plane keeps to.",
    {"limit": ("limits", "Let at most so many actions of an environment or a queue run at once.")},
)

_HERE = "flyte.cli.verbs"

COMMANDS: Members = {
    "abort": (_HERE, "Stop a run, or one action of it."),
    "build": ("flyte.cli.build", "Build the images of a Python file's environments."),
    "create": (_HERE, "Make a configuration file, a project or a secret."),
    "debug": ("flyte.cli.debug.command", "Run a failed action here, and stop where it fails."),
    "delete": (_HERE, "Delete what is no longer wanted."),
    "get": (_HERE, "Show runs, actions, inputs and outputs, logs, projects."),
    "rerun": ("flyte.cli.rerun.command", "Start a run again, or go on from what succeeded in it."),
    "run": ("flyte.cli.run.command", "Run a task of a Python file."),
    "start": (_HERE, "Start the control plane of this machine."),
    "stop": (_HERE, "Stop the control plane of this machine."),
    "test": ("flyte.cli.crash.command", "Try your own tasks: what does a crash do to them?"),
    "update": (_HERE, "Change what the control plane keeps to."),
    "whoami": ("flyte.cli.whoami", "Show who the control plane takes you for."),
}
"""The commands below `flyte` itself."""
