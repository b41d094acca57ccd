"""`flyte completion SHELL`: what a shell needs to complete commands, options and names of files.

The script is click's own; it calls `flyte` again for each completion, which imports no more than the command that is
being written.
"""

import click
from click.shell_completion import get_completion_class

_VARIABLE = "_FLYTE_COMPLETE"
_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    eval "$(flyte completion bash)"                                  in ~/.bashrc
    eval "$(flyte completion zsh)"                                   in ~/.zshrc
    flyte completion fish > ~/.config/fish/completions/flyte.fish
    """
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(made(ctx.find_root().command, {}, "flyte", _VARIABLE).source())
