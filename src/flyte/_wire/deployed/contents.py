"""When two specifications of a task are the same, wherever the code was put in between."""

import hashlib
from collections.abc import Iterable

from flyteidl2.task import task_definition_pb2

_ADDRESSED = frozenset({"--tgz", "--pkl"})
"""Options of a worker whose values are addresses of code; its name says what the code is."""
_VERSIONED = "--version"
_UNSTABLE = "--image-cache"
"""Packed anew at each deployment; where images matter, the container names its own."""

TaskSpec = task_definition_pb2.TaskSpec


def same(one: TaskSpec, other: TaskSpec) -> bool:
    """Whether two specifications say the same, apart from version and the address of the code."""
    return _canonical(one) == _canonical(other)


def version(specs: Iterable[TaskSpec], extras: Iterable[bytes] = ()) -> str:
    """The version of tasks that are deployed together: a hash of everything that they say.

    Args:
        specs: the specifications; their own version and the address of their code do not count, the code does.
        extras: what else belongs to them, such as triggers.

    Returns:
        32 hexadecimal digits.
    """
    digest = hashlib.blake2b(digest_size=16)
    parts = sorted(_canonical(spec) for spec in specs)
    for part in (*parts, b"", *sorted(extras)):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def _canonical(spec: TaskSpec) -> bytes:
    copy = TaskSpec()
    copy.CopyFrom(spec)
    template = copy.task_template
    # Where a task is does not say what it is.
    template.id.version = template.id.org = ""
    template.metadata.code_bundle_uri = _name(template.metadata.code_bundle_uri)
    if template.HasField("container"):
        args = _without_places(template.container.args)
        template.container.ClearField("args")
        template.container.args.extend(args)
    return copy.SerializeToString(deterministic=True)


def _without_places(args: Iterable[str]) -> list[str]:
    kept: list[str] = []
    before = ""
    for word in args:
        if before in _ADDRESSED:
            kept.append(_name(word))
        elif before not in (_VERSIONED, _UNSTABLE):
            kept.append(word)
        before = word
    return kept


def _name(address: str) -> str:
    """The last part of an address: bundles are named by the hash of their content."""
    return address.rpartition("/")[2]
