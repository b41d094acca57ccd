"""What the key of a cached call is made of, and in which of these parts two calls differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flyteidl2.core import tasks_pb2
from flyteidl2.task import common_pb2

from flyte_server.services.wire import identities

PROBLEM = "cache.problem"
"""Entry of a task's `config` that says why a task that asks for a cache has none."""
_PREFIX = "cache."
_ABOUT_THE_TASK = frozenset({PROBLEM, "cache.behavior"})


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a key is made of, but the task's name."""

    version: str
    of_version: Mapping[str, str]
    """Hashes of what the version is made of, as far as the client told: `code`, `salt`, `policy.…`, or `version`."""
    interface: bytes
    ignored: tuple[str, ...]
    inputs: Mapping[str, str]
    """Identities by name."""

    @classmethod
    def of(cls, template: tasks_pb2.TaskTemplate, inputs: common_pb2.Inputs) -> "Parts":
        """The parts of one call."""
        ignored = sorted(template.metadata.cache_ignore_input_vars)
        return cls(
            version=template.metadata.discovery_version,
            of_version={
                name.removeprefix(_PREFIX): part
                for name, part in template.config.items()
                if name.startswith(_PREFIX) and name not in _ABOUT_THE_TASK
            },
            interface=template.interface.SerializeToString(deterministic=True),
            ignored=tuple(ignored),
            inputs=identities.by_name(inputs, ignored),
        )


def between(new: Parts, old: Parts) -> list[str]:
    """What differs, for people: `code`, `salt`, `policy Monthly`, `version`, `interface`, `input rate`, …"""
    found = list(_of_version(new.of_version, old.of_version))
    if not found and new.version != old.version:
        found.append("version")
    if new.interface != old.interface:
        found.append("interface")
    if new.ignored != old.ignored:
        found.append("ignored inputs")
    found.extend(
        f"input {name}"
        for name, identity in new.inputs.items()
        if name in old.inputs and old.inputs[name] != identity
    )
    return found


def _of_version(new: Mapping[str, str], old: Mapping[str, str]) -> Iterator[str]:
    other = {name for name in (*new, *old) if new.get(name) != old.get(name)}
    if "version" in other:
        yield "version"
        return  # made by hand on one side at least: there are no parts to compare
    for name in sorted(other):
        # The salt goes into what a policy makes, so that a policy is not to blame for a new salt.
        if not name.startswith("policy."):
            yield name
        elif "salt" not in other:
            yield f"policy {name.removeprefix('policy.')}"
