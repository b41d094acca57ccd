"""`flyte run python-script FILE`: a plain script as a run."""

from pathlib import Path
from typing import Any

import click

from flyte import _scripts
from flyte.cli import options, session
from flyte.cli.exit_codes import ExitCode
from flyte.cli.render import Table


@click.command("python-script")
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--cpu", type=click.IntRange(min=1), default=1, show_default=True, help="CPUs.")
@click.option("--memory", default="2Gi", show_default=True, help="Memory, such as 16Gi.")
@click.option("--gpu", type=click.IntRange(min=0), default=0, show_default=True, help="GPUs.")
@click.option("--gpu-type", default="T4", show_default=True, help="Which GPUs, such as A100.")
@click.option("--image", help="Address of an image; not together with --packages.")
@click.option("--packages", help="Packages to install, joined by commas.")
@click.option(
    "--timeout", type=click.IntRange(min=1), default=3600, show_default=True, help="Seconds."
)
@click.option("--extra-args", help="Arguments of the script, joined by commas.")
@click.option("--queue", help="In which queue it waits.")
@click.option("--output-dir", help="Folder that the script leaves: the output of the run.")
@click.option(
    "--include-files",
    multiple=True,
    help="Further files, seen from the script's folder; also patterns.",
)
@options.pass_root
@click.pass_context
def python_script(
    ctx: click.Context, root: options.RootOptions, script: Path, **chosen: Any
) -> None:
    """Run a plain Python script on the control plane.

    \b
    flyte run python-script train.py --packages scikit-learn --extra-args --epochs,3
    flyte run --follow python-script train.py
    """
    if chosen["image"] and chosen["packages"]:
        raise click.UsageError("--image and --packages exclude each other; give one of them")
    above: dict[str, Any] = ctx.parent.params if ctx.parent else {}
    session.connect(root, project=above.get("project"), domain=above.get("domain"))
    run = _scripts.run_python_script(
        script,
        image=_image(chosen),
        extra_args=_words(chosen["extra_args"]),
        include_files=list(chosen["include_files"]),
        name=above.get("name"),
        wait=True,
        **{
            key: chosen[key]
            for key in ("cpu", "memory", "gpu", "gpu_type", "timeout", "queue", "output_dir")
        },
    )
    facts = {"run": run.name, "phase": run.phase.value, "url": run.url}
    root.show(Table(tuple(facts), [tuple(facts.values())]), facts)
    if run.phase.value != "succeeded":
        ctx.exit(ExitCode.FAILED)


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _image(chosen: dict[str, Any]) -> Any:
    if chosen["packages"]:
        return _words(chosen["packages"])
    return _scripts.Image.from_base(chosen["image"]) if chosen["image"] else None
