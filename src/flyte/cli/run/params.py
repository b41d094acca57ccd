"""A task's inputs as command-line options."""

from collections.abc import Mapping
from typing import Any

import click

from flyte._interface import NativeInterface
from flyte.cli.run import values

_LONGEST_DEFAULT = 60


def options(
    interface: NativeInterface, defaults: Mapping[str, Any] | None = None
) -> list[click.Parameter]:
    """One option per input, under the input's own name (`-` and `_` mean the same).

    Args:
        interface: the inputs.
        defaults: what help shows for the defaults that the interface does not know.
    """
    known = defaults or {}
    return [
        _option(name, hint, known.get(name, default))
        for name, (hint, default) in interface.inputs.items()
    ]


def given(chosen: Mapping[str, Any], interface: NativeInterface) -> dict[str, Any]:
    """The inputs to pass on: what was given, None (or False) where it may be missing.

    Defaults are left to the task.
    """
    inputs = {name: value for name, value in chosen.items() if value is not None}
    for name, (hint, default) in interface.inputs.items():
        if name not in inputs and default is NativeInterface.no_default:
            if hint is bool:
                inputs[name] = False
            elif values.is_optional(hint):
                inputs[name] = None
    return inputs


def missing(inputs: Mapping[str, Any], interface: NativeInterface) -> str:
    """The inputs that are still to be given, with their types; empty when none is."""
    names = [name for name in interface.required_inputs() if name not in inputs]
    return ", ".join(f"--{name} ({values.hint_name(interface.inputs[name][0])})" for name in names)


def normalised(token: str) -> str:
    """`--learning-rate` is `--learning_rate`."""
    return token.replace("-", "_")


def _option(name: str, hint: Any, default: Any) -> click.Option:
    has_default = default is not NativeInterface.no_default
    if hint is bool:
        # A flag can be left out, so it is never required; `--no-…` turns off what is on by default.
        shown = f"[default: {_shown(default)}]" if has_default else None
        return click.Option([name, f"--{name}/--no-{name}"], default=None, help=shown)
    optional = has_default or values.is_optional(hint)
    shown = f"[default: {_shown(default if has_default else None)}]" if optional else "[required]"
    kind = values.parameter_type(hint)
    is_json = isinstance(kind, values.Json)
    return click.Option(
        [name, f"--{name}"],
        type=kind,
        metavar="JSON" if is_json else None,
        help=" ".join(filter(None, (values.hint_name(hint) if is_json else None, shown))),
    )


def _shown(default: Any) -> str:
    text = (
        getattr(default, "name", None) if hasattr(type(default), "__members__") else repr(default)
    )
    text = str(text)
    return text if len(text) <= _LONGEST_DEFAULT else text[: _LONGEST_DEFAULT - 1] + "…"
