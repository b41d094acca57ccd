"""Variables of the environment as values, or a sentence that says which one is wrong and what to write."""

import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTP", start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTP", start=1)},
}
"""Suffixes of quantities."""
_LETTERS = "mkKMGTPi"


class SettingsError(Exception):
    """A setting cannot be used; the message names it, its value and what to write instead."""


def yes_or_no(variables: Mapping[str, str], name: str) -> bool | None:
    """`1` or `0`; None if it is not set.

    Raises:
        SettingsError: it is something else.
    """
    text = variables.get(name, "").strip()
    if text not in {"", "0", "1"}:
        raise SettingsError(f"{name}={text!r} is neither 1 nor 0; write {name}=1, or leave it out.")
    return text == "1" if text else None


def count(variables: Mapping[str, str], name: str, default: int) -> int:
    """A whole number of at least 0.

    Raises:
        SettingsError: it is something else.
    """
    text = variables.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal():
        raise SettingsError(
            f"{name}={text!r} is not a whole number of at least 0; write e.g. {name}={default}."
        )
    return int(text)


def positive(variables: Mapping[str, str], name: str) -> int | None:
    """A whole number of at least 1; None if it is not set.

    Raises:
        SettingsError: it is something else.
    """
    text = variables.get(name, "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(
            f"{name}={text!r} is not a whole number of at least 1; write e.g. {name}=8."
        )
    return int(text)


def reservable(
    variables: Mapping[str, str], name: str, example: str, *, times: int = 1
) -> int | None:
    """A quantity with a suffix of Kubernetes, such as 8Gi; None if it is not set.

    Args:
        times: what one unit counts: 1000 for thousandths.

    Raises:
        SettingsError: it is no such quantity above 0.
    """
    text = variables.get(name, "").strip()
    if not text:
        return None
    number = text.rstrip("".join(_LETTERS))
    factor = _FACTORS.get(text.removeprefix(number))
    try:
        found = int(Decimal(number) * factor * times) if factor is not None else 0
    except (InvalidOperation, ValueError, OverflowError):
        found = 0
    if found < 1:
        raise SettingsError(
            f"{name}={text!r} is no quantity above 0; write e.g. {name}={example.partition(' ')[0]}"
            f"{' (' + example + ')' if ' ' in example else ''}."
        )
    return found


def seconds(variables: Mapping[str, str], name: str, default: float) -> float:
    """A number of seconds.

    Raises:
        SettingsError: it is something else.
    """
    return amount(variables, name, default, wanted="number of seconds", example="10")


def amount(
    variables: Mapping[str, str],
    name: str,
    default: float,
    *,
    wanted: str = "number",
    example: str = "30, or 0 for no limit",
) -> float:
    """A number of at least 0.

    Raises:
        SettingsError: it is something else.
    """
    text = variables.get(name, "").strip()
    try:
        found = float(text) if text else default
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise SettingsError(
            f"{name}={text!r} is no {wanted} of at least 0; write e.g. {name}={example}."
        )
    return found
