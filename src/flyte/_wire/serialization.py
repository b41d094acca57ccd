"""What a specification needs beside the task itself, and the command line of a worker, which follows from both."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from flyte._context import CodeBundle
from flyte._wire import loading

COMMAND = "a0"

_PLACEHOLDERS = (
    ("--raw-data-path", "{{.rawOutputDataPrefix}}"),
    ("--checkpoint-path", "{{.checkpointOutputPrefix}}"),
    ("--prev-checkpoint", "{{.prevCheckpointPrefix}}"),
    ("--run-name", "{{.runName}}"),
    ("--name", "{{.actionName}}"),
    ("--run-start-time", "{{.runStartTime}}"),
)
"""Options whose values the control plane puts in."""


@dataclass(frozen=True, slots=True)
class SerializationContext:
    """What a task's specification needs beside the task: where it belongs and where its code is."""

    version: str
    project: str | None = None
    domain: str | None = None
    org: str | None = None
    code_bundle: CodeBundle | None = None
    input_path: str = "{{.input}}"
    output_path: str = "{{.outputPrefix}}"
    interpreter_path: str = "/opt/venv/bin/python"
    image_cache: Any = None
    """Addresses of images that were built (`image_lookup`, `to_transport`); None: images go by their own."""
    root_dir: Path | None = None
    """Root of the code, from which a script's module gets its name."""

    def get_entrypoint_path(self, interpreter_path: str | None = None) -> str:
        """The `a0` command beside an interpreter."""
        return str(PurePosixPath(interpreter_path or self.interpreter_path).with_name("a0"))

    def worker_args(self, task: Any) -> list[str]:
        """The command line of a worker of this SDK, with placeholders for what differs between attempts.

        It begins with `a0` itself and the container's command stays empty: so every Flyte 2 client writes it.

        Raises:
            ModuleLoadError: when a worker could not find the task again.
        """
        words = [COMMAND, "--inputs", self.input_path, "--outputs-path", self.output_path]
        words += ["--version", self.version]
        for option, placeholder in _PLACEHOLDERS:
            words += [option, placeholder]
        if self.image_cache is not None:
            words += ["--image-cache", self.image_cache.to_transport]
        bundle = self.code_bundle
        if bundle is not None:
            words += _bundle_args(bundle)
        if bundle is None or bundle.pkl is None:
            words += self._resolver_args(task)
        return words

    def _resolver_args(self, task: Any) -> list[str]:
        resolver = getattr(task, "task_resolver", None)
        if resolver is not None:
            own = resolver.loader_args(task, self.root_dir)
            return ["--resolver", resolver.import_path, *own]
        return ["--resolver", loading.RESOLVER, *loading.loader_args(task, self.root_dir)]


def _bundle_args(bundle: CodeBundle) -> list[str]:
    if bundle.pkl is not None:
        return ["--pkl", bundle.pkl, "--dest", bundle.destination]
    return ["--tgz", bundle.tgz, "--dest", bundle.destination] if bundle.tgz else []
