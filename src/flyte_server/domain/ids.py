"""Names that the control plane makes: of runs, of attempts' directories, and fencing tokens."""

import hashlib
import secrets

ROOT_ACTION = "a0"
"""Name of the first action of every run."""

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_RUN_NAME_LENGTH = 19


def random_run_name() -> str:
    """A new run name: `r` and 19 characters of base 36, as every Flyte 2 backend makes them."""
    return "r" + "".join(secrets.choice(_BASE36) for _ in range(_RUN_NAME_LENGTH))


def tick_run_name(project: str, domain: str, task: str, trigger: str, tick: int) -> str:
    """The name of the run of a trigger's tick: `t` and 19 characters that only this tick has.

    So the same tick has the same run, whoever starts it and however often somebody tries.
    """
    text = "\0".join((project, domain, task, trigger, str(tick)))
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest())
    digits = ""
    for _ in range(_RUN_NAME_LENGTH):
        number, digit = divmod(number, len(_BASE36))
        digits += _BASE36[digit]
    return f"t{digits}"


def random_plane() -> str:
    """A new name for a control plane that starts: `cp-` and 12 hexadecimal digits."""
    return f"cp-{secrets.token_hex(6)}"


def random_token() -> str:
    """A new fencing token: 96 random bits, in text that fits into a file name."""
    return secrets.token_hex(12)


def attempt_uri(output_base: str, action: str, number: int) -> str:
    """The directory of an attempt's outputs.

    >>> attempt_uri("file:///data/r1", "a0", 2)
    'file:///data/r1/a0/2'
    """
    return f"{output_base.rstrip('/')}/{action}/{number}"
