"""Settings as messages: which ones have an effect here, and what holds in a scope.

A setting is inherited from the next wider scope unless it says otherwise: a value, or "unset", which ends the
inheritance.  Tables (labels, annotations, variables) are inherited entry by entry.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from flyteidl2.settings import settings_definition_pb2 as pb2
from google.protobuf.message import Message

from flyte_server.domain.errors import Invalid

Setting = Any
"""A message with `state`, `scope_level` and a value; which class it has the path decides."""

EFFECTIVE = (
    "run.default_queue",
    "run.max_action_concurrency",
    "run.run_base_dir",
    "labels",
    "annotations",
    "environment_variables",
)
"""Settings that this control plane follows, as paths; the others are refused, because they would change nothing."""

_TABLES = frozenset({"labels", "annotations", "environment_variables"})


def check(settings: pb2.Settings) -> None:
    """See to it that each setting is one that has an effect, with a value that makes sense.

    Raises:
        Invalid: it is another one, or its value is missing or wrong.
    """
    for path, setting in _given(settings):
        if path not in EFFECTIVE:
            raise Invalid(
                f"The setting {path!r} has no effect on this control plane, so it is not kept; those that have are "
                f"{', '.join(EFFECTIVE)}."
            )
        if setting.state != pb2.SETTING_STATE_VALUE:
            continue
        _check_value(path, setting)


def _check_value(path: str, setting: Setting) -> None:
    if path == "run.max_action_concurrency":
        number = setting.int_value
        if not 1 <= number <= 2**31:
            raise Invalid(f"The setting {path!r} is {number}; write a number of at least 1.")
    elif path in _TABLES:
        entries = setting.map_value.entries
        if wrong := [key for key in entries if not key or "=" in key or "\0" in key]:
            raise Invalid(
                f"The setting {path!r} has an entry called {wrong[0]!r}; name it without '='."
            )
    elif not setting.string_value:
        raise Invalid(f"The setting {path!r} is empty; give it a value, or take it away.")


def merged(levels: Iterable[tuple["pb2.ScopeLevel", pb2.Settings]]) -> pb2.Settings:
    """What holds in the narrowest of these scopes; each setting says which scope it comes from.

    Args:
        levels: the scopes with their settings, the widest first.
    """
    made = pb2.Settings()
    for level, settings in levels:
        for path, setting in _given(settings):
            if setting.state == pb2.SETTING_STATE_INHERIT:
                continue
            target = find(made, path)
            before = _entries(target) if path in _TABLES else {}
            target.CopyFrom(setting)
            if path in _TABLES and setting.state == pb2.SETTING_STATE_VALUE:
                entries = target.map_value.entries
                for key, value in before.items():
                    if key not in entries:
                        entries[key] = value
            target.scope_level = level
    return made


def find(settings: pb2.Settings, path: str) -> Setting:
    """The setting at a path such as `run.default_queue`."""
    found: Setting = settings
    for name in path.split("."):
        found = getattr(found, name)
    return found


def has_value(setting: Setting) -> bool:
    """Whether it says what holds."""
    return setting.state == pb2.SETTING_STATE_VALUE


def _entries(setting: Setting) -> dict[str, str]:
    return dict(setting.map_value.entries) if has_value(setting) else {}


def _given(message: Message, path: str = "") -> Iterator[tuple[str, Setting]]:
    """Every setting that is there, with its path."""
    for field, value in message.ListFields():
        below = f"{path}.{field.name}" if path else field.name
        if "state" in value.DESCRIPTOR.fields_by_name:
            yield below, value
        else:
            yield from _given(value, below)
