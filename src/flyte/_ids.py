"""Names of runs and actions.

An action's name is a pure function of what is called and from where, so that a parent that is started again asks
for the same children under the same names and finds the finished ones.  The server never renames an action.
"""

import hashlib
import secrets
from collections import Counter
from dataclasses import dataclass, replace

ROOT_ACTION = "a0"
"""Name of the first action of every run."""

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_RUN_NAME_LENGTH = 19


def base36(number: int) -> str:
    """A non-negative number in base 36, lower case.

    >>> base36(36)
    '10'
    """
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits or "0"


def random_run_name() -> str:
    """A new run name: `r` and 19 characters of base 36 (as every Flyte 2 backend makes them)."""
    return "r" + "".join(secrets.choice(_BASE36) for _ in range(_RUN_NAME_LENGTH))


def child_action_name(
    *, parent: str, task_hash: str, input_hash: str, call_sequence: int, group: str | None
) -> str:
    """The name of a call made by action `parent`: the same call always has the same name.

    Args:
        parent: name of the calling action.
        task_hash: identity of what is called (not of its code: an edited function keeps its names).
        input_hash: identity of the input values.
        call_sequence: how many calls with the same hashes and group the parent made before this one.
        group: the `flyte.group` around the call, if any.

    Returns:
        At most 25 characters of base 36 (the protocol allows 30).
    """
    identity = "\0".join((parent, task_hash, input_hash, str(call_sequence), group or ""))
    digest = hashlib.blake2b(identity.encode(), digest_size=16).digest()
    return base36(int.from_bytes(digest, "big"))


class CallCounter:
    """Numbers repeated calls: the same key again gets the next number.

    Example:
        >>> counter = CallCounter()
        >>> [counter.next("a"), counter.next("b"), counter.next("a")]
        [1, 1, 2]
    """

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def next(self, call_key: str) -> int:
        """How often the key was asked for, this time included."""
        self._seen[call_key] += 1
        return self._seen[call_key]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionID:
    """Identity of one action: its run and its name within the run.

    Example:
        >>> ActionID(name="a0", run_name="r1", project="p", domain="development").unique_id_str()
        'p-development-r1-a0'
    """

    name: str
    run_name: str | None = None
    project: str | None = None
    domain: str | None = None
    org: str | None = None

    @classmethod
    def create_random(cls) -> "ActionID":
        """An identity for a run that no server names (local mode)."""
        run_name = random_run_name()
        return cls(name=ROOT_ACTION, run_name=run_name)

    def new_sub_action(self, name: str | None = None) -> "ActionID":
        """An action of the same run, with the given or a random name."""
        return replace(self, name=name or random_run_name())

    def new_sub_action_from(
        self, task_call_seq: int, task_hash: str, input_hash: str, group: str | None
    ) -> "ActionID":
        """The action that a call made by this one has; see `child_action_name`."""
        name = child_action_name(
            parent=self.name,
            task_hash=task_hash,
            input_hash=input_hash,
            call_sequence=task_call_seq,
            group=group,
        )
        return replace(self, name=name)

    def unique_id_str(self, salt: str | None = None) -> str:
        """One string for this action, unique in a control plane."""
        parts = (self.project, self.domain, self.run_name, self.name, salt)
        return "-".join(part for part in parts if part)
