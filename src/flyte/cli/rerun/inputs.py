"""Values that take the place of those of an earlier run: `--inputs '{"n": 5}'`, `--input n=5`, or `--n 5`."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click

from flyte._interface import NativeInterface
from flyte.cli.run import json_text, values
from flyte.cli.run.script import nearest


def given(
    document: str | None, named: Iterable[tuple[str, str]], interface: NativeInterface
) -> dict[str, Any]:
    """The values by name, read as `flyte run` reads them.

    Args:
        document: a JSON object.
        named: names and values as they would stand after `--name`.
        interface: the task's inputs and their types.

    Raises:
        click.UsageError: an input is unknown, given twice, or does not fit its type.
    """
    texts = {name: _text(value, interface, name) for name, value in _object(document).items()}
    for name, value in named:
        if name in texts:
            raise click.UsageError(f"input {name!r} is given twice; leave one of them out")
        texts[name] = value
    return {name: _read(name, text, interface) for name, text in texts.items()}


def pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    """Names and values out of the words that are no options of the command: `--n 5` or `--n=5`.

    Raises:
        click.UsageError: they are not like that.
    """
    found: list[tuple[str, str]] = []
    waiting = iter(words)
    for word in waiting:
        name, separator, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not name:
            raise click.UsageError(f"unexpected {word!r}; inputs are written --NAME VALUE")
        if not separator and (value := next(waiting, "")) == "":
            raise click.UsageError(
                f"{word} is no option of `flyte rerun`, and as an input it needs a value"
            )
        found.append((name.replace("-", "_"), value))
    return found


def _object(document: str | None) -> dict[str, Any]:
    if document is None:
        return {}
    try:
        json_text.check(document)
    except json_text.MalformedError as error:
        raise click.UsageError(f"--inputs: {error}") from error
    found = json.loads(document)
    if not isinstance(found, dict):
        raise click.UsageError(
            f"""--inputs must be a JSON object such as '{{"n": 5}}', not {json_text.shown(found)}"""
        )
    return found


def _text(value: Any, interface: NativeInterface, name: str) -> str | None:
    """A value of a JSON object as it would be written after an option; None for null."""
    if value is None:
        return None
    is_json = isinstance(_kind(name, interface), values.Json)
    return value if isinstance(value, str) and not is_json else json.dumps(value)


def _read(name: str, text: str | None, interface: NativeInterface) -> Any:
    kind = _kind(name, interface)
    if text is None:
        if not values.is_optional(interface.inputs[name][0]):
            raise click.UsageError(f"input {name!r} cannot be null; leave it out, or give a value")
        return None
    try:
        return kind.convert(text, None, None)
    except click.BadParameter as error:
        raise click.UsageError(f"input {name!r}: {error.message}") from error


def _kind(name: str, interface: NativeInterface) -> click.ParamType:
    if name not in interface.inputs:
        known = ", ".join(interface.inputs) or "none"
        raise click.UsageError(
            f"the task has no input {name!r}{nearest(name, interface.inputs)} (it has: {known})"
        )
    return values.parameter_type(interface.inputs[name][0])
