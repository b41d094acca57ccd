"""`flyte gen docs`: the reference of the command line, made from the commands themselves."""

from collections.abc import Iterator

import click

from flyte.cli import options
from flyte.cli.verbs import LazyGroup


@click.command("docs")
@click.option(
    "--type",
    "doc_type",
    required=True,
    help="Form of the text: markdown.",
)
@options.scope_options
@click.pass_context
def gen_docs(ctx: click.Context, doc_type: str, project: str | None, domain: str | None) -> None:
    """Print the reference of all commands.

    \b
    flyte gen docs --type markdown > reference.md
    """
    if doc_type != "markdown":
        raise click.UsageError(f"--type {doc_type}: the reference is written as markdown only")
    root = ctx.find_root()
    for line in _about(root.command, root, "flyte"):
        click.echo(line)


def _about(command: click.Command, ctx: click.Context, path: str) -> Iterator[str]:
    """A command and all below it."""
    yield f"{'#' * min(path.count(' ') + 1, 6)} {path}\n"
    yield f"```\n{command.get_help(ctx)}\n```\n"
    if not isinstance(command, LazyGroup):
        return  # what is below `run` are the files of this folder
    for name in command.list_commands(ctx):
        found = command.get_command(ctx, name)
        if found is not None and not found.hidden:
            below = found.make_context(name, [], parent=ctx, resilient_parsing=True)
            yield from _about(found, below, f"{path} {name}")
