"""Where a run comes from: the earlier run that it repeats or recovers, and the file with its code.

The file is only written for a control plane of the same machine, which may start the run again with the code as it is
then.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from flyteidl2.common import run_pb2
from flyteidl2.workflow import run_definition_pb2

from flyte._wire import loading

_FILE = "flyte-standalone/file"
_ROOT = "flyte-standalone/root"
_WORDS = {
    run_pb2.RELATION_TYPE_RERUN: "rerun of",
    run_pb2.RELATION_TYPE_RECOVER: "recovers",
}


def told(metadata: run_definition_pb2.ActionMetadata) -> tuple[str, str] | None:
    """What an action says of its run: `("recovers", "r1")`; None if the run stands for itself."""
    word = _WORDS.get(metadata.relation.relation_type)
    return (word, metadata.relation.related_to.name) if word else None


def recovered_from(metadata: run_definition_pb2.ActionMetadata) -> str | None:
    """Whose outputs a recovered action has, as `run/action`; None for others."""
    source = metadata.recovered_from
    return f"{source.run.name}/{source.name}" if source.name else None


class SourceFile(NamedTuple):
    """A file with tasks, and the directory that its module name starts from."""

    file: Path
    root: Path


def annotations(task: Any, root: Path) -> dict[str, str]:
    """What a run says about its code; nothing for a task that no file has."""
    module = loading.home(task)
    file = getattr(module, "__file__", None)
    if file is None:
        return {}
    return {_FILE: str(Path(file).resolve()), _ROOT: str(root.resolve())}


def source(annotations: Mapping[str, str]) -> SourceFile | None:
    """What `annotations` wrote; None if a run says nothing."""
    file, root = annotations.get(_FILE), annotations.get(_ROOT)
    return SourceFile(Path(file), Path(root)) if file and root else None
