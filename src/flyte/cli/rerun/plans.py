"""What a recovery would do, as a table or as JSON."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import click

from flyte.cli.options import RootOptions
from flyte.cli.render import Table

_WORDS = {"reuse": "reuse", "execute": "execute", "covered": "(covered)"}


def show(plan: Mapping[str, Any], root: RootOptions) -> None:
    """Print a plan; below the table, what cannot stand in it."""
    root.show(table(plan), dict(plan))
    if root.as_json:
        return
    counts = Counter(step["decision"] for step in plan["steps"])
    click.echo(
        f"{counts['reuse']} reused, {counts['execute']} executed,"
        f" {counts['covered']} covered by what is reused; nothing was started"
    )
    if counts["execute"]:
        click.echo("Calls that the earlier run never reached are executed too.")
    if plan["missing"]:
        click.echo(
            f"Outputs of {', '.join(plan['missing'])} are gone: the recovery is refused"
            " without --allow-missing-outputs."
        )


def table(plan: Mapping[str, Any]) -> Table:
    """One line per action of the earlier run, callers above what they called."""
    depths: dict[str, int] = {}
    rows: list[tuple[str, ...]] = []
    for step in plan["steps"]:
        depth = depths[step["action"]] = depths.get(step["parent"], -1) + 1
        rows.append(
            (
                "  " * depth + step["task"],
                step["action"],
                step["group"],
                step["phase"].replace("_", " "),
                _WORDS[step["decision"]],
                step["why"],
            )
        )
    columns = ("task", "action", "group", f"in {plan['run']}", "now", "why")
    return Table(columns, rows, when_empty="the earlier run has no actions")
