"""What a token says about who sends it."""

from dataclasses import dataclass
from typing import Literal

from flyte_server.auth.roles import Grant

Kind = Literal["local", "key", "person", "task", "worker"]
"""local: whoever may read the data directory, or everybody where nobody is asked; key: an API key; person: somebody who
logged in; task: the process of an attempt; worker: a process that leases attempts."""


@dataclass(frozen=True, slots=True)
class OwnRun:
    """The attempt to whose process a token was given."""

    project: str
    domain: str
    name: str
    action: str
    attempt: int
    mark: str
    """The fencing token of the attempt: a later one has another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Who somebody is, and what they were allowed.

    Example:
        >>> Claims(subject="user:ada@example.com", name="Ada", kind="person", expires_at=0).grants
        ()
    """

    subject: str
    """Unique and stable: what rows and the audit log keep.  `key:nightly`, `user:ada@example.com`, …"""
    name: str
    """For people to read."""
    kind: Kind
    grants: tuple[Grant, ...] = ()
    run: OwnRun | None = None
    """Of a task: all that it may touch."""
    worker: str = ""
    """Of a worker: its name, under which alone it may lease."""
    key: str = ""
    """Client id of the API key that all this stems from: it ends with the key."""
    session: str = ""
    """Of a person: the login that all this stems from, which ends with it too."""
    expires_at: int = 0
    """Microseconds since the epoch; 0: never."""
