"""Settings as messages and as plain values by key: `run.default_queue`, `labels`, …"""

from collections.abc import Iterator, Mapping
from typing import Any

from flyteidl2.settings import settings_definition_pb2 as pb2
from google.protobuf.json_format import MessageToDict, ParseDict

from flyte import errors

_KINDS = {
    "string_value": "text",
    "quantity_value": "amount, such as 500m or 2Gi",
    "int_value": "whole number",
    "bool_value": "true or false",
    "map_value": "table of texts",
    "accelerator_value": "accelerator",
}


def _fields(descriptor: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every setting below a message: its key, and the name of the field with its value."""
    for name, found in descriptor.fields_by_name.items():
        below = f"{path}.{name}" if path else name
        values = [each for each in found.message_type.fields_by_name if each.endswith("_value")]
        if values:
            yield below, values[0]
        else:
            yield from _fields(found.message_type, below)


_VALUES = dict(_fields(pb2.Settings.DESCRIPTOR))
KEYS = {key: _KINDS.get(value, value) for key, value in _VALUES.items()}
"""Every key of the protocol, with what its value is."""
_TABLES = frozenset(key for key, value in _VALUES.items() if value == "map_value")
_TYPES: dict[str, type] = {
    "string_value": str,
    "quantity_value": str,
    "int_value": int,
    "bool_value": bool,
}


def flat(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Values by full key: groups are opened, and entries of a table come together.

    Example:
        >>> flat({"run": {"default_queue": "fast"}, "labels.team": "weather"})
        {'run.default_queue': 'fast', 'labels': {'team': 'weather'}}
    """
    made: dict[str, Any] = {}
    for key, value in overrides.items():
        table, _, entry = str(key).partition(".")
        if table in _TABLES and entry:
            made.setdefault(table, {})[entry] = value
        elif isinstance(value, Mapping) and any(known.startswith(f"{key}.") for known in _VALUES):
            made |= flat({f"{key}.{name}": below for name, below in value.items()})
        else:
            made[str(key)] = value
    return made


def message(overrides: Mapping[str, Any]) -> pb2.Settings:
    """Settings as the wire has them; None says that nothing is inherited.

    Raises:
        DefinitionError: a key does not exist, or its value is of another type.
    """
    made = pb2.Settings()
    for key, value in overrides.items():
        if key not in _VALUES:
            raise errors.DefinitionError(f"there is no setting {key!r}, only: {', '.join(KEYS)}")
        target: Any = made
        for name in key.split("."):
            target = getattr(target, name)
        if value is None:
            target.state = pb2.SETTING_STATE_UNSET
        else:
            target.state = pb2.SETTING_STATE_VALUE
            _put(target, key, value)
    return made


def _put(target: Any, key: str, value: Any) -> None:
    name = _VALUES[key]
    if key in _TABLES and isinstance(value, Mapping):
        target.map_value.entries.update({str(k): _text(v) for k, v in value.items()})
    elif name == "accelerator_value" and isinstance(value, Mapping):
        ParseDict(dict(value), target.accelerator_value)
    elif name in _TYPES and type(value) is _TYPES[name]:
        setattr(target, name, value)
    else:
        raise errors.DefinitionError(f"the setting {key!r} is a {KEYS[key]}, not {value!r}")


def _text(value: Any) -> str:
    """YAML reads `1` and `true` where a person meant text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def given(settings: pb2.Settings) -> dict[str, Any]:
    """Every setting that a message says something of, by key; None is one that was unset."""
    found: dict[str, Any] = {}
    for key, name in _VALUES.items():
        setting: Any = settings
        for part in key.split("."):
            setting = getattr(setting, part)
        if setting.state == pb2.SETTING_STATE_UNSET:
            found[key] = None
        elif setting.state == pb2.SETTING_STATE_VALUE:
            found[key] = _plain(setting, name)
    return found


def _plain(setting: Any, name: str) -> Any:
    if name == "map_value":
        return dict(setting.map_value.entries)
    value = getattr(setting, name)
    return MessageToDict(value) if name == "accelerator_value" else value
