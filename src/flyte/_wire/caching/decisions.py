"""What the cache did for an action and why, in the words that people read: the same for every mode."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

HIT = "hit"
"""The outputs are those of `source`."""
WAITING = "waiting"
"""It waits for `source`, which is equal."""
FIRST_TIME = "first_time"
"""No result of the task was kept."""
CHANGED = "changed"
"""No result of an equal call was kept; compared with the nearest one, that of `source`, `changed` are others."""
EXPIRED = "expired"
"""The result of `source` was older than the task's max_age, and is replaced."""
DAMAGED = "damaged"
"""The result of `source` could not be read any more, and is replaced."""
OVERWRITTEN = "overwritten"
"""The run or the task wanted a new result; it replaces the one that is kept."""
CONCURRENT = "concurrent"
"""An equal call, `source`, was executed at the same time."""
OFF = "off"
"""Nothing is kept; `detail` says why, and is empty where nobody asked for it."""


@dataclass(frozen=True, slots=True)
class CacheDecision:
    """Why an action was executed, or was not.

    Example:
        >>> print(CacheDecision("changed", source="r1/a0", changed=("code", "input rate")))
        miss: code and input rate changed since r1/a0
    """

    decision: str
    """One of the words above."""
    source: str = ""
    """`run/action` of the other call, with `project/domain/` before it where those are others."""
    age: timedelta | None = None
    """How old the result of `source` was."""
    changed: tuple[str, ...] = ()
    detail: str = ""

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> "CacheDecision":
        """As `CacheService.Explain` answers."""
        age = payload.get("age_seconds")
        return cls(
            decision=str(payload.get("decision", "")),
            source=str(payload.get("source", "")),
            age=timedelta(seconds=age) if isinstance(age, int | float) else None,
            changed=tuple(map(str, payload.get("changed", ()))),
            detail=str(payload.get("detail", "")),
        )

    @property
    def is_hit(self) -> bool:
        """Whether the outputs are those of an earlier call."""
        return self.decision == HIT

    @property
    def is_about_cache(self) -> bool:
        """Whether there is anything to tell: the task asks for a cache."""
        return self.decision != OFF or bool(self.detail)

    def to_dict(self) -> dict[str, Any]:
        """What it says, in plain values; `summary` is the sentence."""
        known: dict[str, Any] = {
            "decision": self.decision,
            "source": self.source,
            "age_seconds": None if self.age is None else self.age.total_seconds(),
            "changed": list(self.changed),
            "detail": self.detail,
        }
        return {"summary": str(self), **{name: value for name, value in known.items() if value}}

    def __str__(self) -> str:
        age = f", {_age(self.age)} old" if self.age is not None else ""
        words = {
            HIT: f"hit: the outputs of {self.source}{age}",
            WAITING: f"waits for {self.source or 'an equal call'}, which computes the same (serialize)",
            FIRST_TIME: "miss: the first call of the task",
            CHANGED: f"miss: {_listed(self.changed)} changed since {self.source}",
            EXPIRED: f"miss: expired, the outputs of {self.source} are older than max_age{age}",
            DAMAGED: f"miss: the outputs of {self.source} can no longer be read",
            OVERWRITTEN: f"executed to replace what was kept: {self.detail}",
            CONCURRENT: f"miss: {self.source} computed the same at the same time (serialize=True makes one wait)",
            OFF: f"not cached: {self.detail}",
        }
        return words.get(self.decision, self.decision)


def nearest(
    parts: Mapping[str, Any], others: Sequence[tuple[str, Mapping[str, Any]]]
) -> CacheDecision:
    """Why none of the results of a task is that of a call.

    Args:
        parts: what the call's key is made of (`keys.parts`).
        others: makers of results that are kept and what their keys are made of, the youngest first.
    """
    if not others:
        return CacheDecision(FIRST_TIME)
    compared = [(changed(parts, other), source) for source, other in others]
    fewest, source = min(compared, key=lambda pair: len(pair[0]))
    return CacheDecision(CHANGED, source=source, changed=tuple(fewest))


def changed(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[str]:
    """What differs between two calls of a task, for people: `code`, `salt`, `input rate`, …"""
    found = list(_of_version(new["of_version"], old["of_version"]))
    if not found and new["version"] != old["version"]:
        found.append("version")
    if new["interface"] != old["interface"]:
        found.append("interface")
    if new["ignored"] != old["ignored"]:
        found.append("ignored inputs")
    before = old["inputs"]
    found.extend(
        f"input {name}"
        for name, identity in new["inputs"].items()
        if name in before and before[name] != identity
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


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "nothing that can be told"
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else names[0]


def _age(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
