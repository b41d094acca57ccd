"""The `flyte` command.

`main` names every command and imports it when it is used; `options` holds what the root command
was told.  A command does three things: it reads its arguments, calls one verb or handle of the SDK,
and hands plain values to `render`.  Nothing here is needed to run a task.
"""

from flyte.cli.main import main

__all__ = ["main"]
