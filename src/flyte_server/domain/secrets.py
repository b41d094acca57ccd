"""Secrets by name and scope, and what a task asks for.  What is in them is known here to nobody."""

from dataclasses import dataclass
from enum import StrEnum


class SecretKind(StrEnum):
    """What a secret is for."""

    GENERIC = "generic"
    IMAGE_PULL = "image_pull"


@dataclass(frozen=True, slots=True)
class SecretName:
    """A name in its scope: a domain of a project, a project, a domain of every project, or everywhere."""

    name: str
    project: str = ""
    """Empty: every project."""
    domain: str = ""
    """Empty: every domain."""

    @property
    def place(self) -> tuple[str, str, str]:
        """What its sealed value is bound to: one that is moved to another row cannot be opened."""
        return (self.project, self.domain, self.name)

    def __str__(self) -> str:
        scope = "/".join(part for part in (self.project, self.domain) if part)
        return f"{self.name!r} of {scope}" if scope else f"{self.name!r}"


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A stored secret, as the database has it."""

    name: SecretName
    kind: SecretKind
    sealed: bytes
    """The value, encrypted; only the vault can open it."""
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class WantedSecret:
    """What a task asks for, and how it wants to get it."""

    key: str
    group: str = ""
    variable: str = ""
    """Variable with the value, or (of a file) with the file's path; empty: the default, or (of a file) none."""
    as_file: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names under which it may be kept, the more exact first.

        A group may be left out: the official control plane knows keys alone.
        """
        return (f"{self.group}_{self.key}", self.key) if self.group else (self.key,)

    def __str__(self) -> str:
        return f"{self.key!r} of group {self.group!r}" if self.group else repr(self.key)
