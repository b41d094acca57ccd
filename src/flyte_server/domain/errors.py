"""Refusals of the control plane, named by what the reader must do.

ControlPlaneError
├── NotFound            no such run, action, task or project
├── AlreadyExists       the name is taken
├── Invalid             the request itself makes no sense, now or later
├── Unauthenticated     nobody knows who asks: send a token that is valid
├── Forbidden           who asks is known, and may not
├── Conflict            not in this state of the run
│   ├── Unreadable      a row is damaged: repair it, the rest goes on
│   ├── Aborted         the run or its parent was stopped: give up, do not ask again
│   └── AttemptOver     the attempt that asks is over: its process should end
├── CannotLaunch        the attempt can never start: its action fails, by the user's fault
├── Unavailable         the control plane is stopping: ask again in a moment
│   └── StoreFailing    the database is locked, or its disk broken: nothing was changed, ask again
│       └── DiskFull    there is no room: make some, and the work goes on by itself
├── StaleWrite          a row changed under the writer: a bug of ours, never a success
└── StoreUnusable       the data directory cannot be used: the operator must act
    └── SchemaTooNew    written by a newer release
"""


class ControlPlaneError(Exception):
    """Base of all refusals; the message is one sentence for the person who asked."""


class NotFound(ControlPlaneError):  # noqa: N818 - named by what happened, as on the wire
    """No such run, action, task or project."""


class AlreadyExists(ControlPlaneError):  # noqa: N818
    """The name is taken: choose another, or take what exists."""


class Invalid(ControlPlaneError):  # noqa: N818
    """The request makes no sense, now or later: correct it."""


class Unauthenticated(ControlPlaneError):  # noqa: N818
    """Nobody knows who asks: the token is missing, forged, expired or revoked."""


class Forbidden(ControlPlaneError):  # noqa: N818
    """Who asks is known, and may not do this."""


class Conflict(ControlPlaneError):  # noqa: N818
    """The request does not fit the state that its run is in."""


class Unreadable(Conflict):
    """A row cannot be read: it is set aside with its error, everything else goes on."""


class Aborted(Conflict):
    """The run or the parent was stopped: nothing new starts in it."""


class AttemptOver(Conflict):
    """The attempt that asks is over, another one may have taken its place: its process should end."""


class CannotLaunch(ControlPlaneError):  # noqa: N818
    """An attempt can never start as its task stands: the action fails with this code and message, without a retry."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class Unavailable(ControlPlaneError):  # noqa: N818
    """The control plane is stopping: ask again in a moment, the next one answers."""


class StoreFailing(Unavailable):
    """The database is locked, or its disk full or broken: nothing was changed, ask again in a moment."""

    kind = "other"
    """`locked`, `full`, `io`, …: for counting."""


class DiskFull(StoreFailing):
    """The disk has no room: nothing was changed; make room and ask again."""

    kind = "full"


class StaleWrite(ControlPlaneError):  # noqa: N818
    """A save met another version of the row than it was made from; nothing was written."""


class StoreUnusable(ControlPlaneError):  # noqa: N818
    """The database cannot be opened here: the message says why and what to do."""


class SchemaTooNew(StoreUnusable):
    """The database was written by a newer release of the control plane."""
