"""Who may touch which objects: an access key says for whom it was made, and its secret follows from it.

Nothing is kept: the secret is an HMAC of the access key under the key of the signed links.  A key of a run writes
below the run and reads what its project has; it ends with the run.  A key of a project only reads, for some hours.
"""

from dataclasses import dataclass
from typing import Protocol

from flyte_server.blobs import LocalBlobs
from flyte_server.services.objects import errors

REGION = "us-east-1"
"""What clients are told; any will do, since it only goes into the signature."""
_RUN, _PROJECT = "run", "project"
_US = 1_000_000
_LONGEST_SECONDS = 12 * 3600
_UPLOADS = "uploads"


@dataclass(frozen=True, slots=True)
class Credential:
    """A pair as S3 clients want it."""

    access_key: str
    secret: str


@dataclass(frozen=True, slots=True)
class Reach:
    """What the bearer of a credential may touch; prefixes end with `/`."""

    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()

    def check_read(self, key: str) -> None:
        """Raise `ObjectError` if the key, or the prefix of a listing, lies elsewhere."""
        if not key.startswith(self.reads):
            raise errors.denied(
                f"The access key reads below {' and '.join(self.reads)}, not {key!r}."
            )

    def check_write(self, key: str) -> None:
        """Raise `ObjectError` if the key lies elsewhere."""
        if not self.writes or not key.startswith(self.writes):
            where = f"writes below {' and '.join(self.writes)}" if self.writes else "only reads"
            raise errors.denied(f"The access key {where}; {key!r} may not be changed with it.")


class Runs(Protocol):
    """Says whether a run is still going on."""

    async def may_write(self, run_id: int, place: str) -> bool:
        """Whether there is such a run, at `project/domain/name`, that has not ended."""
        ...

    async def may_read(self, run_id: int, place: str) -> bool:
        """Whether there is such a run."""
        ...


class Credentials:
    """Makes credentials and finds what they are good for.

    Args:
        blobs: make secrets.
    """

    def __init__(self, blobs: LocalBlobs, runs: Runs) -> None:
        self._blobs = blobs
        self._runs = runs

    def of_run(self, run_id: int, project: str, domain: str, run: str) -> Credential:
        """For the tasks of a run."""
        return self._credential(":".join((_RUN, str(run_id), project, domain, run)))

    def of_project(self, project: str, domain: str, *, seconds: float, now_us: int) -> Credential:
        """For reading what the runs of a project have made, for at most twelve hours."""
        ends_at = now_us // _US + int(min(max(seconds, 1), _LONGEST_SECONDS))
        return self._credential(":".join((_PROJECT, str(ends_at), project, domain)))

    def secret(self, access_key: str) -> str:
        """The secret that belongs to an access key."""
        return self._blobs.secret(f"object store\0{access_key}")

    async def reach(self, access_key: str, now_us: int, *, changes: bool) -> Reach:
        """What an access key, whose secret the caller has shown to know, is good for now.

        Args:
            changes: whether the request would change something.

        Raises:
            ObjectError: it is good for nothing any more.
        """
        match access_key.split(":"):
            case ["run", number, project, domain, run]:
                asked = self._runs.may_write if changes else self._runs.may_read
                if not await asked(int(number), f"{project}/{domain}/{run}"):
                    raise errors.denied(
                        f"The run {run!r} has ended, and its access key with it.", "ExpiredToken"
                    )
                return Reach(_of_project(project, domain), (f"{project}/{domain}/{run}/",))
            case ["project", ends_at, project, domain]:
                if int(ends_at) * _US < now_us:
                    raise errors.denied(
                        "The access key has expired; ask the control plane for another.",
                        "ExpiredToken",
                    )
                return Reach(_of_project(project, domain))
            case _:
                raise errors.denied(
                    f"The access key {access_key!r} is none of this control plane.",
                    "InvalidAccessKeyId",
                )

    def _credential(self, access_key: str) -> Credential:
        return Credential(access_key, self.secret(access_key))


def _of_project(project: str, domain: str) -> tuple[str, ...]:
    return f"{project}/{domain}/", f"{_UPLOADS}/{project}/{domain}/"
