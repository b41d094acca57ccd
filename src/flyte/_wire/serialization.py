"""What a specification needs beside the task itself."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from flyte._context import CodeBundle


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
    """Addresses of images that were built; none are yet, so images go by their own."""
    root_dir: Path | None = None
    """Root of the code, from which a script's module gets its name."""

    def get_entrypoint_path(self, interpreter_path: str | None = None) -> str:
        """The `a0` command beside an interpreter."""
        return str(PurePosixPath(interpreter_path or self.interpreter_path).with_name("a0"))
